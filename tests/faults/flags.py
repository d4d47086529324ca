"""Random combinations of flags, valid or not: a run of one step, or one line."""

import random
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin

from grao_ref.settings.config import Config
from grao_ref.settings.kinds import kinds_of, plain
from tests.faults.outcomes import Trial, stopped
from tests.faults.workshop import SMALL, Workshop

LEFT_OUT = {  # what reaches beyond this machine, and what the trial itself sets
    "output_dir", "resume_from_checkpoint", "overwrite_output_dir", "max_steps", "push_to_hub", "hub_model_id",
    "dataset_name", "dataset_test_name", "model_name_or_path", "trust_remote_code", "report_to", "judge_base_url",
    "judge_cache", "num_train_epochs",
}  # fmt: skip
NUMBERS = ["0", "1", "2", "3", "4", "8", "-1", "1e400", "nan", "2.5", "", "four", "0x10", "1_0", "99999999999999999999"]
REALS = ["0", "0.1", "0.5", "1", "1.0", "2", "-0.5", "inf", "nan", "1e-300", "1e300", "", "half"]
TEXTS = [
    "",
    " ",
    "auto",
    "none",
    "é",
    "a b",
    "../x",
    "--",
    "\udcff",
    "x" * 1000,
    "grao_ref.rewards.sorting.sorting",
    "{}",
]


def trials(shop: Workshop) -> Iterator[Trial]:
    """Two to six flags at a time."""
    control = shop.run([*SMALL, "--max-steps", 1, "--output-dir", shop.fresh()])
    yield stopped(control, (0,), "no random flag (control)")
    for _ in range(shop.few(200, 14)):
        count = shop.rng.randint(1, 5)
        flags = [word for _ in range(count) for word in flag(shop.rng)]
        base = shop.rng.choice([SMALL, SMALL, ["--preset", "bandit"]])
        folder = shop.fresh()
        ended = shop.run([*base, *flags, "--max-steps", 1, "--output-dir", folder])
        trial = stopped(ended, (0, 2, 3), "random flags")
        yield Trial(
            trial.fault, trial.seen, f"exit {ended.code}, {' '.join(word[:60] for word in flags)!r}: {trial.details}"
        )
        shop.drop(folder)


def flag(rng: random.Random) -> list[str]:
    """A setting's flag with a value that it may have or not."""
    kinds = kinds_of(Config)
    names = [field.name for field in fields(Config) if field.name not in LEFT_OUT]
    name = rng.choice(names)
    words = name.replace("_", "-")
    if rng.random() < 0.05:
        return [f"--{words[:-1]}x", "1"]  # no flag at all
    kind = plain(kinds[name])
    if kind is bool:
        return [rng.choice([f"--{words}", f"--no-{words}", f"--{words}=maybe"])]
    return [f"--{words}", *values(kind, rng)]


def values(kind: Any, rng: random.Random) -> list[str]:
    """One value, or none or several for a tuple."""
    if rng.random() < 0.1:
        return [rng.choice(TEXTS)]
    if get_origin(kind) is Literal:
        return [rng.choice([*map(str, get_args(kind)), "other"])]
    if get_origin(kind) is tuple:
        return [value for _ in range(rng.randint(0, 3)) for value in values(plain(get_args(kind)[0]), rng)]
    if rng.random() < 0.7:
        return [rng.choice({int: NUMBERS[1:6], float: REALS[:5]}.get(kind, TEXTS[2:4]))]
    return [rng.choice({int: NUMBERS, float: REALS}.get(kind, TEXTS))]
