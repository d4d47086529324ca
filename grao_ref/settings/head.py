"""The settings of `python -m grao_ref.reward_head`."""

from dataclasses import dataclass
from pathlib import Path

from grao_ref.settings.kinds import Count, Natural, Positive, kinds_of, require_kind


@dataclass(frozen=True)
class PairsGroup:
    """Model and pairs."""

    model_name_or_path: str = "smollm2"
    """The language model whose features are read: `smollm2`, a folder or a hub id. It stays as it is."""
    dataset_name: str = "hh-harmless"
    """Preference pairs: `hh-harmless`, `hh-helpful`, a file, a folder or a hub id with chosen and rejected answers."""
    dataset_config: str | None = None
    """The data set's configuration, where the hub has several."""
    dataset_train_split: str = "train"
    """The data set's split; held-out prompts are taken from it."""
    column: tuple[str, ...] = ()
    """Columns under other names: `prompt=question` reads the column question as prompt."""
    max_prompt_length: Count | None = None
    """Leave out pairs whose prompt has more tokens than this, the chat template's included."""
    max_completion_length: Count | None = None
    """Leave out pairs one of whose answers has more tokens than this."""
    max_length: Count | None = 1024
    """Leave out pairs whose prompt and longer answer have more tokens than this together."""


@dataclass(frozen=True)
class FitGroup:
    """The fit."""

    held_out: float = 0.2
    """Share of the prompts that is held out, to measure accuracy on."""
    seed: Natural = 0
    """Seed of the split, and of the folds that choose `l2`."""
    l2: Positive | None = None
    """Weight of |w|²/2 on features of deviation 1; if left, 5-fold cross-validation on the training prompts chooses."""


@dataclass(frozen=True)
class HeadRunGroup:
    """The run."""

    per_device_eval_batch_size: Count = 16
    """Answers that go through the model at once."""
    device: str = "auto"
    """Where the model runs: `auto` takes a GPU if there is one."""
    output_dir: Path = Path("runs/head")
    """Folder for head.safetensors and head.json; a head that is there already is never overwritten."""


@dataclass(frozen=True)
class HeadSettings(HeadRunGroup, FitGroup, PairsGroup):
    """Settings of one head."""

    def __post_init__(self) -> None:
        """Raise `ValueError` on a value that no run can use."""
        for name, kind in kinds_of(type(self)).items():
            require_kind(name, getattr(self, name), kind)
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out must be a share between 0 and 1, got {self.held_out}")
