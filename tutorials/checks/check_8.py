"""What the answers to exercise 8 must do. Each message is a hint."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from grao_ref import group_advantages, likelihood_weights_while_ahead
from grao_ref.methods.neighbours import bar
from grao_ref.records import Rewards
from theory import runs
from theory.exact import expected_update
from tutorials import planted

Answer = Callable[..., Any]


def check_repaired_weight(answer: Answer) -> None:
    """A beaten reference, one that is ahead, both pools."""
    root = math.sqrt(8)
    failed = answer([-1 / root] * 8, root, 0.5, 0.6)
    assert failed == pytest.approx(0.575 * root), (
        f"eight failures, a right reference: it is ahead, so the weight is as printed, {0.575 * root:.4g}; yours "
        f"{failed:.4g}"
    )
    beaten = answer([1 / root] * 8, -root, 0.5, 0.6)
    assert beaten == 0, (
        f"eight samples that beat the reference: its weight should be 0, yours is {beaten:.4g}. "
        + (
            "This is alignment's share of the weight; what has to be clamped?"
            if abs(beaten) < 0.5
            else "Is anything clamped?"
        )
    )
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        rewards = torch.rand(5, generator=rng, dtype=torch.float64)
        for pool in ("with_reference", "outputs"):
            A, A_y = group_advantages(rewards[1:], rewards[0], pool=pool)
            _, w_y = likelihood_weights_while_ahead(A, A_y, beta=0.3, lam=1.2)
            got = answer(A.tolist(), A_y.item(), 0.3, 1.2)
            assert got == pytest.approx(w_y.item(), abs=1e-12), (
                f'rewards {rewards[1:].tolist()}, R(y) = {rewards[0]:.3f}, pool="{pool}": {w_y:.4g}, yours {got:.4g}'
            )


def check_not_repaired(answer: Answer) -> None:
    """The planted function on the reader's group."""
    rewards, reference_reward = answer()
    assert len(rewards) >= 2, "a group has at least two samples"
    A, A_y = group_advantages(
        torch.tensor(rewards, dtype=torch.float64),
        torch.tensor(reference_reward, dtype=torch.float64),
    )
    got = planted.repaired(A.tolist(), A_y.item(), 0.5, 0.6)
    assert got < -1e-9, (
        f"for this group the planted function returns {got:.3g}, which is not negative. Its Â_y is {A_y:.3g}: in which "
        "groups should the repair do something?"
    )


def check_never_vanishes(answer: Answer) -> None:
    """Against the exact update of a policy that is certain."""
    for beta, lam, size in ((0.5, 0.6, 8), (0.0, 1.0, 2), (1.0, 0.0, 4)):
        update = expected_update(
            np.array([40.0, 0.0, 0.0]),
            np.array([1.0, 0.5, 0.0]),
            1,
            group_size=size,
            beta=beta,
            lam=lam,
        )
        length = float(np.linalg.norm(update))
        got = answer(beta, lam, size)
        assert got == pytest.approx(length, rel=1e-6), (
            f"β = {beta}, λ = {lam}, G = {size}: the exact update has the length {length:.4g}, yours {got:.4g}; "
            "it is the coefficient of Â_y, times |Â_y|, times the length of the gradient of log π(y)"
        )


def check_bar_weights(answer: Answer) -> None:
    """Three groups of the tutorial, a flat one, and random ones against the package."""
    samples, reference = answer([0.7, 0.7], 0.7, 0.5, 0.6)
    assert (list(samples), reference) == ([0.0, 0.0], 0.0), (
        "all rewards are equal: every weight is 0, and nothing is divided by σ"
    )
    rng = torch.Generator().manual_seed(0)
    groups = [[0.0] * 8, [0.7, *[0.0] * 7], [1.0, *[0.0] * 7], [1.0] * 6 + [0.0] * 2]
    groups += torch.rand(6, 5, generator=rng, dtype=torch.float64).tolist()
    for rewards in groups:
        pair = Rewards.complete(
            torch.tensor([rewards], dtype=torch.float64),
            torch.tensor([0.7], dtype=torch.float64),
        )
        config = runs.settings(imitation_coef=0.3, alignment_coef=1.2)
        w, w_y = bar.weights(bar.advantages(pair, config), pair, config)
        samples, reference = answer(rewards, 0.7, 0.3, 1.2)
        words = f"rewards {[round(each, 2) for each in rewards]}, R(y) = 0.7"
        assert samples == pytest.approx(w[0].tolist(), abs=1e-12), (
            f"{words}: the first sample has the weight {w[0, 0]:.4g}, yours {samples[0]:.4g}. The bar is R(y) or the mean of "
            "the samples, whichever is larger"
        )
        assert reference == pytest.approx(w_y.item(), abs=1e-12), (
            f"{words}: the reference has the weight {w_y.item():.4g}, yours {reference:.4g}. It is imitated only while no "
            "sample is as good"
        )
