"""The laboratory's own speed: the exact field beside enumerations of all groups, and a step of a table by its sizes.

`make bench ARGS="--only laboratory"` writes tutorials/recorded/bench_laboratory.json. Times are the processor's, in
milliseconds, medians of several runs.
"""

import json
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from math import comb
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from grao_ref.equations.grao import grao_objective
from tests.equations.test_enumeration import BETA, LAM, all_groups, closed_form, enumerated
from tests.strategies import noise
from theory import runs
from theory.exact import ExactBandit

RECORD = Path(__file__).parents[2] / "tutorials" / "recorded" / "bench_laboratory.json"
# (K, G, distinct rewards); enumerations are timed up to so many groups
FIELDS = [(3, 4, 3), (3, 8, 3), (4, 8, 4), (8, 8, 8), (50, 8, 3), (4, 64, 4), (1000, 8, 3)]
IN_A_LOOP, IN_A_BATCH = 10_000, 100_000
STEPS = 20


def main() -> int:
    """Exit code: 0; 1 where two ways to compute a field disagree."""
    torch.set_num_threads(1)
    fields = [field(*sizes) for sizes in FIELDS]
    record = {"date": date.today().isoformat(), "fields": fields, "steps": [step(**sizes) for sizes in tables()]}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    return int(any(each["largest difference"] > 1e-9 for each in fields))


def field(actions: int, size: int, levels: int) -> dict[str, Any]:
    """One evaluation of E[ĝ], by counts of reward levels, by all K^G groups in a batch, and by a loop over them."""
    logits, rewards = noise((actions,), 0), torch.arange(actions).double() % levels / levels
    bandit = ExactBandit(rewards.numpy(), 1, size, BETA, LAM)
    ways: dict[str, Callable[[], Any]] = {"by counts": partial(bandit.update, logits.numpy())}
    if actions**size <= IN_A_BATCH:
        groups = all_groups(actions, size)
        ways["in a batch"] = lambda: enumerated(
            grao_objective, logits, rewards, 1, groups, "with_reference"
        )[1].numpy()  # fmt: skip
    if actions**size <= IN_A_LOOP:
        ways["in a loop"] = lambda: closed_form(
            logits.numpy(), rewards.tolist(), 1, size, "with_reference", False
        )[1]  # fmt: skip
    found = {name: way() for name, way in ways.items()}
    return {
        "K": actions, "G": size, "levels": levels, "groups": float(actions**size),
        "terms": comb(size + levels - 1, levels - 1),
        "largest difference": max(float(np.abs(each - found["by counts"]).max()) for each in found.values()),
        "ms": {name: milliseconds(way, repeats=3 if name == "in a loop" else 15) for name, way in ways.items()},
    }  # fmt: skip


def tables() -> list[dict[str, int]]:
    """Sizes of a step: seeds, answers K and samples G grow one at a time."""
    usual = {"seeds": 1000, "actions": 3, "size": 8}
    grown = {"seeds": (1, 10, 100, 1000, 3000, 10_000), "actions": (3, 10, 100), "size": (2, 8, 32, 64)}
    return [usual | {name: value} for name, values in grown.items() for value in values]


def step(seeds: int, actions: int, size: int) -> dict[str, Any]:
    """A step of GRAO on `seeds` rows of a table at once."""
    rewards, logits = torch.arange(actions, 0, -1) / actions, torch.zeros(seeds, actions)
    config = runs.settings(learning_rate=0.1, max_steps=STEPS, num_generations=size)
    ms = milliseconds(lambda: [None for _ in runs.run(rewards, 1, logits, config)], repeats=5) / STEPS
    return {"N": seeds, "K": actions, "G": size, "ms": ms}


def milliseconds(call: Callable[[], Any], repeats: int) -> float:
    """The median, after one call that is not counted, to four digits."""
    times = []
    for _ in range(repeats + 1):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return float(f"{1000 * median(times[1:]):.4g}")
