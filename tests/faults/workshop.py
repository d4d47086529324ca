"""What the parts work with: a folder, a seeded generator, recipes of runs, and the runs to which nothing happens."""

import json
import random
import shutil
import subprocess
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.faults.harness import Child, Ended, finish, start

SMALL = ["--num-generations", 4, "--per-device-train-batch-size", 8, "--max-eval-prompts", 4, "--eval-steps", 2]
SMALL += ["--dataset-name", "rows.jsonl", "--dataset-test-name", "held-out.jsonl", "--reward-funcs", "sorting"]
SAVED = [*SMALL, "--save-steps", 2]
PAIRS = ["--dataset-name", "pairs.jsonl", "--dataset-test-name", "held-out-pairs.jsonl"]  # for dpo
RECIPES: dict[str, list[Any]] = {
    "grao": SAVED,
    "ppo": [*SAVED, "--method", "ppo"],
    "lora": [*SAVED, "--use-peft", "--lora-r", 4],
    "bandit": ["--preset", "bandit", "--num-seeds", 1, "--eval-steps", 2, "--save-steps", 2, "--optimizer", "adam"],
}
PEFT = find_spec("peft") is not None


@dataclass
class Workshop:
    """short: as few trials as show that the part works. minutes: of the soak."""

    folder: Path
    seed: int = 0
    short: bool = False
    minutes: float = 20.0
    rng: random.Random = field(init=False)
    _wholes: dict[tuple[str, int], Path] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder = self.folder.resolve()
        for name, count in (
            ("rows.jsonl", 48),
            ("held-out.jsonl", 6),
            ("pairs.jsonl", 48),
            ("held-out-pairs.jsonl", 6),
        ):
            rows = [paired(row) if "pairs" in name else row for row in examples(count, name)]
            (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.rng = random.Random(self.seed)

    def begin(self, part: str) -> None:
        """The same random choices for a part, whichever ran before it."""
        self.rng = random.Random(f"{self.seed}/{part}")

    def few(self, many: int, few: int) -> int:
        """How often: `few` in the short form."""
        return few if self.short else many

    def fresh(self) -> Path:
        """A path at which there is nothing."""
        self._count += 1
        return self.folder / f"run-{self._count}"

    def whole(self, recipe: str, steps: int) -> Path:
        """The folder of an uninterrupted run of a recipe."""
        if (recipe, steps) not in self._wholes:
            folder = self.folder / f"whole-{recipe}-{steps}"
            ended = self.run([*RECIPES[recipe], "--max-steps", steps, "--output-dir", folder])
            if ended.code != 0:
                raise RuntimeError(f"the run to compare with failed: {ended.said}")
            self._wholes[recipe, steps] = folder
        return self._wholes[recipe, steps]

    def copy(self, folder: Path) -> Path:
        """A copy to be damaged."""
        to = self.fresh()
        shutil.copytree(folder, to)
        return to

    def run(self, arguments: list[Any], **options: Any) -> Ended:
        """A command, to its end."""
        return finish(arguments, self.folder / f"said-{self._count}", **self._here(options))

    def start(self, arguments: list[Any], name: str = "started", **options: Any) -> Child:
        """A command, begun."""
        return start(arguments, self.folder / name, **self._here(options))

    def _here(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"cwd": self.folder} | options  # the recipes name their data without a folder

    def drop(self, *folders: Path) -> None:
        """Delete what is no longer needed."""
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def examples(count: int, seed: str) -> list[dict[str, str]]:
    """Rows like those of the embedded task, of which there are so many that reading them takes a second."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        digits = [str(rng.randrange(10)) for _ in range(5)]
        solution = "".join(sorted(digits))
        rows.append({"prompt": f"{''.join(digits)}=", "completion": solution[1] + solution[0] + solution[2:]})
        rows[-1]["solution"] = solution
    return rows


def paired(row: dict[str, str]) -> dict[str, str]:
    """The same as a preference: the answer is chosen, one that is in the wrong order rejected."""
    others = {name: value for name, value in row.items() if name != "completion"}
    return others | {"chosen": row["completion"], "rejected": row["completion"][::-1]}


def resume(folder: Path, *more: Any) -> list[Any]:
    """The flags with which a run goes on in its own folder."""
    path = folder.parent if folder.name.startswith("checkpoint-") else folder
    return ["--config", path / "config.yaml", "--resume-from-checkpoint", folder, "--output-dir", path, *more]


def mounted(*arguments: Any) -> str:
    """'' where the mount was made; else why not."""
    try:
        made = subprocess.run(["mount", *map(str, arguments)], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return made.stderr.strip() if made.returncode else ""


def unmounted(path: Path) -> None:
    """Take a mount away."""
    subprocess.run(["umount", "-l", str(path)], capture_output=True, check=False)
