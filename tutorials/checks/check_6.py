"""What the answers to exercise 6 must do. Each message is a hint."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from grao_ref import group_advantages, likelihood_weights
from theory.claims.thm_1 import adam_distance
from theory.knob import knob as ours

Answer = Callable[..., Any]


def check_collapsed_weights(answer: Answer) -> None:
    """Tutorial 1's group, then random groups of both pools, then numbers that are not advantages of any pool."""
    samples, reference = answer([0.5, -0.5, -1.5, 0.0], 1.5, 0.5, 0.6)
    assert samples == pytest.approx([0.2, -0.2, -0.6, 0.0]), (
        f"tutorial 1's samples have weights 0.2, −0.2, −0.6 and 0, yours {samples}: in which terms does J(o_i) occur?"
    )
    assert reference == pytest.approx(0.975), (
        f"tutorial 1's reference has the weight 0.975, yours {reference:.6g}: in which terms does J(y) occur, and with "
        "which sign?"
    )
    rng = torch.Generator().manual_seed(0)
    for size in (2, 8):
        rewards = torch.rand(size + 1, generator=rng, dtype=torch.float64)
        for pool in ("with_reference", "outputs"):
            A, A_y = group_advantages(rewards[1:], rewards[0], pool=pool)
            _agrees(answer, A, A_y, f'with pool="{pool}"')
    _agrees(
        answer,
        torch.tensor([2.0, 1.0, 0.0]).double(),
        torch.tensor(1.0).double(),
        "for advantages that don't add up to 0 over anything",
    )


def _agrees(answer: Answer, A: torch.Tensor, A_y: torch.Tensor, where: str) -> None:
    w, w_y = likelihood_weights(A, A_y, beta=0.3, lam=1.2)
    samples, reference = answer(A.tolist(), A_y.item(), 0.3, 1.2)
    assert samples == pytest.approx(w.tolist(), abs=1e-12), (
        f"the samples' weights differ from the package's {where}"
    )
    assert reference == pytest.approx(w_y.item(), abs=1e-12), (
        f"the reference's weight differs from the package's {where}: what does alignment subtract from it?"
    )


def check_knob(answer: Answer) -> None:
    """The paper's setting, both pools, other sizes."""
    got = answer(0.5, 0.6, 8, "with_reference")
    assert got == pytest.approx(0.359375), (
        f"the paper's setting has ρ = 0.359 with G = 8, yours {got:.6g}: does it include the part of the "
        "reference's weight that comes from λ, and is it divided by the samples' factor?"
    )
    got = answer(0.5, 0.6, 8, "outputs")
    assert got == pytest.approx(0.3125), (
        f'with pool="outputs" it is 0.3125, yours {got:.6g}: what is the mean advantage of the samples there?'
    )
    for size, beta, lam in ((2, 0.0, 1.0), (16, 1.5, 0.2)):
        assert answer(beta, lam, size, "with_reference") == pytest.approx(
            ours((1.0, beta, lam), size)
        ), f"β = {beta}, λ = {lam}, G = {size}: the result differs from the package's"


def check_same_curve(answer: Answer) -> None:
    """By training, then where there is no such β."""
    assert answer(0.5, 0.6, 8, 0.6) == pytest.approx(0.5), "the same λ needs the same β"
    for new_lam in (1.5, 0.0):
        beta = answer(0.5, 0.6, 8, new_lam)
        assert beta is not None, f"there is a β for λ = {new_lam}"
        assert beta >= 0, f"β for λ = {new_lam} can't be {beta:.4g}"
        distance = adam_distance((0.5, 0.6), (float(beta), new_lam), steps=20)
        assert distance < 1e-4, (
            f"trained twenty steps under Adam, (0.5, 0.6) and ({beta:.4g}, {new_lam}) have logits {distance:.2g} apart: "
            f"their ρ are {ours((1.0, 0.5, 0.6), 8):.4f} and {ours((1.0, beta, new_lam), 8):.4f}"
        )
    assert answer(0.0, 0.6, 8, 3.0) is None, (
        "from (0, 0.6) to λ = 3: ρ would have to be 0.047, but λ/G alone makes it 0.094; no β >= 0 can lower it"
    )
