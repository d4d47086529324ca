"""Answers to the exercises of tutorial 12 as readers get them wrong: `<function>__<what is wrong>`."""

import torch

from grao_ref import group_advantages
from theory.ledger import Check


def _deviations(rewards, correction=0):
    group = torch.tensor(rewards, dtype=torch.float64)
    advantages, _ = group_advantages(group, group.mean(), pool="outputs")
    return [(each.std(correction=correction) - 1).abs().item() for each in (advantages, group)]


def _check(what, measured, test, limit, control, control_measured):
    return Check(
        what=what, measured=measured, test=test, limit=limit, control=control, control_measured=control_measured
    )


def deviation_check__control_typed(rewards):
    return _check("|σ_A − 1|", _deviations(rewards)[0], "<", 1e-9, "what it would be", 1.0)


def deviation_check__measurement_typed(rewards):
    return _check("|σ_A − 1|", 0.0, "<", 1e-9, "of the rewards", _deviations(rewards)[1])


def deviation_check__sample_deviation(rewards):
    off, off_rewards = _deviations(rewards, correction=1)
    return _check("|σ_A − 1|", off, "<", 1e-9, "of the rewards", off_rewards)


def deviation_check__limit_too_wide(rewards):
    off, off_rewards = _deviations(rewards)
    return _check("|σ_A − 1|", off, "<", 0.1, "of the rewards", off_rewards)


def deviation_check__single_precision(rewards):
    group = torch.tensor(rewards, dtype=torch.float32)
    advantages, _ = group_advantages(group, group.mean(), pool="outputs")
    off, off_rewards = ((each.std(correction=0) - 1).abs().item() for each in (advantages, group))
    return _check("|σ_A − 1|", off, "<", 1e-9, "of the rewards", off_rewards)


def deviation_check__single_precision_and_a_wide_limit(rewards):
    check = deviation_check__single_precision(rewards)
    return _check("|σ_A − 1|", check.measured, "<", 1e-6, "of the rewards", check.control_measured)


def deviation_check__signed(rewards):
    group = torch.tensor(rewards, dtype=torch.float64)
    advantages, _ = group_advantages(group, group.mean(), pool="outputs")
    off, off_rewards = ((each.std(correction=0) - 1).item() for each in (advantages, group))
    return _check("σ_A − 1", off, "<", 1e-9, "of the rewards", off_rewards)


def deviation_check__control_of_dice(rewards):
    return _check("|σ_A − 1|", _deviations(rewards)[0], "<", 1e-9, "dice", 1 + torch.rand(1).item())


def deviation_check__a_truth_value(rewards):
    return _deviations(rewards)[0] < 1e-9


def mean_improvement__ratio_of_the_means(grao, other):
    return 100 * (sum(grao) / sum(other) - 1)


def mean_improvement__points(grao, other):
    return sum(new - old for new, old in zip(grao, other, strict=True)) / len(grao)


def mean_improvement__relative_to_grao(grao, other):
    return 100 * sum(1 - old / new for new, old in zip(grao, other, strict=True)) / len(grao)


def mean_improvement__no_percent(grao, other):
    return sum(new / old for new, old in zip(grao, other, strict=True)) / len(grao) - 1


def falling_bandit__the_tutorials():
    return [0.2, 0.76, 0.04], [1.0, 0.99, 0.0]


def falling_bandit__two_reward_levels():
    return [0.25, 0.745, 0.005], [1.0, 0.0, 0.0]


def falling_bandit__weights_for_probabilities():
    return [0.25, 0.75, 0.005], [1.0, 0.999, 0.0]


def falling_bandit__two_answers():
    return [0.3, 0.7], [1.0, 0.0]


def falling_bandit__probabilities_alone():
    return [0.25, 0.745, 0.005]
