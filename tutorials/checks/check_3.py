"""What the answers to exercise 3 must do. Each message is a hint."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from grao_ref import group_advantages
from grao_ref import mean_log_likelihood as packages
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.loop import train

Answer = Callable[..., Any]
REWARDS, RUNS, SIZES, GOAL = 500, 50, (10, 2000), 0.82
NAMES = {"group_size", "learning_rate", "beta", "lam"}


def check_prediction(answer: Answer) -> None:
    """By the package's eq-4."""
    said = answer()
    assert len(said) == 2, (
        "two words are asked for: for a reference of 0.51, and for one of 0.5"
    )
    gap, none = said
    failed = torch.full((8,), 0.5).double()
    large, small, flat = (
        group_advantages(failed, torch.tensor(each).double())[1].item()
        for each in (0.667, 0.51, 0.5)
    )
    word = "same" if abs(small - large) < 1e-9 else "smaller"
    assert gap == word, (
        f"a reference of 0.51: you predicted {gap!r}. Its advantage is {small:.4f}, and that of a reference of 0.667 is "
        f"{large:.4f}: the gap and σ shrink together, and both are √8"
    )
    assert none == ("zero" if flat == 0 else "same"), (
        f"a reference of 0.5: you predicted {none!r}. Now all nine rewards are the same, no answer is better than "
        f"another, and the advantage is {flat:g}: it jumps from √8 to 0 where the gap closes"
    )


def check_mean_log_likelihood(answer: Answer) -> None:
    """A model that repeats what it reads, one that counts on, and random outputs."""
    ids = torch.tensor([[3, 4, 5], [7, 8, 9]])
    mask = torch.ones_like(ids, dtype=torch.bool)
    read = torch.tensor(
        [[1, 2, 3, 4, 5], [5, 6, 7, 8, 9]]
    )  # prompts of two digits, then the answers
    one_hot = torch.nn.functional.one_hot
    repeats, counts_on = (
        10.0 * one_hot(each % 10, 10).double() for each in (read, read + 1)
    )
    good, bad = answer(counts_on, ids, mask, 2), answer(repeats, ids, mask, 2)
    assert good.shape == (2,), (
        f"one number for each of the two answers, shape (2,), not {tuple(good.shape)}"
    )
    assert (good > bad).all(), (
        "after 1, 2 the answer is 3, 4, 5. A model that always expects the next number should find it likely, yours "
        f"gives {good[0].item():.2f} nats; one that expects the number just read should not, yours gives "
        f"{bad[0].item():.2f}. At which place is the output that predicts the answer's first token?"
    )
    dice = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 9, 6, generator=dice).double()
    ids = torch.randint(6, (4, 5), generator=dice)
    mask = torch.arange(5) < torch.tensor([[5], [3], [1], [4]])
    logprobs = logits[:, 3:-1].log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    assert torch.allclose(answer(logits, ids, mask, 4), packages(logprobs, mask)), (
        "answers of 5, 3, 1 and 4 tokens differ from the package's: only the tokens under the mask count, and the sum is "
        "divided by their number"
    )


def check_settings(answer: Answer) -> None:
    """The package's loop on both tables, with a fixed seed."""
    chosen = answer()
    assert set(chosen) == NAMES, (
        f"a dict with {', '.join(sorted(NAMES))} and nothing else is asked for"
    )
    size = chosen["group_size"]
    assert size in range(2, REWARDS + 1), (
        f"the group has from 2 to {REWARDS} samples, and {size} was chosen"
    )
    assert chosen["learning_rate"] > 0, (
        "a learning rate is above 0: otherwise nothing is learnt"
    )
    assert min(chosen["beta"], chosen["lam"]) >= 0, (
        "β and λ are not negative in the paper, and not here"
    )
    small, large = (value(chosen, answers) for answers in SIZES)
    score = (small + large) / 2
    advice = (
        "Among 2,000 answers almost every group fails, and only the reference teaches something: imitation has to be there, "
        "and steps that are long enough"
        if large < 0.6
        else "Among 2,000 answers the reference's 0.7 is the most that can be had, so the rest has to come from the 10. There "
        "runs wait at the reference's 0.7 if imitation is strong, and end too early if steps are few, short or far too long"
    )
    assert score >= GOAL, (
        f"the score is {score:.3f}, and the goal {GOAL}: {small:.3f} with {SIZES[0]} answers, {large:.3f} with "
        f"{SIZES[1]}. You have {REWARDS // int(size)} steps. {advice}"
    )


def value(chosen: dict[str, Any], answers: int) -> float:
    """The mean expected reward of a table of so many answers after 500 rewards."""
    config = replace(
        PRESETS["bandit"],
        num_generations=int(chosen["group_size"]),
        per_device_train_batch_size=int(chosen["group_size"]),
        learning_rate=float(chosen["learning_rate"]),
        imitation_coef=float(chosen["beta"]),
        alignment_coef=float(chosen["lam"]),
        num_seeds=RUNS,
        max_steps=REWARDS // int(chosen["group_size"]),
    )
    rewards = torch.tensor([1.0, 0.7] + [0.0] * (answers - 2)).double()
    policy = TabularPolicy(torch.zeros(RUNS, answers).double())
    for _ in train(Bandit(rewards, 1, RUNS), policy, config):
        pass
    return (policy.theta.detach().softmax(-1) @ rewards).mean().item()
