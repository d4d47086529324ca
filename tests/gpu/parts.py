"""What `make gpu` does, part by part. Each is given a device and returns what goes into the record."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from grao_ref.memory.estimate import estimate
from tests.benchmarks.driver import race
from tests.benchmarks.workload import FEW, scenarios
from tests.benchmarks.workload import Scenario as Timed
from tests.gpu import synthetic
from tests.memory.compared import lengths_of
from tests.memory.scenarios import SCENARIOS, Scenario

DATA = "harmless-base.jsonl.gz"  # HH-RLHF's, if it lies in the current folder


@dataclass(frozen=True)
class Sizes:
    """How much each part does. The defaults take a card less than eight minutes; the tests' are tiny."""

    device: str = "cuda"
    tests: tuple[str, ...] = ("-m", "gpu", "tests/gpu")
    train: tuple[str, ...] = ("--preset", "smollm2", "--max-steps", "30")
    data: str | None = None  # DATA, if it is there; else rows that are made up
    timed: Timed | None = None  # one of the benchmark's
    runs: tuple[Scenario, ...] = field(default_factory=lambda: tuple(SCENARIOS[:1] + SCENARIOS[2:3] + SCENARIOS[4:5]))
    limit: float = 180.0  # seconds of a process


def told(command: list[str], limit: float, **environment: str) -> str:
    """What a process says. Raises `RuntimeError` with its last words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=os.environ | environment)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {(done.stdout + done.stderr)[-1500:].strip()}")
    return done.stdout


def gpu_tests(sizes: Sizes) -> dict[str, Any]:
    """The tests that need a GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *sizes.tests]
    last = told(command, sizes.limit).strip().splitlines()[-1]
    counts = {what: int(number) for number, what in re.findall(r"(\d+) (passed|failed|skipped|deselected)", last)}
    return {"counts": counts, "said": last}


def training(sizes: Sizes) -> dict[str, Any]:
    """Steps of a real model on real data, or on made-up rows where there are none: rewards, seconds, the loss."""
    with TemporaryDirectory() as folder:
        made_up = sizes.data is None and not Path(DATA).exists()
        data = synthetic.save(Path(folder) / "rows.jsonl") if made_up else sizes.data or DATA
        names = ["--dataset-name", data, "--reward-funcs", "tests.gpu.synthetic.brevity", "--device", sizes.device]
        command = [sys.executable, "-m", "grao_ref.train", *sizes.train, *names, "--output-dir", f"{folder}/run"]
        told([*command, "--save-steps", "0"], sizes.limit)
        rows = [json.loads(line) for line in (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()]
    steps = [row for row in rows if "step_time" in row]
    return {
        "rows": "made up" if made_up else Path(data).name,
        "reward": "the answer's brevity, a rule",
        "steps": len(steps),
        "seconds of a step": round(median(row["step_time"] for row in steps), 3),
        "eval_reward": {row["step"]: round(row["eval_reward"], 4) for row in rows if "eval_reward" in row},
        "loss is finite": all(abs(row["loss"]) < 1e9 for row in steps),
    }


def benchmark(sizes: Sizes) -> dict[str, Any]:
    """A step beside TRL and a bare loop; without TRL, the bare loop alone."""
    timed = sizes.timed or short_scenario()
    (point,) = race(timed, say=lambda line: None)
    kept = ("seconds", "tokens_per_second", "parts", "peak_mib", "failed")
    sides = {name: {key: side[key] for key in kept if key in side} for name, side in point["sides"].items()}
    return {"workload": point["workload"], "sides": sides, "ratios": point["ratios"]}


def short_scenario() -> Timed:
    """The benchmark's step in bfloat16 on a GPU, with few sides and rounds."""
    from importlib.util import find_spec

    found = next(each for each in scenarios(os.cpu_count() or 1, cuda=True) if each.name == "cuda-bf16/smollm2")
    sides = tuple(side for side in FEW if side != "trl" or find_spec("trl"))
    return replace(found, sides=sides, rounds=3, warmup=1)


def memory(sizes: Sizes) -> list[dict[str, Any]]:
    """Estimates beside `torch.cuda.max_memory_allocated`."""
    rows = []
    for scenario in sizes.runs:
        found = estimate(
            scenario.config(),
            scenario.architecture(),
            lengths_of(scenario),
            cuda=sizes.device == "cuda",
            evaluated=scenario.config().max_eval_prompts,
        )
        command = [sys.executable, "-m", "tests.memory.measure", json.dumps(scenario.as_dict()), sizes.device]
        took = json.loads(told(command, min(sizes.limit, 60.0)).splitlines()[-1])["bytes"]
        ratio = round(found.peak / took, 4)
        rows.append(
            {"name": scenario.name, "phase": found.phase, "predicted": found.peak, "measured": took, "ratio": ratio}
        )
    return rows


def sampling(sizes: Sizes) -> list[dict[str, Any]]:
    """Groups drawn with steps that are captured and replayed, and with eager ones."""
    command = [sys.executable, "-m", "tests.gpu.sampling", sizes.device]
    return [json.loads(line) for line in told(command, sizes.limit).splitlines() if line.startswith("{")]


PARTS: dict[str, Callable[[Sizes], Any]] = {
    "GPU tests": gpu_tests,
    "sampling": sampling,
    "training": training,
    "memory": memory,
    "benchmark": benchmark,
}
