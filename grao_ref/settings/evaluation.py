"""The settings of `python -m grao_ref.evaluate`: its own, and those of training that an evaluation reads too.

The latter keep the type and the sentence that training's settings have, and are left out unless they are given.
"""

from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import Any

from grao_ref.settings.groups.data import DataGroup
from grao_ref.settings.groups.judge import JudgeGroup
from grao_ref.settings.groups.machine import MachineGroup
from grao_ref.settings.groups.model import ModelGroup
from grao_ref.settings.groups.run import RunGroup
from grao_ref.settings.help import SENTENCES, sentences
from grao_ref.settings.kinds import Count, Natural, NonNegative, kinds_of, require_kind


@dataclass(frozen=True)
class ComparedGroup:
    """What is evaluated."""

    models: tuple[str, ...] = ()
    """Folders of runs (`python -m grao_ref.train` names them), or models: folders or ids on the hub, adapters too."""
    base: str | None = None
    """The model that they are compared with; by default the one that the first run began with."""
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
    """Where evaluation.md and evaluation.json go; by default the first run's folder, or evaluation/."""


@dataclass(frozen=True)
class EvaluationSettings(ReportGroup, ComparedGroup):
    """Settings of one evaluation."""

    def __post_init__(self) -> None:
        """Raise `ValueError` on a value that no evaluation can use."""
        for name, kind in kinds_of(type(self)).items():
            require_kind(name, getattr(self, name), kind)

    @property
    def given(self) -> dict[str, Any]:
        """The settings of training that are given here."""
        own = {field.name for field in fields(EvaluationSettings)}
        there = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in own}
        return {name: value for name, value in there.items() if value is not None}


BORROWED: dict[type, tuple[str, ...]] = {  # group -> those of its settings that an evaluation reads
    ModelGroup: ("dtype", "attn_implementation", "trust_remote_code", "chat_template_path", "chat_template_kwargs",
                 "system_prompt", "skip_special_tokens"),
    DataGroup: tuple(field.name for field in fields(DataGroup)),
    MachineGroup: ("device", "bf16"),
    JudgeGroup: tuple(field.name for field in fields(JudgeGroup)),
    RunGroup: ("seed", "max_eval_prompts"),
}  # fmt: skip


def _borrowed(group: type, names: tuple[str, ...]) -> type:
    """A group with these settings alone, each None unless it is given."""
    kinds, told = kinds_of(group), sentences(group)
    about = {"__doc__": f"{(group.__doc__ or '').splitlines()[0].rstrip('.')}, as in training.", "__module__": __name__}
    return make_dataclass(
        group.__name__,
        [(name, kinds[name] | None, None) for name in names],
        frozen=True,
        namespace=about | {SENTENCES: {name: told[name] for name in names}},
    )


DEFAULT: EvaluationSettings = make_dataclass(
    "Evaluation",
    [],
    bases=(*(_borrowed(group, names) for group, names in reversed(BORROWED.items())), EvaluationSettings),
    frozen=True,
    namespace={SENTENCES: {}, "__module__": __name__},
)()
