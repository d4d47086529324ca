"""GRPO through the tiny model: logits, temperature, padding and the reference model, up to the parameters' gradients.

TRL's fused head is float32 (see `tiny`), so these agree to float32's rounding.
"""

import pytest
import torch

from grao_ref.equations.grpo import GRPO_LOSS_TYPES
from tests.parity.grpo_pair import Recorded, make_trainer, our_loss, our_tokens
from tests.parity.tiny import (
    DIFFERENT,
    FOREIGN_WARNINGS,
    THROUGH_MODEL,
    load_model,
    model_logprobs,
    one_real_step,
    relative_error,
    vector_gradient,
)

pytestmark = FOREIGN_WARNINGS

TEMPERATURE = 0.7


def batch_of_ids() -> dict[str, torch.Tensor]:
    """Six prompts, padded on the left, and their completions, padded on the right; the pad token is 0."""
    generator = torch.Generator().manual_seed(3)
    prompt_mask = torch.arange(4) >= torch.tensor([0, 2, 3, 1, 0, 2])[:, None]
    completion_mask = torch.arange(7) < torch.tensor([7, 3, 5, 1, 2, 6])[:, None]
    return {
        "prompt_ids": torch.randint(3, 20, (6, 4), generator=generator) * prompt_mask,
        "prompt_mask": prompt_mask.long(),
        "completion_ids": torch.randint(3, 20, (6, 7), generator=generator) * completion_mask,
        "completion_mask": completion_mask.long(),
        "advantages": torch.tensor([1.2, -0.7, -1.5, 0.8, 0.5, -0.3]),
        "num_items_in_batch": completion_mask.sum(),
    }


def our_logprobs(model, inputs: dict[str, torch.Tensor], temperature: float = TEMPERATURE) -> torch.Tensor:
    """Log-probabilities of the completions' tokens, (B, T)."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
    attention_mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
    mask = torch.cat([torch.zeros_like(inputs["prompt_mask"]), inputs["completion_mask"]], dim=1) != 0
    return model_logprobs(model, ids, attention_mask, mask, temperature)[:, -inputs["completion_ids"].shape[1] :]


@pytest.mark.parametrize("loss_type", GRPO_LOSS_TYPES)
def test_loss_and_gradients_of_the_parameters(checkpoint, tmp_path, loss_type):
    """The policy has moved away from both the sampler and the frozen model that TRL loads for itself."""
    policy, sampler, reference = (load_model(checkpoint, moved_by=step) for step in (0.02, 0.1, 0.0))
    trainer = make_trainer(
        checkpoint, tmp_path, model=policy, loss_type=loss_type, kl="ratio_k3", temperature=TEMPERATURE
    )
    inputs = batch_of_ids()
    with torch.no_grad():
        old, ref = our_logprobs(sampler, inputs), our_logprobs(reference, inputs)
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        attention_mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        their_ref, _, _ = trainer._get_per_token_logps_and_entropies(trainer.ref_model, ids, attention_mask, 7)
    theirs = trainer._compute_loss(policy, inputs | {"old_per_token_logps": old, "ref_per_token_logps": their_ref})
    their_gradient = vector_gradient(theirs, policy)

    def ours(temperature: float) -> torch.Tensor:
        logprobs, mask = our_logprobs(policy, inputs, temperature), inputs["completion_mask"] != 0
        batch = Recorded(logprobs, old, ref, inputs["advantages"].double(), mask)
        return our_loss(loss_type, our_tokens(batch, "ratio_k3"), mask)

    assert relative_error(theirs, ours(TEMPERATURE)) < THROUGH_MODEL
    assert relative_error(their_gradient, vector_gradient(ours(TEMPERATURE), policy)) < THROUGH_MODEL
    assert relative_error(their_gradient, vector_gradient(ours(1.0), policy)) > DIFFERENT  # the sampler's, not 1


@pytest.mark.parametrize("loss_type", GRPO_LOSS_TYPES)
def test_one_real_optimiser_step(checkpoint, tmp_path, loss_type):
    """TRL generates, scores, splits in two micro-batches, accumulates: the gradient is that of our whole batch.

    For bnpo it is the mean of the micro-batches' gradients. Each of dapo and bnpo is the other's control; for grpo
    and dr_grpo the two ways are one. The learning rate is 0, so that our gradient is taken at the same parameters.
    """
    trainer = make_trainer(
        checkpoint,
        tmp_path,
        reward=lambda completions, **_: [float(len(text)) for text in completions],
        loss_type=loss_type,
        steps=2,
        max_steps=1,
        learning_rate=0.0,
    )
    parts, theirs = one_real_step(trainer)
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0] if parts[0][name].dim() > 0}
    token_counts = {int(part["completion_mask"].sum()) for part in parts}
    assert len(token_counts) == 2, "with equal counts the two ways to count are one"

    logprobs, mask = our_logprobs(trainer.model, whole, temperature=1.0), whole["completion_mask"] != 0
    old = logprobs.detach()  # the policy that sampled is the one that is trained
    tokens = our_tokens(Recorded(logprobs, old, old, whole["advantages"].double(), mask))
    whole_batch = our_loss(loss_type, tokens, mask)
    micro_batches = sum(our_loss(loss_type, tokens[rows], mask[rows]) / 2 for rows in (slice(0, 3), slice(3, 6)))
    right, other = (micro_batches, whole_batch) if loss_type == "bnpo" else (whole_batch, micro_batches)
    assert relative_error(theirs, vector_gradient(right, trainer.model)) < THROUGH_MODEL
    differs = relative_error(theirs, vector_gradient(other, trainer.model)) > DIFFERENT
    assert differs == (loss_type in ("dapo", "bnpo"))
