"""The settings of `python -m grao_ref.evaluate`."""

from dataclasses import dataclass
from pathlib import Path

from grao_ref.settings.kinds import Count, Natural, NonNegative, kinds_of, require_kind


@dataclass(frozen=True)
class ComparedGroup:
    """What is evaluated."""

    runs: tuple[Path, ...] = ()
    """Folders of runs (`python -m grao_ref.train` names them), on the same data and base."""
    reward_funcs: tuple[str, ...] = ()
    """Judge by other rewards than the first run was trained on."""
    max_eval_prompts: Count | None = None
    """Held-out prompts at most; by default as many as the run was evaluated on."""
    temperature: NonNegative | None = None
    """Of sampling; by default that of training. 0: greedy, which has no KL."""


@dataclass(frozen=True)
class ReportGroup:
    """How it is done, and where the report goes."""

    per_device_eval_batch_size: Count = 32
    """Answers at once."""
    num_cases: Natural = 3
    """Case studies."""
    resamples: Count = 2000
    """Bootstrap resamples."""
    output_dir: Path | None = None
    """Where evaluation.md and evaluation.json go; by default the first run's folder."""


@dataclass(frozen=True)
class EvaluationSettings(ReportGroup, ComparedGroup):
    """Settings of one evaluation."""

    def __post_init__(self) -> None:
        """Raise `ValueError` on a value that no evaluation can use."""
        for name, kind in kinds_of(type(self)).items():
            require_kind(name, getattr(self, name), kind)
