"""Each method's objective, once more, token by token in plain Python; and what is collected for it.

The batch has ragged answers of several tokens, an old policy that differs from the new one and a KL penalty,
so that every weight, mask and mean of every method counts.
"""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.registry import BUILT_IN
from grao_ref.records import Advantages, Batch, Critique, LogProbs, Rewards, Samples, Tokens
from grao_ref.settings.config import Config
from tests.equations import twins
from tests.strategies import noise

CONFIG = Config(beta=0.3, epsilon=0.1, vf_coef=0.7, imitation_coef=0.5, alignment_coef=0.6)
N, G, T, Y = 2, 3, 4, 5
SAMPLE_LENGTHS = [[4, 1, 2], [3, 4, 1]]
REFERENCE_LENGTHS, REJECTED_LENGTHS = [5, 2], [1, 4]


def masks(lengths, width) -> torch.Tensor:
    return torch.arange(width) < torch.tensor(lengths)[..., None]


def small(shape, seed) -> torch.Tensor:
    return noise(shape, seed) * 0.3 - 1


def given() -> tuple[LogProbs, Batch]:
    """Every field that any method reads, with random numbers of no special size."""
    sample_mask, y_mask, r_mask = masks(SAMPLE_LENGTHS, T), masks(REFERENCE_LENGTHS, Y), masks(REJECTED_LENGTHS, Y)
    prompts = Tokens(torch.zeros(N, 1).long(), torch.ones(N, 1, dtype=torch.bool))
    batch = Batch(
        prompts,
        Tokens(torch.zeros(N, Y).long(), y_mask),
        rejected=Tokens(torch.zeros(N, Y).long(), r_mask),
        samples=Samples(torch.zeros(N, G, T).long(), sample_mask, small((N, G, T), 0)),
        rewards=Rewards.complete(torch.zeros(N, G).double(), torch.zeros(N).double()),
        advantages=Advantages(noise((N, G), 1), noise((N,), 2).abs() * torch.tensor([1, -1])),
        critique=Critique(*(noise((N, G, T), seed) for seed in (3, 4, 5))),
        reference_model=LogProbs(small((N, G, T), 6), small((N, Y), 7), small((N, Y), 8)),
    )
    return LogProbs(small((N, G, T), 9), small((N, Y), 10), small((N, Y), 11), noise((N, G, T), 12)), batch


def mean(values) -> float:
    values = [float(value) for value in values]
    return sum(values) / len(values)


def expected(method: str, logprobs: LogProbs, batch: Batch, n: int) -> float:
    """The term of prompt n, from paper.md and the cited papers."""
    y, r = range(REFERENCE_LENGTHS[n]), range(REJECTED_LENGTHS[n])
    if method == "sft":
        return mean(logprobs.references[n, t] for t in y)
    if method == "dpo":
        sums = [
            float(sum(table[n, t] for t in tokens))
            for table, tokens in (
                (logprobs.references, y),
                (logprobs.rejected, r),
                (batch.reference_model.references, y),
                (batch.reference_model.rejected, r),
            )
        ]
        return float(twins.dpo(*sums, 0.3))
    if method == "grao":
        J_o = [mean(logprobs.samples[n, g, t] for t in range(SAMPLE_LENGTHS[n][g])) for g in range(G)]
        J_y = mean(logprobs.references[n, t] for t in y)
        A_o, A_y = batch.advantages.outputs[n].tolist(), batch.advantages.reference[n].item()
        w_y = max(0.5 * A_y - 0.6 * mean(A_o), 0)  # the repair
        return sum(1.6 * a / G * j for a, j in zip(A_o, J_o, strict=True)) + w_y * J_y
    old, new = batch.samples.logprobs[n], logprobs.samples[n]
    sequences = []
    for g in range(G):
        terms = []
        for t in range(SAMPLE_LENGTHS[n][g]):
            if method == "grpo":
                term = twins.clipped(
                    new[g, t].item(), old[g, t].item(), batch.advantages.outputs[n, g].item(), 0.1, 0.1
                )
                terms.append(term - 0.3 * twins.k3(new[g, t].item(), batch.reference_model.samples[n, g, t].item()))
            else:
                critique = batch.critique
                term = twins.clipped(new[g, t].item(), old[g, t].item(), critique.advantages[n, g, t].item(), 0.1, 0.1)
                values = (logprobs.values, critique.values, critique.returns)
                terms.append(term - 0.7 * twins.value_error(*(v[n, g, t].item() for v in values), 0.1))
        sequences.append(mean(terms))
    return mean(sequences)


@pytest.mark.parametrize("method", BUILT_IN)
def test_objective_is_its_plain_python_twin(method):
    logprobs, batch = given()
    terms = BUILT_IN[method].objective(logprobs, batch, replace(CONFIG, method=method)).objective
    whole = BUILT_IN[method].denominator(batch, replace(CONFIG, method=method))
    assert (terms * N / whole).tolist() == pytest.approx(
        [expected(method, logprobs, batch, n) for n in range(N)], rel=1e-9
    )


def test_printed_grao_keeps_the_reference_that_is_behind():
    logprobs, batch = given()
    config = replace(CONFIG, imitate_only_when_ahead=False)
    found = BUILT_IN["grao"].objective(logprobs, batch, config)
    terms, metrics = found.objective, found.metrics
    A_o, A_y = batch.advantages.outputs[1], batch.advantages.reference[1]
    w_y = 0.5 * A_y - 0.6 * A_o.mean()
    repaired = BUILT_IN["grao"].objective(logprobs, batch, CONFIG).objective
    assert w_y < 0
    assert (terms - repaired)[1].item() == pytest.approx((w_y * metrics["reference/logp_per_token"][1]).item())
    total = metrics["objective/exploration"] + metrics["objective/imitation"] + metrics["objective/alignment"]
    torch.testing.assert_close(terms, total)
