"""What an evaluation compares: runs and models by name, the settings that they share, and the rows that they answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from grao_ref.data.load import load_rows
from grao_ref.data.parts import WHOLE
from grao_ref.data.rows import Rows
from grao_ref.data.splits import evaluation_set, rows_of
from grao_ref.methods.registry import label_of
from grao_ref.settings.config import Config
from grao_ref.settings.evaluation import EvaluationSettings
from grao_ref.settings.flags import parse
from grao_ref.settings.presets import PRESETS

# What the rows to evaluate on depend on: by the data set's name, and where they are held out from those to train on.
DATA = ("dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "dataset_test_name", "column")
SPLIT = ("test_size", "seed")
NEEDED = ("dataset_name", "max_completion_length")  # which a model without a run does not tell


@dataclass(frozen=True)
class Candidate:
    """A model that is evaluated."""

    name: str  # as it was typed
    model: str  # what is loaded
    config: Config | None  # of the run that trained it; None for a model by its name


def candidate_of(name: str) -> Candidate:
    """A run's folder, or any model. Raises `ValueError` on a run without a model, and on a path that leads nowhere."""
    folder = Path(name).expanduser()
    if not (folder / "config.yaml").is_file():
        if folder.is_dir() and not any(folder.glob("*config.json")):
            raise ValueError(f"{name} is no run's folder, and no model's: it has no config.yaml and no config.json")
        if not folder.is_dir() and (name.count("/") > 1 or name[:1] in ("/", ".", "~")):
            raise ValueError(f"there is no folder {name}")
        return Candidate(name, str(folder) if folder.is_dir() else name, None)
    config = parse(["--config", str(folder / "config.yaml")], PRESETS, module="grao_ref.evaluate", description=None)
    if not (folder / "model").exists():
        raise ValueError(f"{name} has no model: a run saves one at its end, if it is one method with one seed")
    return Candidate(name, str(folder / "model"), config)


def shared(settings: EvaluationSettings, candidates: Sequence[Candidate]) -> Config:
    """The settings of the evaluation: those of the first run, with what the flags change, and nothing of training.

    `model_name_or_path` is the base. Raises `ValueError` on runs that can't be compared, and where no run says what a
    flag has to say.
    """
    given, run = settings.given, next((each for each in candidates if each.config is not None), None)
    if run is None:
        missing = [f"--{name.replace('_', '-')}" for name in NEEDED if name not in given]
        missing = ["--base", *missing] if settings.base is None else missing
        if missing:
            raise ValueError(
                f"{candidates[0].name} is a model and no run, so flags must be given: {', '.join(missing)}"
            )
    first = Config() if run is None or run.config is None else run.config
    for other in candidates:
        if other.config is not None and run is not None:
            _require_same(other.name, other.config, run.name, first, settings)
    if settings.base is not None:
        first = replace(first, model_name_or_path=settings.base, merge_adapter=False)
    if "dataset_name" in given:
        first = replace(first, **{name: _default(name) for name in DATA})
    if "reward_funcs" in given:
        first = replace(first, reward_weights=())
    return replace(first, **given | OFF)


def rows_to_answer(config: Config, given: Mapping[str, Any], *, trained: bool) -> Rows:
    """The rows that are held out, as they are read.

    trained: whether a run was trained on this data set. Raises `ValueError` on a text without a prompt.
    """
    test = evaluation_set(config)
    if test is not None:
        rows = test
    elif trained or "test_size" in given:
        rows = rows_of(config)[1]
    else:
        rows = load_rows(
            config.dataset_name, split=config.dataset_train_split, config=config.dataset_config, column=config.column
        )
    for row in rows:
        if row.prompt == WHOLE:
            raise ValueError(f"row {row.number} of the data set is a whole text without a prompt: nothing to answer")
    return rows


def labelled(candidate: Candidate, taken: Sequence[str]) -> str:
    """Method and folder of a run; of a model its folder's name, or its id. The whole path where that is taken."""
    folder, name = Path(candidate.name).expanduser().resolve(), candidate.name
    if folder.is_dir():
        within = (folder.parent / "config.yaml").is_file()  # a model or a checkpoint in a run's folder
        name = f"{folder.parent.name}/{folder.name}" if within else folder.name
    if candidate.config is None:
        return name if name not in taken else candidate.name
    method = _method(candidate.config)
    return f"{method} ({name})" if f"{method} ({name})" not in taken else f"{method} ({candidate.name})"


def _method(config: Config) -> str:
    """What tables call a run's method: the last part of its path, where it can't be imported here."""
    try:
        return label_of(config)
    except ValueError:
        return config.method.rpartition(".")[2]


def _require_same(name: str, config: Config, first_name: str, first: Config, settings: EvaluationSettings) -> None:
    """Raise `ValueError` where two runs have another base, or held out other prompts, and no flag replaces both."""
    given = settings.given
    compared: tuple[str, ...] = () if "dataset_name" in given else DATA
    if not ({"dataset_test_split", "dataset_test_name"} & given.keys() or first.dataset_test_split):
        compared += () if "dataset_name" in given or first.dataset_test_name else SPLIT
    for setting in (*compared, *(() if settings.base is not None else ("model_name_or_path",))):
        if setting not in given and getattr(config, setting) != getattr(first, setting):
            raise ValueError(
                f"the runs must have the same base and the same held-out prompts: {setting} is "
                f"{getattr(first, setting)!r} in {first_name} and {getattr(config, setting)!r} in {name}"
            )


def _default(name: str) -> Any:
    return next(field.default for field in fields(Config) if field.name == name)


# Settings of training that an evaluation must not have.
OFF = {
    "use_peft": False, "lora_dropout": 0.0, "gradient_checkpointing": False, "save_steps": 0, "push_to_hub": False,
    "hub_model_id": None, "resume_from_checkpoint": None, "num_train_epochs": None,
}  # fmt: skip
