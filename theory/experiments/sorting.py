"""The race of exp-race once more, where answers share weights: the embedded model that learns to sort five digits.

    python -m theory.experiments.sorting [--folder runs/race] [--processes 2]

Decided before any of these runs:

- Every method is trained for 100 steps by `python -m grao_ref.train` with the preset `tiny`; what a run is judged by is
  its mean held-out reward at steps 25, 50, 75 and 100, four sampled answers to each prompt.
- Tuned: the learning rate, of 1e-4, 3e-4 and 1e-3, by that measure on seed 100.
- Judged: seeds 0 to 4 at that rate. Intervals are Student's, 95 %; differences to GRPO are by seed.

A step samples 16 groups of 8 for every method; one that reads R(y) asks for one reward more a prompt, since here the
reward is a function that costs nothing. Runs that are there are not made again. Left behind: `sorting.json`, rewards
by cell, and nothing of the models.
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import sqrt
from os import environ
from pathlib import Path
from statistics import mean, stdev

from scipy.stats import t

Cell = tuple[str, str, int]  # method, rate, seed
RECORD = Path(__file__).with_suffix(".json")
NEIGHBOURS = "grao_ref.methods.neighbours."
METHODS = {
    "GRPO": "--method grpo",
    "RLOO": f"--method {NEIGHBOURS}rloo.RLOO",
    "Dr. GRPO": f"--method {NEIGHBOURS}dr_grpo.DR_GRPO",
    "PPO": "--method ppo",
    "CHORD-φ": f"--method {NEIGHBOURS}chord.CHORD",
    "LUFFY": f"--method {NEIGHBOURS}luffy.LUFFY",
    "SRFT": f"--method {NEIGHBOURS}srft.SRFT",
    "HPT": f"--method {NEIGHBOURS}hpt.HPT",
    "GRAO printed": "--method grao --no-imitate-only-when-ahead",
    "GRAO repaired": "--method grao",
    "capped": f"--method {NEIGHBOURS}capped.CAPPED",
    "surprise": f"--method {NEIGHBOURS}surprise.SURPRISE",
    "bar": f"--method {NEIGHBOURS}bar.BAR",
    "bar, no imitation": f"--method {NEIGHBOURS}bar.BAR --imitation-coef 0 --alignment-coef 0",
}
RATES, TUNING_SEED, SEEDS = ("1e-4", "3e-4", "1e-3"), 100, range(5)
COMMON = "--max-steps 100 --eval-steps 25 --num-generations-eval 4 --save-total-limit 1"


def command(name: str, rate: str, seed: int, folder: Path) -> list[str]:
    """What makes a cell."""
    words = f"{METHODS[name]} --learning-rate {rate} --seed {seed} {COMMON} --output-dir {shlex.quote(str(folder))}"
    return [sys.executable, "-m", "grao_ref.train", *shlex.split(words)]


def rewards_of(cell: Cell, home: Path) -> dict[str, float]:
    """Held-out reward by step. A run that ends early, as one whose loss is not finite, has those before."""
    name, rate, seed = cell
    folder = home / f"{name} {rate} {seed}".replace(" ", "-").replace(",", "")
    shutil.rmtree(folder, ignore_errors=True)
    told = subprocess.run(
        command(name, rate, seed, folder), env=environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    if told.returncode not in (0, 3):
        raise RuntimeError(f"{name}, rate {rate}, seed {seed}: exit code {told.returncode}: {told.stderr[-500:]}")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    shutil.rmtree(folder)
    return {str(line["step"]): line["eval_reward"] for line in lines if "eval_reward" in line}


def measure(rewards: dict[str, float]) -> float:
    """Mean over the four evaluations after the start; one that did not happen counts 0."""
    return mean(rewards.get(step, 0.0) for step in ("25", "50", "75", "100"))


def filled(cells: list[Cell], home: Path, processes: int) -> dict[str, dict[str, float]]:
    """The record, with these cells in it."""
    record: dict[str, dict[str, float]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    missing = [cell for cell in cells if _key(*cell) not in record]
    with ThreadPoolExecutor(processes) as pool:
        made = pool.map(partial(rewards_of, home=home), missing)
        for cell, rewards in zip(missing, made, strict=True):
            record[_key(*cell)] = rewards
            RECORD.write_text(json.dumps(record, indent=0, ensure_ascii=False, sort_keys=True) + "\n")
            print(_key(*cell), *(f"{step}: {reward:.3f}" for step, reward in rewards.items()), flush=True)
    return record


def _key(name: str, rate: str, seed: int) -> str:
    return f"{name}, rate {rate}, seed {seed}"


def best_rates(record: dict[str, dict[str, float]]) -> dict[str, str]:
    """Each method's rate, by the seed that tunes."""
    return {
        name: max(RATES, key=lambda rate, name=name: measure(record[_key(name, rate, TUNING_SEED)]))  # type: ignore[misc]
        for name in METHODS
    }


def table(record: dict[str, dict[str, float]]) -> str:
    """Markdown: the methods by their measure, with rewards by step and the difference to GRPO, seed by seed."""
    rates = best_rates(record)
    runs = {name: [record[_key(name, rates[name], seed)] for seed in SEEDS] for name in METHODS}
    base = [measure(run) for run in runs["GRPO"]]
    lines = [
        "| method | rate | step 25 | step 50 | step 100 | mean of four | less GRPO's |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in sorted(runs, key=lambda name: -mean(map(measure, runs[name]))):
        steps = " | ".join(_interval([run.get(step, 0.0) for run in runs[name]]) for step in ("25", "50", "100"))
        whole = [measure(run) for run in runs[name]]
        difference = _interval([a - b for a, b in zip(whole, base, strict=True)])
        lines.append(f"| {name} | {rates[name]} | {steps} | {_interval(whole)} | {difference} |")
    return "\n".join(lines)


def _interval(values: list[float]) -> str:
    half = t.ppf(0.975, len(values) - 1) * stdev(values) / sqrt(len(values))
    return f"{mean(values):.3f} ± {half:.3f}"


def main() -> None:
    """Tune, judge, print the table."""
    parser = argparse.ArgumentParser("python -m theory.experiments.sorting")
    parser.add_argument("--folder", type=Path, default=Path("runs/race"), help="where runs stand while they are made")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    tuning = [(name, rate, TUNING_SEED) for name in METHODS for rate in RATES]
    rates = best_rates(filled(tuning, options.folder, options.processes))
    judging = [(name, rates[name], seed) for name in METHODS for seed in SEEDS]
    print(table(filled(judging, options.folder, options.processes)))


if __name__ == "__main__":
    main()
