"""Before a model is loaded: does the run fit into the device's memory?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from grao_ref.data.examples import encode
from grao_ref.data.rows import Row
from grao_ref.memory.advice import Change, best_change
from grao_ref.memory.device import free_memory
from grao_ref.memory.estimate import Estimate, estimate, model_on_meta
from grao_ref.memory.lengths import Lengths, by_characters, by_rows, by_settings
from grao_ref.memory.rough import surely_fits
from grao_ref.memory.words import refusal, warning
from grao_ref.plugins.blame import why
from grao_ref.policies.build import encoder_of
from grao_ref.policies.load import Architecture, architecture_of, load_tokenizer
from grao_ref.settings.config import Config

NEAR = 0.85  # of the memory: from here on there is a warning. The estimate is good to 15 %


@dataclass(frozen=True)
class Plan:
    """A run about to be estimated."""

    config: Config
    architecture: Any  # the model's config
    cuda: bool
    memory: int | None  # bytes that it may use; None where that is not known
    lengths: Callable[[Config], Lengths]  # of a micro-batch with these settings
    evaluated: int | None = None  # held-out prompts

    def estimate(self, config: Config | None = None) -> Estimate:
        """What the run needs, or would need with other settings."""
        other = config or self.config
        lengths = self.lengths(other)
        return estimate(other, self.architecture, lengths, cuda=self.cuda, evaluated=self.evaluated)

    def best_change(self, now: Estimate) -> Change | None:
        """The change of the settings that saves most."""
        return best_change(self.config, now, self.estimate)


def plan_of(config: Config, device: torch.device, rows: Sequence[Row] = (), held_out: Sequence[Row] = ()) -> Plan:
    """The plan of a run. `rows`: none where they are not known yet; then rows are as long as the settings allow.

    Raises `ValueError` where the model's config can't be read.
    """
    named = architecture_of(config.model_name_or_path, trust_remote_code=config.trust_remote_code)
    if named.adapter is not None and not config.merge_adapter and not config.use_peft:
        targets = named.adapter.get("target_modules")
        layers = tuple(targets) if isinstance(targets, list) else ()
        config = replace(config, use_peft=True, lora_r=named.adapter.get("r", 16), lora_target_modules=layers)
    context = getattr(named.config.get_text_config(), "max_position_embeddings", None)
    encoded = _encoded(config, named) if rows else None

    def lengths(settings: Config) -> Lengths:
        return by_settings(settings, context) if encoded is None else by_rows(settings, rows, encoded)

    memory = memory_for(config, device)
    return Plan(config, named.config, device.type == "cuda", memory, lengths, len(held_out) or None)


def _encoded(config: Config, named: Architecture) -> Callable[[Sequence[Row]], list[Lengths]] | None:
    """Rows -> the lengths of each, by the model's own tokenizer; None where it has none."""
    try:
        tokenizer = load_tokenizer(named.words, trust_remote_code=config.trust_remote_code)
    except Exception:  # the reason is given when the model is loaded
        return None
    encoder = encoder_of(model_on_meta(config, named.config), tokenizer, config)

    def lengths(rows: Sequence[Row]) -> list[Lengths]:
        return [
            Lengths((len(each.prompt),), (len(each.reference),), (len(each.rejected or ()),), known=True)
            for each in encode(rows, encoder, closed=True)
        ]

    return lengths


def memory_for(config: Config, device: torch.device) -> int | None:
    """Bytes that the run may use: what is free, or what `device_memory` says."""
    return free_memory(device) if config.device_memory is None else round(1e9 * config.device_memory)


def require_memory(config: Config, device: torch.device, rows: Sequence[Row], held_out: Sequence[Row]) -> str | None:
    """A line of the log where the run comes near the memory that is free, or can't be estimated; else None.

    Raises `ValueError` where the run can't fit, with the arithmetic and the setting that helps most.
    """
    memory = memory_for(config, device)
    if memory is None:
        return None
    try:
        named = architecture_of(config.model_name_or_path, trust_remote_code=config.trust_remote_code)
        if surely_fits(config, named.config, by_characters(config, rows), memory):
            return None
        plan = plan_of(config, device, rows, held_out)
        found = plan.estimate()
    except Exception as error:  # of a model that is unlike the others; whatever is wrong is said when it is loaded
        return f"Memory: what the run needs can't be estimated ({why(error)})."
    if found.peak > memory:
        raise ValueError(refusal(found, memory, plan.best_change(found)))
    return warning(found, memory) if found.peak > NEAR * memory else None
