"""A table's log-probabilities: those of the equation on every sample's own copy of its row, at a G-th of the cost."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.equations.logprob import token_logprobs
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Tokens
from tests.strategies import noise, seeds


def of_rows(rows: list[int]) -> Tokens:
    ids = torch.tensor(rows)[:, None]
    return Tokens(ids, torch.ones_like(ids, dtype=torch.bool))


@given(seeds, st.sampled_from([0.3, 1.0, 2.0]), st.integers(1, 5))
def test_log_probabilities_and_gradients_are_the_equation_s(seed, temperature, size):
    theta, rng = noise((4, 3), seed), torch.Generator().manual_seed(seed)
    rows = [2, 0, 2]  # one row twice, and one not at all
    ids, mask = torch.randint(3, (3, size, 1), generator=rng), torch.rand((3, size, 1), generator=rng) < 0.7
    ids = torch.where(mask, ids, 99)
    policy, copies = TabularPolicy(theta), theta.clone().requires_grad_()
    found = policy.logprobs(of_rows(rows), ids, mask, temperature=temperature)
    naive = token_logprobs(copies[rows][:, None, None].expand(3, size, 1, 3), ids, mask, temperature=temperature)
    assert found.tolist() == naive.tolist()
    weights = noise((3, size, 1), seed + 1)
    (found * weights).sum().backward()
    (naive * weights).sum().backward()
    torch.testing.assert_close(policy.theta.grad, copies.grad, rtol=1e-12, atol=1e-12)
    assert not policy.theta.grad[[1, 3]].any()


def test_what_is_behind_the_mask_changes_nothing_and_what_counts_does():
    policy, mask = TabularPolicy(noise((1, 3), 0)), torch.tensor([[[True], [False]]])

    def found(*actions: int) -> list[float]:
        ids = torch.tensor(actions)[None, :, None]
        return policy.logprobs(of_rows([0]), ids, mask, temperature=1.0).flatten().tolist()

    assert found(1, 0) == found(1, -5) == [policy.theta[0].log_softmax(-1)[1].item(), 0]
    assert found(2, 0) != found(1, 0)
    for outside in (3, -1):
        with pytest.raises(ValueError, match=rf"ids must lie in \[0, 3\), got {outside}"):
            found(outside, 0)


def test_a_sample_s_log_probabilities_are_at_the_temperature_that_is_asked_for():
    policy = TabularPolicy(noise((2, 5), 1))
    rng = torch.Generator().manual_seed(0)
    for scored_at in (None, 1.0):
        samples = policy.sample(of_rows([0, 1]), 4, temperature=0.5, rng=rng, likelihood_temperature=scored_at)
        log_pi = (policy.theta.detach() / (scored_at or 0.5)).log_softmax(-1)
        torch.testing.assert_close(samples.logprobs[..., 0], log_pi.gather(1, samples.ids[..., 0]))
    with pytest.raises(ValueError, match="temperature must be a finite number > 0, got 0"):
        policy.logprobs(of_rows([0]), samples.ids[:1], samples.mask[:1], temperature=0)
