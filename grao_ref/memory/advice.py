"""Which single change of the settings saves most memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from grao_ref.memory.estimate import Estimate
from grao_ref.memory.lengths import micro_batch
from grao_ref.memory.phases import EVALUATION
from grao_ref.methods.registry import method_of
from grao_ref.settings.config import Config

LEAST_ANSWER = 16  # tokens, below which no shorter answer is proposed


@dataclass(frozen=True)
class Change:
    """A change of the settings, as flags, and what the run needs with it."""

    flags: str
    peak: int


def changes(config: Config, phase: str) -> dict[str, Config]:
    """Flags -> the settings with them: every change that may lower a peak in this phase."""
    found = {}
    if not config.gradient_checkpointing:
        found["--gradient-checkpointing"] = replace(config, gradient_checkpointing=True)
    if not config.use_peft:
        found["--use-peft"] = replace(config, use_peft=True)
    elif config.dtype == "float32":
        found["--dtype bfloat16"] = replace(config, dtype="bfloat16")
    count = micro_batch(config)
    if count > 1:
        size, parts = config.per_device_train_batch_size // count, config.gradient_accumulation_steps * count
        smaller = replace(config, per_device_train_batch_size=size, gradient_accumulation_steps=parts)
        found[f"--per-device-train-batch-size {size} --gradient-accumulation-steps {parts}"] = smaller
    if config.max_completion_length >= 2 * LEAST_ANSWER and method_of(config.method).needs(config).samples:
        half = config.max_completion_length // 2
        found[f"--max-completion-length {half}"] = replace(config, max_completion_length=half)
    if phase == EVALUATION:
        size = config.per_device_train_batch_size
        found[f"--per-device-eval-batch-size {size}"] = replace(config, per_device_eval_batch_size=size)
    return found


def best_change(config: Config, now: Estimate, estimated: Callable[[Config], Estimate]) -> Change | None:
    """The change that saves most; None where none saves anything."""
    every = [Change(flags, estimated(other).peak) for flags, other in changes(config, now.phase).items()]
    best = min(every, key=lambda change: change.peak, default=None)
    return best if best is not None and best.peak < now.peak else None
