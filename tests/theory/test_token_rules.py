"""The race on trees: its rules are the package's objectives by autograd, its samples and updates those of the trees."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import torch

from grao_ref.methods.registry import method_of
from grao_ref.records import Batch, LogProbs, Rewards, Samples, Tokens, take
from grao_ref.settings.presets import PRESETS
from theory.autoregressive import ExactTree, Tree
from theory.contest import CONTESTANTS, QUERIES
from theory.exact import ExactBandit
from theory.forest import Table, flattened, planted, policy_of
from theory.groups import advantages_of_answers
from theory.token_race import Rows, drawn_group, gradient, seen_of
from theory.token_rules import LONGEST, RULES, sft
from theory.token_tables import drawn


def rows_of(forest, runs, seed=0):
    """Runs of each table at random logits, with a critic that is not right."""
    rng = np.random.default_rng(seed)
    table = np.repeat(np.arange(len(forest.noise)), runs)
    theta = forest.logits[table] + rng.normal(size=forest.logits[table].shape)
    values = rng.random((len(table), theta.shape[1] + 1))
    values[:, -1] = 0
    return Rows(np.arange(len(table)), table, np.ones(len(table)), theta, values)


def by_package(name, forest, rows, group):
    """The gradients of the package's own objective by logits and by the critic's values, at the policy that sampled."""
    entries, rewards, score = map(torch.tensor, group)
    reference, none = torch.tensor(forest.reference[rows.table]), forest.none
    theta, critic = (torch.tensor(each).requires_grad_() for each in (rows.theta, rows.values))
    flat = torch.cat([theta.log_softmax(-1).flatten(1), torch.zeros(len(theta), 1)], 1)
    new, log_y = (flat.gather(1, each.flatten(1)).view(each.shape) for each in (entries, reference))
    values = critic.gather(1, (entries // theta.shape[2]).flatten(1)).view(entries.shape)
    prompts = Tokens(torch.zeros(len(theta), 1).long(), torch.ones(len(theta), 1, dtype=torch.bool))
    mask, mask_y = entries < none, reference < none
    known = Rewards.complete(rewards, score)
    config = replace(PRESETS["bandit"], num_generations=rewards.shape[1], **CONTESTANTS[name].settings)
    method = method_of(config.method)
    assert config.max_completion_length == LONGEST
    batch = Batch(prompts, Tokens(reference, mask_y), samples=Samples(entries, mask, new.detach()), rewards=known,
                  advantages=method.advantages(known, config))  # fmt: skip
    if method.critique is not None:
        batch = replace(batch, critique=method.critique(batch, values.detach(), config))
    terms = method.objective(LogProbs(new, log_y, None, values), batch, config)
    (terms.objective.sum() / method.denominator(take(batch, slice(0, 1)), config)).backward()
    return theta.grad.numpy(), None if critic.grad is None else critic.grad[:, :-1].numpy()


def by_hand(name, forest, rows, group):
    policy = policy_of(rows.theta)
    seen, prefixes = seen_of(rows, policy, forest, group)
    push = RULES[name](seen)
    return gradient(policy, group[0], forest.reference[rows.table], push), push, prefixes


def group_of(forest, rows, name, seed=1):
    size = QUERIES - CONTESTANTS[name].reads_reference
    return drawn_group(np.random.default_rng(seed), rows, policy_of(rows.theta), forest, size)


@pytest.mark.parametrize("name", CONTESTANTS)
def test_each_rule_is_the_gradient_of_the_package_s_objective_on_the_same_groups(name):
    forest = planted(drawn(24, 5))
    rows = rows_of(forest, 6)
    group = group_of(forest, rows, name)
    assert len(set((group[0] < forest.none).sum(-1).ravel())) > 2  # answers of several lengths
    theta, critic = by_package(name, forest, rows, group)
    found, push, prefixes = by_hand(name, forest, rows, group)
    assert np.abs(theta).max() > 0.1 / LONGEST
    limit = 1e-12
    assert np.abs(found - theta).max() < limit
    uneven = (group[0], group[1] + 0.5 * (np.arange(group[1].shape[1]) == 0), group[2])  # control: another reward
    assert np.abs(by_hand(name, forest, rows, uneven)[0] - theta).max() > 1e-3
    assert (push.critic is None) == (name != "PPO")
    if push.critic is not None:
        pulled = np.zeros_like(critic)
        for row in range(len(pulled)):
            for prefix, weight in zip(prefixes[row].ravel(), push.critic[row].ravel(), strict=True):
                if prefix < pulled.shape[1]:
                    pulled[row, prefix] += weight
        assert np.abs(pulled - critic).max() < 1e-12


def test_the_first_steps_are_sft():
    forest = planted(drawn(8, 5))
    rows = rows_of(forest, 1)
    policy, group = policy_of(rows.theta), group_of(forest, rows, "GRPO")
    push = sft(seen_of(rows, policy, forest, group)[0])
    theta = torch.tensor(rows.theta).requires_grad_()
    flat = torch.cat([theta.log_softmax(-1).flatten(1), torch.zeros(len(theta), 1)], 1)
    reference = torch.tensor(forest.reference[rows.table])
    mean = flat.gather(1, reference).sum(-1) / (reference < forest.none).sum(-1)
    mean.sum().backward()
    assert np.abs(gradient(policy, group[0], forest.reference[rows.table], push) - theta.grad.numpy()).max() < 1e-12


@pytest.mark.parametrize("name", ["GRPO", "GRAO printed", "GRAO repaired"])
def test_on_one_token_the_update_is_the_bandit_s_and_on_several_it_is_not(name):
    tables = drawn(8, 5)
    for forest, same in ((planted([flattened(each) for each in tables]), True), (planted(tables), False)):
        rows = rows_of(forest, 1)
        group = group_of(forest, rows, name)
        found = by_hand(name, forest, rows, group)[0]
        worst = 0.0
        for row in range(len(rows.run)) if same else ():
            table, pi = flattened(tables[row]), policy_of(rows.theta).pi[row, 0]
            if table.noise:
                continue
            counts = np.bincount(group[0][row, :, 0], minlength=len(pi)).astype(float)
            paid = np.concatenate([table.rewards, np.zeros(len(pi) - len(table.rewards))])
            pool = "outputs" if name == "GRPO" else "with_reference"
            A_o, A_y = advantages_of_answers(counts[None], paid, table.reference, pool)
            beta, lam = (0.0, 0.0) if name == "GRPO" else (0.5, 0.6)
            w = (1 + lam) * counts * A_o[0] / counts.sum()
            w_y = beta * A_y[0] - lam * (counts * A_o[0]).sum() / counts.sum()
            w[table.reference] += max(w_y, 0.0) if name == "GRAO repaired" else w_y
            worst = max(worst, np.abs(found[row, 0] - (w - pi * w.sum())).max())
        assert worst < 1e-13
        assert (np.abs(found[:, 1:]).max(initial=0.0) < 1e-13) == same


def test_on_average_the_sampled_update_is_the_tree_s_exact_one():
    tree = Tree(2, 3, end=0)
    table = Table(tree, np.array([0.0, 1.0, 0.3, 0.0]), np.array([0.3, 0.2, 0.1, 0.4]), best=1, reference=2)
    forest, runs = planted([table]), 40000
    rows = rows_of(forest, 1)
    rows = Rows(*(np.repeat(each, runs, 0) for each in vars(rows).values()))
    bandit = ExactBandit(table.rewards, 2, 7, only_when_ahead=True)
    group = group_of(forest, rows, "GRAO repaired")
    for name, right in (("GRAO repaired", True), ("capped", False)):
        found = by_hand(name, forest, rows, group)[0]
        error = found.std(0) / sqrt(runs)
        away = np.abs(found.mean(0) - ExactTree(tree, bandit).update(rows.theta[0])) / np.maximum(error, 1e-12)
        assert (away.max() < 4.5) == right


def test_samples_are_drawn_with_the_trees_probabilities():
    tables = drawn(4, 5)
    forest, runs = planted(tables), 4000
    table = np.repeat(np.arange(4), runs)
    policy = policy_of(forest.logits[table])
    entries, rewards = forest.walk(table, policy, np.random.default_rng(0).random((4 * runs, 8, entries_of(forest))))
    for row, each in enumerate(tables):
        mean = rewards[table == row].mean()
        assert abs(mean - each.shares @ each.rewards) < 4.5 * rewards[table == row].std() / sqrt(8 * runs)
        likely = np.exp(policy.of(entries)[table == row].sum(-1))
        # E[1 / π(o)] is the number of answers
        assert abs((1 / likely).mean() - len(each.shares)) < 5 * (1 / likely).std() / sqrt(8 * runs)
        assert np.isclose(forest.value(table, policy)[table == row][0], each.shares @ each.rewards)


def entries_of(forest):
    return forest.reference.shape[1]
