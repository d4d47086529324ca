"""What GRAOTrainer refuses before it trains: another TRL, settings of another objective, models that read padding."""

import inspect
from dataclasses import fields
from typing import Any

import torch

from grao_ref.integrations.reference_rows import text_of

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
           "use_adaptive_entropy", "off_policy_mask_threshold", "sync_ref_model", "remove_unused_columns",
           "num_iterations", "load_best_model_at_end")  # fmt: skip
SAMPLED_ELSEWHERE = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
# How much padding may move log-probabilities, as a share of how much another prompt does: for rounding alone.
SINGLE, HALF = 1e-3, 0.1
PADDED = 16  # tokens


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
            raise ValueError(f"{name}={value!r} belongs to GRPO's objective, and GRAOTrainer ignores it: leave it out")
    for name in SAMPLED_ELSEWHERE:
        if (value := getattr(args, name)) != defaults[name]:
            raise ValueError(
                f"{name}={value!r} would change what is scored, or sample from another policy than is scored: "
                f"generation_kwargs={{{name!r}: {value!r}}} changes the samples alone, if that is meant"
            )
    if (
        args.use_vllm
        and args.vllm_importance_sampling_correction
        and set(args.generation_kwargs or ()) & {*SAMPLED_ELSEWHERE}
    ):
        raise ValueError(
            "generation_kwargs that change the samples do not go with vLLM's correction, which takes that for an error "
            "of the engine's: vllm_importance_sampling_correction=False"
        )
    if args.accelerator_config.split_batches:
        raise ValueError("accelerator_config.split_batches would tear groups: leave it out")
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

    def read(ids: torch.Tensor, padding: int) -> torch.Tensor:
        padded = torch.nn.functional.pad(ids, (padding, 0), value=pad_id)[None]
        mask = (torch.arange(padded.shape[1], device=device) >= padding).long()[None]
        logits: torch.Tensor = model(input_ids=padded, attention_mask=mask).logits[0, padding:]
        return logits.float().log_softmax(dim=-1)

    ids = torch.arange(4, device=device)
    plain, behind_padding, another = read(ids, 0), read(ids, PADDED), read(ids.flip(0), 0)
    model.train(was_training)
    moved, expected = ((x - plain).square().mean().sqrt().item() for x in (behind_padding, another))
    half = any(parameter.dtype in (torch.float16, torch.bfloat16) for parameter in model.parameters())
    if not moved <= (HALF if half else SINGLE) * expected:
        raise ValueError(
            f"{type(model).__name__} reads a prompt otherwise behind padding, because its positions are absolute and "
            "TRL pads on the left without saying where the prompt begins: train it with grao_ref.train"
        )


def require_rows(rows: Any) -> None:
    """Raise `ValueError` on a data set whose rows have no reference, or one that is not of its prompt's kind."""
    columns = getattr(rows, "column_names", None) or ()
    if columns and "completion" not in columns:
        raise ValueError(f"rows have a column completion, the reference, and these have {', '.join(columns)}")
    if "references" in columns:
        raise ValueError("the column references has the name of what reward functions get: give it another one")
    if columns and hasattr(rows, "__len__"):
        for number, row in enumerate(rows.select_columns(["prompt", "completion"])):
            try:
                text_of(row["completion"], row["prompt"])
            except ValueError as error:
                raise ValueError(f"row {number}: {error}") from None
