"""Every setting of a run, in groups of one file each (`groups/`).

On the command line and in a config file the names are TRL's. Settings that are possible alone and not together are
refused by `checks.py`, once for each run.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from grao_ref.settings.groups.data import DataGroup
from grao_ref.settings.groups.judge import JudgeGroup
from grao_ref.settings.groups.machine import MachineGroup
from grao_ref.settings.groups.method import MethodGroup
from grao_ref.settings.groups.model import ModelGroup
from grao_ref.settings.groups.run import RunGroup
from grao_ref.settings.groups.steps import StepsGroup
from grao_ref.settings.kinds import kinds_of, require_kind


@dataclass(frozen=True)
class Config(RunGroup, JudgeGroup, MachineGroup, StepsGroup, MethodGroup, DataGroup, ModelGroup):
    """Settings of one training run; `beta` is the KL penalty, as in TRL, and GRAO's β and λ are the two `_coef`s.

    The fields are those of the groups, the last group's first.
    """

    def __post_init__(self) -> None:
        """Raise `ValueError` on a value of another type or out of its range."""
        for name, kind in kinds_of(type(self)).items():
            require_kind(name, getattr(self, name), kind)

    @property
    def setup(self) -> Literal["bandit", "text"]:
        """Which of the two ways to begin a run this is (`setups.py`)."""
        return "bandit" if self.dataset_name == "bandit" else "text"

    @property
    def seeds(self) -> range:
        """The seeds of separate runs: `num_seeds` from `seed` on; the bandit's one run has a row for each instead."""
        return range(self.seed, self.seed + (1 if self.setup == "bandit" else self.num_seeds))

    @property
    def likelihood_temperature(self) -> float:
        """The temperature of every log-probability that is trained on or compared."""
        return self.temperature if self.temper_likelihoods else 1.0


def settings_of(config: Config) -> dict[str, Any]:
    """The settings as JSON and YAML write them."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return plain


OF_COMMAND = ("output_dir", "overwrite_output_dir", "resume_from_checkpoint")


def run_settings(config: Config) -> dict[str, Any]:
    """The settings that a run is told by, without where a command wrote it and went on from: a folder may be moved."""
    return {name: value for name, value in settings_of(config).items() if name not in OF_COMMAND}
