"""One number from many terms, and the same gradient however the batch is split."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref import grao_objective, group_advantages
from grao_ref.equations.dpo import dpo_objective
from grao_ref.equations.grpo import GRPO_LOSS_TYPES, grpo_objective
from grao_ref.equations.masked import masked_sum
from grao_ref.equations.ppo import ppo_objective, value_error
from grao_ref.equations.reduce import batch_loss, sequence_count, token_budget, token_count
from grao_ref.equations.sft import sft_objective
from tests.strategies import noise, seeds, splits, token_tables

PROMPTS, SIZE, WIDTH = 5, 4, 6


def test_loss_is_minus_the_mean_by_the_callers_count():
    terms = torch.tensor([[1.0, 2.0], [3.0, -8.0]])
    assert batch_loss(terms, 4).item() == 0.5
    assert batch_loss(terms, torch.tensor(8)).item() == 0.25
    assert batch_loss(terms, 0.5).item() == 4.0
    assert math.copysign(1, batch_loss(torch.tensor(3.0), 1)) == -1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_many_terms_in_half_precision_are_summed_in_float32(dtype):
    loss = batch_loss(torch.full((4096,), -40.0, dtype=dtype), 4096)
    assert loss.dtype == dtype
    assert loss.item() == 40


def test_a_term_that_is_nan_stays_visible():
    assert batch_loss(torch.tensor([1.0, math.nan]), 2).isnan()


def test_counts():
    mask = torch.tensor([[[True, True, False], [False, False, False]], [[True, False, True], [True, True, True]]])
    assert sequence_count(mask) == 4
    assert token_count(mask) == 7
    assert token_budget(mask, 10) == 40
    nothing = torch.zeros(0, 3, dtype=torch.bool)
    assert sequence_count(nothing) == token_count(nothing) == 1
    assert token_count(torch.zeros(2, 3, dtype=torch.bool)) == 1


def test_an_empty_batch_has_loss_0_and_gradient_0():
    values = torch.full((2, 3), math.nan, requires_grad=True)
    mask = torch.zeros(2, 3, dtype=torch.bool)
    for kind in GRPO_LOSS_TYPES.values():
        values.grad = None
        loss = batch_loss(kind.numerator(values, mask), kind.denominator(mask, 3))
        loss.backward()
        assert loss.item() == 0
        assert not values.grad.any()


@pytest.mark.parametrize("denominator", [0, -1, math.nan, math.inf, torch.tensor(0), None, "2", torch.ones(1)])
def test_bad_denominator_is_named(without_shape_checks, denominator):
    with pytest.raises(ValueError, match=r"denominator must be a finite number > 0, got "):
        batch_loss(torch.ones(2), denominator)


def test_bad_terms_and_masks_are_named(without_shape_checks):
    with pytest.raises(ValueError, match="terms must be a floating-point tensor, got float"):
        batch_loss(1.0, 2)
    with pytest.raises(ValueError, match=r"mask must be a boolean tensor, got a torch.float32 tensor"):
        token_count(torch.ones(2))
    with pytest.raises(ValueError, match=r"mask must be a boolean tensor, got a torch.float32 tensor"):
        sequence_count(torch.ones(2, 2))
    with pytest.raises(ValueError, match="max_completion_length must be a finite number > 0, got 0"):
        token_budget(torch.ones(2, 2, dtype=torch.bool), 0)


def check_same_gradient_for_every_split(loss_of, parameters, split) -> None:
    """`loss_of(rows)` of all rows at once against the sum over micro-batches: value and gradient."""
    whole = loss_of(list(range(PROMPTS)))
    expected = torch.autograd.grad(whole, parameters)
    losses = [loss_of(rows) for rows in split]
    torch.testing.assert_close(torch.stack(losses).sum(), whole, rtol=1e-9, atol=1e-12)
    # accumulated as a training loop does it: one backward after the other into .grad
    for parameter in parameters:
        parameter.grad = None
    for rows in split:
        loss_of(rows).backward()
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-12)


def ragged_mask(seed: int) -> torch.Tensor:
    lengths = torch.randint(0, WIDTH + 1, (PROMPTS, SIZE), generator=torch.Generator().manual_seed(seed))
    return torch.arange(WIDTH) < lengths[..., None]


@given(splits(PROMPTS), seeds, st.sampled_from(["with_reference", "outputs"]))
def test_split_grao(split, seed, pool):
    output_loglik = noise((PROMPTS, SIZE), seed).requires_grad_()
    reference_loglik = noise((PROMPTS,), seed + 1).requires_grad_()
    A_o, A_y = group_advantages(noise((PROMPTS, SIZE), seed + 2), noise((PROMPTS,), seed + 3), pool=pool)

    def loss_of(rows):
        terms = grao_objective(output_loglik[rows], reference_loglik[rows], A_o[rows], A_y[rows], beta=0.5, lam=0.6)
        return batch_loss(terms.total, PROMPTS)

    check_same_gradient_for_every_split(loss_of, [output_loglik, reference_loglik], split)


@given(splits(PROMPTS), seeds, st.sampled_from(sorted(set(GRPO_LOSS_TYPES) - {"bnpo"})))
def test_split_grpo(split, seed, loss_type):
    kind, mask = GRPO_LOSS_TYPES[loss_type], ragged_mask(seed)
    assert kind.counted_over == "batch"
    logprobs = noise((PROMPTS, SIZE, WIDTH), seed).requires_grad_()
    old, advantages = noise((PROMPTS, SIZE, WIDTH), seed + 1), noise((PROMPTS, SIZE), seed + 2)

    def loss_of(rows):
        tokens = grpo_objective(logprobs[rows], old[rows], advantages[rows], mask[rows])
        return batch_loss(kind.numerator(tokens, mask[rows]), kind.denominator(mask, WIDTH))

    check_same_gradient_for_every_split(loss_of, [logprobs], split)


def test_control_bnpo_depends_on_the_split_and_says_so():
    kind, whole_batch = GRPO_LOSS_TYPES["bnpo"], GRPO_LOSS_TYPES["dapo"]
    assert kind.counted_over == "micro_batch"
    tokens, mask = torch.tensor([[1.0, 1, 1], [5, 0, 0]]), torch.tensor([[True, True, True], [True, False, False]])
    halves = [
        batch_loss(kind.numerator(t, m), kind.denominator(m, 3))
        for t, m in zip(tokens[:, None], mask[:, None], strict=True)
    ]
    together = batch_loss(kind.numerator(tokens, mask), kind.denominator(mask, 3))
    assert (
        together.item()
        == -2.0
        == batch_loss(whole_batch.numerator(tokens, mask), whole_batch.denominator(mask, 3)).item()
    )
    assert torch.stack(halves).mean().item() == -3.0


@given(splits(PROMPTS), seeds)
def test_split_sft_by_sequences_and_by_tokens(split, seed):
    mask = ragged_mask(seed)[:, 0]
    logprobs = noise((PROMPTS, WIDTH), seed).requires_grad_()
    check_same_gradient_for_every_split(
        lambda rows: batch_loss(sft_objective(logprobs[rows], mask[rows]), sequence_count(mask)), [logprobs], split
    )
    check_same_gradient_for_every_split(
        lambda rows: batch_loss(masked_sum(logprobs[rows], mask[rows]), token_count(mask)), [logprobs], split
    )


@given(splits(PROMPTS), seeds)
def test_split_ppo_policy_and_critic(split, seed):
    mask = ragged_mask(seed)[:, 0]
    logprobs, values = (noise((PROMPTS, WIDTH), seed + i).requires_grad_() for i in range(2))
    old, advantages, old_values, returns = (noise((PROMPTS, WIDTH), seed + 2 + i) for i in range(4))

    def loss_of(rows):
        policy = ppo_objective(logprobs[rows], old[rows], advantages[rows], mask[rows])
        critic = value_error(values[rows], old_values[rows], returns[rows], mask[rows])
        return batch_loss(policy - 0.5 * critic, token_count(mask))

    check_same_gradient_for_every_split(loss_of, [logprobs, values], split)


@given(splits(PROMPTS), seeds)
def test_split_dpo(split, seed):
    chosen, rejected = (noise((PROMPTS,), seed + i).requires_grad_() for i in range(2))
    ref_chosen, ref_rejected = (noise((PROMPTS,), seed + 2 + i) for i in range(2))
    check_same_gradient_for_every_split(
        lambda rows: batch_loss(
            dpo_objective(chosen[rows], rejected[rows], ref_chosen[rows], ref_rejected[rows], kl_coef=0.3), PROMPTS
        ),
        [chosen, rejected],
        split,
    )


@given(token_tables(min_length=1))
def test_dr_grpo_does_not_reward_length_and_padding_does_not_count(table):
    kind = GRPO_LOSS_TYPES["dr_grpo"]
    loss = batch_loss(kind.numerator(table.values, table.mask), kind.denominator(table.mask, 20))
    wide, wide_mask = (torch.nn.functional.pad(x, (0, 5)) for x in (table.values, table.mask))
    wider = batch_loss(kind.numerator(wide, wide_mask), kind.denominator(wide_mask, 20))
    assert wider.item() == pytest.approx(loss.item(), rel=1e-12)
    assert loss.item() == pytest.approx(-table.values[table.mask].sum().item() / (20 * len(table.mask)), rel=1e-9)


def test_loss_types_on_paper():
    # two sequences of 2 and 1 tokens that count, terms 1, 3 and 5
    tokens, mask = torch.tensor([[1.0, 3.0], [5.0, 9.0]]), torch.tensor([[True, True], [True, False]])
    losses = {
        name: batch_loss(kind.numerator(tokens, mask), kind.denominator(mask, 10)).item()
        for name, kind in GRPO_LOSS_TYPES.items()
    }
    assert losses == pytest.approx({"grpo": -(2 + 5) / 2, "dapo": -9 / 3, "bnpo": -9 / 3, "dr_grpo": -9 / 20})
