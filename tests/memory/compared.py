"""Estimates beside measured peaks, each run in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

from grao_ref.memory.estimate import Estimate, estimate
from grao_ref.memory.lengths import Lengths, micro_batch
from tests.memory.scenarios import Scenario
from tests.processes import ROOT

RECORD = ROOT / "tutorials" / "recorded" / "memory.json"
WITHIN = 0.15
# Memory that a tensor gave back is the system's again at once, so that a peak is that of the tensors.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}


def lengths_of(scenario: Scenario) -> Lengths:
    """The rows of a micro-batch."""
    count = micro_batch(scenario.config())
    return Lengths((scenario.prompt,) * count, (scenario.answer,) * count, (scenario.answer,) * count, known=True)


def predicted(scenario: Scenario) -> Estimate:
    """What the package says of the run before it starts."""
    config, architecture = scenario.config(), scenario.architecture()
    return estimate(config, architecture, lengths_of(scenario), cuda=False, evaluated=config.max_eval_prompts)


def measured(scenario: Scenario, environment: dict[str, str] = ENVIRONMENT) -> int:
    """The bytes that the run took at its peak."""
    command = [sys.executable, "-m", "tests.memory.measure", json.dumps(scenario.as_dict())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environment)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return int(json.loads(done.stdout.splitlines()[-1])["bytes"])


def compare(scenarios: Iterable[Scenario], say: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """A row of the record for each scenario."""
    rows = []
    for scenario in scenarios:
        found, took = predicted(scenario), measured(scenario)
        rows.append(scenario.as_dict() | {
            "parameters": found.parameters, "phase": found.phase, "parts": found.phases[found.phase],
            "predicted": found.peak, "measured": took, "ratio": round(found.peak / took, 4),
        })  # fmt: skip
        say(f"{scenario.name:32} {found.phase:10} {found.peak / 1e6:6.0f} MB, measured {took / 1e6:6.0f} MB")
    return rows


def record(rows: list[dict[str, Any]], machine: dict[str, Any], path: Path = RECORD) -> None:
    """Write the record, for the page *Scale*."""
    content = {"date": date.today().isoformat(), "machine": machine, "within": WITHIN, "runs": rows}
    path.write_text(json.dumps(content, indent=1) + "\n")
