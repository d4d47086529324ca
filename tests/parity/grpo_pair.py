"""The two sides of the GRPO comparison: TRL's trainer fed with recorded log-probabilities, and our equations."""

from dataclasses import dataclass, fields

import torch
from datasets import Dataset
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer

from grao_ref.equations.divergence import importance_corrected, k3
from grao_ref.equations.grpo import GRPO_LOSS_TYPES, grpo_objective
from grao_ref.equations.reduce import batch_loss
from tests.parity.tiny import COMMON, load_model, tokenizer
from tests.strategies import noise

MAX_LENGTH = 10  # longer than what was sampled, so that dr_grpo's budget is no padded width
EPSILONS = {"epsilon_low": 0.1, "epsilon_high": 0.3}
KL = {"no_kl": (0.0, False), "k3": (0.4, False), "ratio_k3": (0.4, True)}  # beta, use_bias_correction_kl


@dataclass
class Recorded:
    """Completions under the policy that is trained, the one that sampled them, and the reference model."""

    logprobs: Tensor  # (B, T), the leaf that gradients go to
    old_logprobs: Tensor  # (B, T)
    ref_logprobs: Tensor  # (B, T)
    advantages: Tensor  # (B,)
    mask: Tensor  # (B, T) bool

    def rows(self, rows: list[int]) -> "Recorded":
        return Recorded(*(getattr(self, field.name)[rows] for field in fields(self)))


def record() -> Recorded:
    """Six completions of 22 tokens in all, 7 to 0 each (TRL empties a truncated one); advantages of both signs."""
    lengths = torch.tensor([7, 3, 5, 1, 0, 6])
    old = -noise((6, 7), seed=0).abs() - 0.1
    return Recorded(
        logprobs=(old + 0.4 * noise((6, 7), seed=5)).requires_grad_(),
        old_logprobs=old,
        ref_logprobs=old + 0.5 * noise((6, 7), seed=2),
        advantages=torch.tensor([1.2, -0.7, -1.5, 0.8, 0.5, -0.3], dtype=torch.float64),
        mask=torch.arange(7) < lengths[:, None],
    )


def make_trainer(checkpoint, tmp_path, *, model=None, reward=None, kl="no_kl", steps=1, batch=6, **arguments):
    """A real GRPOTrainer that accumulates `batch` completions in `steps` micro-batches."""
    beta, corrected = KL[kl]
    defaults = {"num_generations": 3, "max_completion_length": MAX_LENGTH}
    config = GRPOConfig(
        **COMMON,
        output_dir=str(tmp_path),
        beta=beta,
        use_bias_correction_kl=corrected,
        epsilon=EPSILONS["epsilon_low"],
        epsilon_high=EPSILONS["epsilon_high"],
        per_device_train_batch_size=batch // steps,
        gradient_accumulation_steps=steps,
        **(defaults | arguments),
    )
    trainer = GRPOTrainer(
        model=model or load_model(checkpoint),
        reward_funcs=reward or (lambda completions, **_: [0.0] * len(completions)),
        args=config,
        train_dataset=Dataset.from_dict({"prompt": ["a b c", "d e"]}),
        processing_class=tokenizer(),
    )
    trainer.current_gradient_accumulation_steps = steps  # what TRL's loop sets before the first micro-batch
    return trainer


def trl_loss(trainer, batch: Recorded, num_items: int = 22, on_policy: bool = False) -> Tensor:
    """TRL's loss of one micro-batch; its forward pass, and nothing else, is replaced by what was recorded.

    `num_items` is the number of tokens of all completions that TRL generated together.
    """
    entropies = torch.zeros_like(batch.logprobs)  # only logged
    trainer._get_per_token_logps_and_entropies = lambda *_, **__: (batch.logprobs, entropies, None)
    mask = batch.mask.long()
    prompt = torch.ones(len(mask), 2, dtype=torch.long)
    inputs = {
        "prompt_ids": prompt,
        "prompt_mask": prompt,
        "completion_ids": mask,
        "completion_mask": mask,
        "advantages": batch.advantages,
        "ref_per_token_logps": batch.ref_logprobs,
        "num_items_in_batch": torch.tensor(num_items),
    }
    if not on_policy:
        inputs["old_per_token_logps"] = batch.old_logprobs
    return trainer._compute_loss(trainer.model, inputs)


def our_tokens(batch: Recorded, kl: str = "no_kl", estimator=k3, epsilons=EPSILONS) -> Tensor:
    """The objective minus the penalty, token by token."""
    kl_coef, corrected = KL[kl]
    penalty = estimator(batch.logprobs, batch.ref_logprobs, batch.mask)
    if corrected:
        penalty = importance_corrected(penalty, batch.logprobs, batch.old_logprobs, batch.mask)
    objective = grpo_objective(batch.logprobs, batch.old_logprobs, batch.advantages, batch.mask, **epsilons)
    return objective - kl_coef * penalty


def our_loss(loss_type: str, tokens: Tensor, mask: Tensor, denominator_mask: Tensor | None = None) -> Tensor:
    """The loss of the tokens, divided by a count over the whole batch that they are a part of."""
    numerator, denominator, _ = GRPO_LOSS_TYPES[loss_type]
    whole = mask if denominator_mask is None else denominator_mask
    return batch_loss(numerator(tokens, mask), denominator(whole, MAX_LENGTH))
