"""What the answers to exercise 4 must do. Each message is a hint."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from grao_ref import group_advantages, likelihood_weights_while_ahead
from theory.claims.thm_3 import queries
from theory.exact import expected_update

Answer = Callable[..., Any]


def check_expected_queries(answer: Answer) -> None:
    """By hand, against the theory, and where every group is dead."""
    got = answer(0.5, 2, False)
    assert got == pytest.approx(4), (
        f"G = 2, p = ½: half of the groups are dead, so 2 groups, and 4 queries; yours {got:.4g}"
    )
    got = answer(0.5, 2, True)
    assert got == pytest.approx(8 / 3), (
        f"with the reference, a quarter of the groups is still dead (which?), so 8/3 queries; yours {got:.4g}"
    )
    for p, size in ((0.02, 8), (0.3, 4), (0.9, 8)):
        for rescued in (False, True):
            assert answer(p, size, rescued) == pytest.approx(
                queries(p, size, rescued)
            ), (
                f"p = {p}, G = {size}, with_reference={rescued}: the result differs from the laboratory's"
            )
    assert answer(0.0, 8, True) == pytest.approx(8), (
        "p = 0 with a right reference: already the first group isn't dead"
    )
    hint = "p = 0 and no reference: every group is dead, so the number is infinite"
    try:
        assert answer(0.0, 8, False) == math.inf, hint
    except ZeroDivisionError:
        raise AssertionError(hint) from None


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
