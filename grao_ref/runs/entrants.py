"""The models of an evaluation: each loaded, with the prompts as its own tokenizer and chat template have them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from grao_ref.data.examples import Limits, encode, training_examples
from grao_ref.data.rows import Row
from grao_ref.evaluation.held_out import HeldOut
from grao_ref.plugins.blame import blame
from grao_ref.policies.build import encoder_of, policy_as_it_is
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import load_language_model
from grao_ref.rewards.scorer import Scorer
from grao_ref.settings.config import Config
from grao_ref.tasks.text import TextTask
from grao_ref.text.encoding import context_of


@dataclass(frozen=True)
class Entrant:
    """A model of an evaluation, with the prompts as its own tokenizer and template have them."""

    policy: CausalLMPolicy
    held_out: HeldOut
    task: TextTask
    lacks: str | None = None  # why it has no pairs, though the rows have them


def entrant(
    name: str, config: Config, rows: Sequence[Row], scorer: Scorer, device: torch.device, *, like: Entrant | None = None
) -> Entrant:
    """Load a model, and write the rows for it. The base chooses the rows that are short enough; the others answer them.

    Raises `ValueError` on a model that can't be loaded, and on a prompt that it has no room for.
    """
    merge = like is None and config.merge_adapter
    with blame(f"the model {name!r}: loading it raised", own=(torch.OutOfMemoryError,), ours=True):
        model, tokenizer = load_language_model(
            name,
            device=device,
            dtype=config.dtype,
            attn_implementation=config.attn_implementation,
            trust_remote_code=config.trust_remote_code,
            merge_adapter=merge,
        )
        policy, encoder = policy_as_it_is(model, tokenizer, config), encoder_of(model, tokenizer, config)
    context = context_of(model, tokenizer)
    if like is None:
        limits = Limits(prompt=config.max_prompt_length, completion=config.max_completion_length)
        examples = training_examples(rows, encoder, limits, context=context)[0][: config.max_eval_prompts]
    else:
        with blame(f"{name}: ", ours=True):
            examples = encode([example.row for example in like.task.examples], encoder, closed=True)
        for example in examples:
            if len(example.prompt) + config.max_completion_length > context:
                raise ValueError(
                    f"{name} has a context of {context} tokens, and the prompt of row {example.row.number} has "
                    f"{len(example.prompt)} with its tokenizer, and answers {config.max_completion_length}"
                )
    policy.stop_at(encoder.end_ids)
    task = TextTask(examples, encoder, scorer, batch=1, seed=config.seed)
    shown = tuple(example.row.reference or "" for example in examples)
    batch, lacks = task.rows(range(len(examples))), None
    longest = max(len(e.prompt) + max(len(e.reference or ()), len(e.rejected or ())) for e in examples)
    if batch.rejected is not None and longest > context:
        batch = replace(batch, rejected=None)
        lacks = f"its context of {context} tokens is too short for a row's own answers"
    return Entrant(policy, HeldOut(task, batch, task.text, shown), task, lacks)


def unlike(other: Entrant, base: Entrant) -> str | None:
    """Why the base can't say how likely the other's answers are; None where it can: prompts and tokens are the same."""
    if other.task.encoder.tokenizer.get_vocab() != base.task.encoder.tokenizer.get_vocab():
        return "its tokenizer is not the base's"
    if other.policy.vocabulary > base.policy.vocabulary:
        return "it has more tokens than the base"
    if [each.prompt for each in other.task.examples] != [each.prompt for each in base.task.examples]:
        return "its chat template writes other prompts than the base's"
    return None
