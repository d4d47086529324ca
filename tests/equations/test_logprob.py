"""From logits to log-likelihoods: alignment, temperature, masks, precision (eq-1 and the inner sums of eq-3)."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref import mean_log_likelihood
from grao_ref.equations.logprob import next_token_logprobs, sum_log_likelihood, token_logprobs
from grao_ref.equations.sft import sft_objective
from tests.equations import twins
from tests.strategies import FLOATS, GARBAGE, noise, seeds, token_tables

temperatures = st.sampled_from([0.1, 0.7, 1.0, 3.0])
VOCABULARY = 5


def some_ids(mask: torch.Tensor, seed: int) -> torch.Tensor:
    """Token ids where the mask is True, and −100, as some collators leave it, elsewhere."""
    ids = torch.randint(VOCABULARY, mask.shape, generator=torch.Generator().manual_seed(seed))
    return torch.where(mask, ids, -100)


@given(token_tables(), seeds, temperatures)
def test_log_softmax_of_its_plain_python_twin(table, seed, temperature):
    mask, ids = table.mask, some_ids(table.mask, seed)
    logits = noise((*mask.shape, VOCABULARY), seed) * 4
    logprobs = token_logprobs(logits, ids, mask, temperature=temperature)
    for b, t in mask.nonzero().tolist():
        expected = twins.log_softmax(logits[b, t].tolist(), temperature)[ids[b, t]]
        assert logprobs[b, t].item() == pytest.approx(float(expected), rel=1e-9, abs=1e-12)
    assert not logprobs[~mask].any()


@given(token_tables(), seeds, st.sampled_from(GARBAGE))
def test_garbage_logits_behind_the_mask_change_no_value_and_no_gradient(table, seed, garbage):
    mask, ids = table.mask, some_ids(table.mask, seed)
    clean = noise((*mask.shape, VOCABULARY), seed).requires_grad_()
    dirty = torch.where(mask[..., None], clean.detach(), garbage).requires_grad_()
    a, b = (mean_log_likelihood(token_logprobs(x, ids, mask), mask) for x in (clean, dirty))
    assert torch.equal(a, b)
    a.sum().backward()
    b.sum().backward()
    assert torch.equal(clean.grad, dirty.grad)


@given(st.integers(1, 4), st.integers(2, 6), seeds)
def test_probabilities_of_all_tokens_sum_to_1(batch, width, seed):
    mask = torch.ones(batch, width, dtype=torch.bool)
    logits = noise((batch, width, VOCABULARY), seed) * 10
    total = sum(token_logprobs(logits, torch.full((batch, width), v), mask).exp() for v in range(VOCABULARY))
    torch.testing.assert_close(total, torch.ones(batch, width, dtype=torch.float64))


@given(seeds, temperatures)
def test_adding_a_number_to_all_logits_changes_nothing(seed, temperature):
    mask, logits = torch.ones(3, dtype=torch.bool), noise((3, VOCABULARY), seed)
    ids = some_ids(mask, seed)
    torch.testing.assert_close(
        token_logprobs(logits + 1000, ids, mask, temperature=temperature),
        token_logprobs(logits, ids, mask, temperature=temperature),
        rtol=1e-9,
        atol=1e-9,
    )


def test_temperature_divides_the_logits_not_the_logprobs():
    logits, ids, mask = torch.tensor([[0.0, math.log(3.0)]]), torch.tensor([1]), torch.tensor([True])
    assert token_logprobs(logits, ids, mask).exp().item() == pytest.approx(3 / 4)
    assert token_logprobs(logits, ids, mask, temperature=0.5).exp().item() == pytest.approx(9 / 10)


@given(seeds)
def test_next_token_logprobs_are_aligned_with_the_tokens_they_predict(seed):
    # a "model" that is certain that token v is followed by v + 1 (mod V)
    ids = torch.randint(VOCABULARY, (2, 6), generator=torch.Generator().manual_seed(seed))
    logits = torch.nn.functional.one_hot((ids + 1) % VOCABULARY, VOCABULARY).double() * 50
    mask = torch.ones(2, 6, dtype=torch.bool)
    logprobs = next_token_logprobs(logits, ids, mask)
    followed = ids[:, 1:] == (ids[:, :-1] + 1) % VOCABULARY
    assert logprobs.shape == (2, 5)
    assert ((logprobs > -1e-9) == followed).all()
    assert ((logprobs < -40) == ~followed).all()


def test_next_token_logprobs_take_mask_and_temperature_of_the_predicted_token():
    logits, ids = noise((1, 3, VOCABULARY), 0), torch.tensor([[-100, 2, 3]])
    mask = torch.tensor([[False, True, False]])
    result = next_token_logprobs(logits, ids, mask, temperature=2.0)
    expected = torch.log_softmax(logits[0, 0] / 2, -1)[2]
    torch.testing.assert_close(result, torch.stack([expected, torch.zeros_like(expected)])[None])


@pytest.mark.parametrize("dtype", FLOATS)
def test_half_precision_is_scored_in_float32(dtype):
    logits = (noise((4, 50), 1) * 5).to(dtype)
    ids, mask = torch.arange(4), torch.ones(4, dtype=torch.bool)
    logprobs = token_logprobs(logits, ids, mask, temperature=0.7)
    exact = torch.log_softmax(logits.double() / 0.7, -1)[ids, ids]
    assert logprobs.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(logprobs.double(), exact, rtol=1e-6, atol=1e-6)


def test_large_logits_lose_no_digits():
    logits = torch.tensor([[10000.0, 10001.0]])
    logprob = token_logprobs(logits, torch.tensor([1]), torch.tensor([True]))
    assert logprob.item() == pytest.approx(float(twins.log_softmax([0, 1])[1]), rel=1e-6)


def test_impossible_tokens_are_minus_infinity_and_hurt_nobody():
    logits = torch.tensor([[0.0, -math.inf, 0.0]] * 2, requires_grad=True)
    logprobs = token_logprobs(logits, torch.tensor([0, 1]), torch.tensor([True, True]))
    assert logprobs.tolist() == pytest.approx([math.log(0.5), -math.inf])
    logprobs[0].backward()
    assert logits.grad[0].tolist() == pytest.approx([0.5, 0, -0.5])


@given(token_tables())
def test_eq_1_mean_log_likelihood_and_sft(table):
    expected = [float(twins.mean_loglik(v[m].tolist())) for v, m in zip(table.values, table.mask, strict=True)]
    assert mean_log_likelihood(table.garbage, table.mask).tolist() == pytest.approx(expected)
    assert sft_objective(table.garbage, table.mask).tolist() == pytest.approx(expected)


@given(token_tables())
def test_sum_log_likelihood_is_length_times_the_mean(table):
    lengths = table.mask.sum(-1)
    torch.testing.assert_close(
        sum_log_likelihood(table.garbage, table.mask), mean_log_likelihood(table.values, table.mask) * lengths
    )


@given(token_tables(), st.integers(1, 4))
def test_left_padding_or_right_padding_is_the_same(table, width):
    flipped, mask = table.garbage.flip(-1), table.mask.flip(-1)
    torch.testing.assert_close(
        mean_log_likelihood(flipped, mask), mean_log_likelihood(table.garbage, table.mask), rtol=1e-12, atol=1e-12
    )


def test_eos_is_a_token_like_any_other_when_pad_has_its_id():
    # pad == eos == 0: a mask made from ids would drop the real end of sequence at position 1
    logits, ids = noise((1, 4, VOCABULARY), 3).requires_grad_(), torch.tensor([[3, 0, 0, 0]])
    mask = torch.arange(4)[None] < 2
    mean_log_likelihood(token_logprobs(logits, ids, mask), mask).sum().backward()
    assert logits.grad[0, 1].abs().max() > 0.01
    assert not logits.grad[0, 2:].any()


def test_gradcheck():
    mask = torch.tensor([[True, True, False], [True, False, False]])
    ids = some_ids(mask, 0)
    logits = noise((2, 3, VOCABULARY), 0).requires_grad_()

    def function(x):
        return mean_log_likelihood(token_logprobs(x, ids, mask, temperature=0.7), mask)

    assert torch.autograd.gradcheck(function, (logits,))


@pytest.mark.parametrize(
    ("logits", "ids", "mask", "temperature", "message"),
    [
        (
            torch.zeros(2, 3, 4),
            torch.zeros(2, 4).long(),
            torch.ones(2, 3).bool(),
            1.0,
            "ids must have shape (2, 3), got (2, 4)",
        ),
        (
            torch.zeros(2, 3, 4),
            torch.zeros(2, 3).long(),
            torch.ones(2, 2).bool(),
            1.0,
            "mask must have shape (2, 3), got (2, 2)",
        ),
        (
            torch.zeros(2, 3, 4).long(),
            torch.zeros(2, 3).long(),
            torch.ones(2, 3).bool(),
            1.0,
            "logits must be a floating-point tensor",
        ),
        (
            torch.zeros(2, 3, 4),
            torch.zeros(2, 3).long(),
            torch.ones(2, 3),
            1.0,
            "mask must be a boolean tensor, got a torch.float32",
        ),
        (torch.zeros(2, 4), torch.tensor([0, 4]), torch.ones(2).bool(), 1.0, "ids must lie in [0, 4), got 4"),
        (torch.zeros(1, 2, 4), torch.tensor([[0, 9]]), torch.ones(1, 2).bool(), 1.0, "ids must lie in [0, 4), got 9"),
        (torch.zeros(2, 4), torch.tensor([0, -1]), torch.ones(2).bool(), 1.0, "ids must lie in [0, 4), got -1"),
        (
            torch.zeros(2, 4),
            torch.tensor([0, 3]),
            torch.ones(2).bool(),
            0.0,
            "temperature must be a finite number > 0, got 0.0",
        ),
    ],
)
def test_bad_input_is_named(without_shape_checks, logits, ids, mask, temperature, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 compared in full below
        token_logprobs(logits, ids, mask, temperature=temperature)
    assert message in str(error.value)


def test_bad_ids_and_dimensions_are_named(without_shape_checks):
    logits, mask, ids = torch.zeros(2, 3, 4), torch.ones(2, 3).bool(), torch.zeros(2, 3).long()
    for function in (token_logprobs, next_token_logprobs):
        cases = [
            ((logits, ids.tolist(), mask), "ids must be a tensor of int64 or int32, got list"),
            ((logits, ids.float(), mask), r"ids must be a tensor of int64 or int32, got a torch\.float32 tensor"),
            (([0.0], ids, mask), "logits must be a floating-point tensor, got list"),
            ((torch.zeros(()), ids, mask), "logits must have at least [12] dimensions"),
            ((logits, ids, mask.float()), "mask must be a boolean tensor"),
            ((logits, ids[:, :2], mask), r"ids must have shape \(2, 3\), got \(2, 2\)"),
            ((logits, ids, mask[:, :2]), r"mask must have shape \(2, 3\), got \(2, 2\)"),
        ]
        for arguments, message in cases:
            with pytest.raises(ValueError, match=rf"^{message}"):
                function(*arguments)
    assert token_logprobs(logits, ids.int(), mask).shape == (2, 3)
    assert token_logprobs(logits[0, 0], ids[0, 0], mask[0, 0]).item() == pytest.approx(math.log(1 / 4))  # one token


def test_integers_are_no_log_probabilities(without_shape_checks):
    for function in (mean_log_likelihood, sum_log_likelihood, sft_objective):
        with pytest.raises(
            ValueError, match=r"token_logprobs must be a floating-point tensor, got a torch.int64 tensor"
        ):
            function(torch.zeros(2, 3).long(), torch.ones(2, 3).bool())
