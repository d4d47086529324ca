"""A dozen runs of a real model side by side on one GPU, within minutes. Logs are all that remains of them.

    python -m theory.experiments.card harmless --parts PART1 PART2 --sha256 HEX --data DIR --home DIR --output-dir OUT

The parts are joined to the model's GGUF file, and its hash is checked. The model is converted once, and what the table
reads is made: the parts of the data, the reward head. Then the table's cells are run, one seed each: all methods with
the first seed, then all with the next. The minutes count from the start of the command. A cell is not begun where a
cell of its method that is done (without one: the longest that is done) took more time than is left. A process that
still runs at the deadline is ended, and its run leaves no line. OUT gets `harmless.jsonl`, the lines of `logs/` with
the card's name and versions, and `harmless.log`: what happened, and when.

No share of the card's memory is given to a process: 13 processes with this model ran at once on an H100 of 80 GB
(tutorials/recorded/h100.json). The most memory that all take together is written to the log where nvidia-smi is found.
"""

import argparse
import hashlib
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from os import environ
from pathlib import Path

from theory.experiments.cells import Line, Place, append, best_rates, log_of, made, prepare, read, runs_of
from theory.experiments.plan import Cell, Table, python, table_of

CONVERT = (
    'python -c "import sys; from pathlib import Path; from grao_ref.policies.smollm2 import convert; '
    'convert(*map(Path, sys.argv[1:]))" {gguf} {{home}}/grao_ref/SmolLM2-135M-Instruct'
)
TORCH = """import torch
print(torch.cuda.get_device_name() if torch.cuda.is_available() else "none", torch.__version__, sep="\\n")"""
DONE, FAILED = "made", "failed"
NOT_BEGUN, ENDED = "not begun, too little time is left", "ended at the deadline"
LOOK = 5.0  # seconds between two looks at the card's memory
Say = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """How many processes run at once, and the time of `time.monotonic` at which all are ended."""

    side_by_side: int
    until: float


@dataclass
class Race:
    """Cells in turn, several at once, as far as time allows."""

    table: Table
    home: Path
    limits: Limits
    spent: dict[str, float] = field(default_factory=dict)  # seconds of a method's last cell
    memory: int = 0  # MiB, the most of the whole card that was seen in use

    def results(self, cells: Iterable[Cell]) -> Iterator[tuple[Cell, list[Line] | str]]:
        """Each cell as it ends, with its lines or why there are none."""
        with ThreadPoolExecutor(self.limits.side_by_side) as pool:
            running = {pool.submit(self._result, cell): cell for cell in cells}
            while running:
                done, _ = wait(running, timeout=LOOK, return_when=FIRST_COMPLETED)
                self.memory = max(self.memory, memory_in_use())
                for job in done:
                    yield running.pop(job), job.result()

    def _result(self, cell: Cell) -> list[Line] | str:
        began = time.monotonic()
        needed = self.spent.get(cell.method, max(self.spent.values(), default=0.0))
        if began + needed > self.limits.until:
            return NOT_BEGUN
        try:
            lines = runs_of(self.table, cell, self.home, self.limits.until)
        except subprocess.TimeoutExpired:
            shutil.rmtree(self.home / cell.folder, ignore_errors=True)
            return ENDED
        except Exception as error:  # the other runs go on
            return f"{FAILED}: {_one_line(error)}"
        self.spent[cell.method] = time.monotonic() - began
        return lines


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0; 1 where a run or what comes before it failed; 2 on bad input."""
    options = _parse(arguments)
    began = time.monotonic()
    limits = Limits(options.side_by_side, began + 60 * options.minutes)
    try:
        table = table_of(options.table)
        if find_spec("gguf") is None or find_spec("accelerate") is None:
            raise ValueError("converting needs gguf and accelerate: pip install 'grao_ref[smollm2]'")
        options.output_dir.mkdir(parents=True, exist_ok=True)
        gguf = joined(options.parts, options.sha256, options.home.resolve())
        if not options.data.is_dir():
            raise ValueError(f"there is no folder {options.data}")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2

    def say(what: str) -> None:
        line = f"{time.monotonic() - began:6.1f} s  {what}"
        print(line, flush=True)
        with (options.output_dir / f"{table.name}.log").open("a") as log:
            log.write(line + "\n")

    place = Place(options.home.resolve(), log_of(table, options.output_dir))
    environ["GRAO_TEST_DATA"] = str(options.data.resolve())
    return run(with_model(table, gguf), options.seeds, place, limits, say)


def joined(parts: Iterable[Path], sha256: str, home: Path) -> Path:
    """The parts in one file. Raises `ValueError` where its SHA-256 is another than was given."""
    home.mkdir(parents=True, exist_ok=True)
    path, found = home / f"{sha256[:16].lower()}.gguf", hashlib.sha256()
    with path.open("wb") as whole:
        for part in parts:
            found.update(content := part.read_bytes())
            whole.write(content)
    if found.hexdigest() != sha256.lower():
        path.unlink()
        raise ValueError(f"the parts joined have the SHA-256 {found.hexdigest()}, expected {sha256}")
    return path


def with_model(table: Table, gguf: Path) -> Table:
    """The table with this model, which is converted first."""
    makes = (CONVERT.format(gguf=_braced(gguf)), *table.makes)
    return replace(table, makes=makes, environment=(*table.environment, ("GRAO_CACHE", "{home}/grao_ref")))


def cells_of(table: Table, seeds: Container[int]) -> list[Cell]:
    """All methods with the first seed, then all with the next."""
    return [cell for cell in table.to_judge(best_rates(table, [])) if cell.seed in seeds]


def run(table: Table, seeds: Container[int], place: Place, limits: Limits, say: Say) -> int:
    """What the cells need, then the cells. The exit code: 1 where something failed."""
    missing = [cell for cell in cells_of(table, seeds) if not made(read(place.log), cell)]
    about = software()
    say(f"{len(missing)} runs, {limits.side_by_side} at once; {', '.join(map(' '.join, about.items()))}")
    try:
        for words in prepare(table, missing, place.home, limits.until):
            say(f"ready: {shlex.split(words)[-1].format(home=place.home)}")
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        say(f"nothing could be run: {_one_line(error)}")
        return 1
    race, counted = Race(table, place.home, limits), Counter[str]()
    for cell, found in race.results(missing):
        if isinstance(found, list):
            append(place.log, [line | about for line in found])
            found = f"{DONE}, {race.spent[cell.method]:.0f} s"
        counted[found.split(",")[0].split(":")[0]] += 1
        say(f"{cell}: {found}")
    said = [f"{number} {what}" for what, number in counted.items()]
    say("; ".join([*said, f"at most {race.memory} MiB of the card in use" if race.memory else "no card was seen"]))
    return int(counted[FAILED] > 0)


def software() -> dict[str, str]:
    """The card's name and versions. torch is asked in a process of its own, which holds no memory of the card after."""
    told = subprocess.run(python(("-c", TORCH)), capture_output=True, text=True, check=True).stdout
    card, torch = told.splitlines()
    return {"card": card, "torch": torch, "transformers": version("transformers")}


def memory_in_use() -> int:
    """MiB of the first card that are in use; 0 where nvidia-smi is not found or knows none."""
    asked = ("nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits")
    with suppress(OSError, subprocess.SubprocessError, ValueError, IndexError):
        told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=LOOK)
        return int(told.stdout.split()[0])
    return 0


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _braced(path: Path) -> str:
    """A path within words that are formatted and split."""
    return shlex.quote(str(path).replace("{", "{{").replace("}", "}}"))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m theory.experiments.card", description=__doc__.split("\n")[0])
    parser.add_argument("table", help="of a real model: harmless, helpful, sums")
    parser.add_argument("--parts", type=Path, nargs="+", required=True, help="of the model's GGUF file, in order")
    parser.add_argument("--sha256", required=True, metavar="HEX", help="of the parts joined")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="with hh/harmless-base.jsonl.gz")
    parser.add_argument("--home", type=Path, required=True, help="where the model and the runs stand meanwhile")
    parser.add_argument("--output-dir", type=Path, required=True, metavar="OUT", help="for the two logs")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which all is ended")
    parser.add_argument("--side-by-side", type=int, default=6, metavar="N", help="runs at once")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
