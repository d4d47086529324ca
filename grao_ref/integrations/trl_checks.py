"""What GRAOTrainer refuses before it trains: another TRL, settings of another objective, models that read padding."""

import inspect
from dataclasses import fields
from typing import Any

import torch

# The private methods of TRL 1.16 that are overridden or called, with their arguments.
METHODS = {
    "_calculate_rewards": "inputs prompts completions completion_ids_list",
    "_generate_and_score_completions": "inputs",
    "_compute_loss": "model inputs",
    "_get_per_token_logps_and_entropies": "model input_ids attention_mask logits_to_keep batch_size compute_entropy "
    "compute_aux_loss",  # and what images need
}
NO_TERM = ("beta", "loss_type", "epsilon", "epsilon_high", "delta", "importance_sampling_level", "scale_rewards",
           "multi_objective_aggregation", "mask_truncated_completions", "top_entropy_quantile", "entropy_coef",
           "use_adaptive_entropy", "off_policy_mask_threshold", "sync_ref_model", "remove_unused_columns")  # fmt: skip
SAMPLED_ELSEWHERE = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
SHIFTED = 0.05  # of the largest logit: far more than bfloat16's rounding, far less than other positions


def require_trl(trainer: type) -> None:
    """Raise `ImportError` where a private method has other arguments than those that are overridden."""
    for name, expected in METHODS.items():
        method = getattr(trainer, name, None)
        found = list(inspect.signature(method).parameters)[1:] if method is not None else []
        if found[: len(expected.split())] != expected.split():
            have = f"{trainer.__name__}.{name}({', '.join(found)})" if method is not None else f"no {name}"
            raise ImportError(
                f"GRAOTrainer overrides TRL 1.16's {name}({', '.join(expected.split())}), and this TRL has {have}: "
                "pip install trl==1.16.0"
            )


def require_text(trainer: Any) -> None:
    """Raise `ValueError` on rows that are more than text."""
    if trainer.tools or trainer.environment_factories or trainer.rollout_func or trainer._is_vlm:
        raise ValueError("GRAO's rows are text: tools, environments, rollout_func and images do not go with it")


def require_own_terms(args: Any) -> None:
    """Raise `ValueError` on settings that would train, or seem to train, another objective than GRAO's."""
    defaults = {each.name: each.default for each in fields(args)}
    for name in NO_TERM:
        if (value := getattr(args, name)) != defaults[name]:
            raise ValueError(f"{name}={value!r} does not go with GRAO, which has no such term: leave it out")
    for name in SAMPLED_ELSEWHERE:
        if (value := getattr(args, name)) != defaults[name]:
            raise ValueError(
                f"{name}={value!r} would change what is scored, or sample from another policy than is scored: "
                f"generation_kwargs={{{name!r}: {value!r}}} changes the samples alone, if that is meant"
            )
    if args.per_device_train_batch_size % args.num_generations:
        raise ValueError(
            f"per_device_train_batch_size ({args.per_device_train_batch_size}) must be a multiple of num_generations "
            f"({args.num_generations}): a process scores whole groups"
        )
    if args.steps_per_generation != args.gradient_accumulation_steps:
        raise ValueError(
            f"steps_per_generation ({args.steps_per_generation}) must be gradient_accumulation_steps "
            f"({args.gradient_accumulation_steps}): a step trains on all rows of its groups"
        )


@torch.no_grad()
def require_positions(model: torch.nn.Module, pad_id: int) -> None:
    """Raise `ValueError` on a model that reads a prompt otherwise where it is padded: TRL passes no positions.

    A model whose weights lie elsewhere (DeepSpeed's ZeRO-3) can't be tried out here, and is not.
    """
    if any(parameter.numel() == 0 for parameter in model.parameters()):
        return
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    ids = torch.arange(3, device=device)[None]
    plain = model(input_ids=ids).logits[0]
    mask = torch.tensor([[0, 0, 1, 1, 1]], device=device)
    padded = model(input_ids=torch.nn.functional.pad(ids, (2, 0), value=pad_id), attention_mask=mask).logits[0, 2:]
    model.train(was_training)
    if (plain - padded).abs().max() > SHIFTED * plain.abs().max():
        raise ValueError(
            f"{type(model).__name__} reads a prompt otherwise behind padding, because its positions are absolute and "
            "TRL pads on the left without saying where the prompt begins: train it with grao_ref.train"
        )
