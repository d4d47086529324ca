"""Learning curves of every method on a bandit of ten answers: for exp-curves and the rows that read them."""

from functools import cache
from typing import Any

import numpy as np
import torch

from theory import runs
from theory.groups import Array

LAM, RATE = 0.6, 0.4
METHODS: dict[str, dict[str, Any]] = {
    "SFT": {"method": "sft"},
    "DPO": {"method": "dpo"},
    "PPO": {"method": "ppo"},
    "GRPO": {"method": "grpo"},
    "GRAO printed": {"imitate_only_when_ahead": False},
    "GRAO repaired": {},
    "GRAO outputs": {"imitate_only_when_ahead": False, "pool": "outputs"},
    "SFT, then GRPO": {"method": "grpo"},
}
TERMS = ("exploration", "imitation", "alignment")
STARTS = {"common": [0.1] * 10, "rare": [0.02, 0.02, *[0.12] * 8]}


def curves(size: str, kind: str) -> dict[str, dict[str, Array]]:
    """For each method, by step: V (S + 1, N), the groups' mean reward and the objective's terms (S, N).

    Ten answers: the best (1), the reference (0.7) and eight failures; the first two common (a tenth each) or rare.
    """
    return {name: found[kind] for name, found in _all(size).items() if kind in found}


@cache
def _all(size: str) -> dict[str, dict[str, dict[str, Array]]]:
    """The same by method and kind; the kinds of a method are blocks of one run, but where SFT comes first."""
    seeds, steps = {"quick": (100, 90), "default": (1000, 160), "full": (4000, 800)}[size]
    rewards, _ = runs.start(torch.tensor([1.0, 0.7, *[0.0] * 8]), STARTS["common"], 1)
    logits = {kind: runs.start(rewards, start, seeds)[1] for kind, start in STARTS.items()}
    found = {}
    for name, change in METHODS.items():
        if name.startswith("SFT,"):
            found[name] = {kind: _after_lessons(rewards, logits[kind], steps, change) for kind in STARTS}
            continue
        kinds = [kind for kind in STARTS if kind == "common" or name not in ("DPO", "GRAO outputs")]
        starts = torch.stack([logits[kind] for kind in kinds])
        path = list(runs.run_at([RATE] * len(kinds), rewards, 1, starts, runs.settings(max_steps=steps, **change)))
        series = {"V": [step.value for step in path]}
        for metric in ("reward", "loss", *(f"objective/{term}" for term in TERMS)):
            if metric in path[-1].metrics:
                series[metric] = [step.metrics[metric] for step in path[1:]]
        blocks = {each: torch.stack(rows).view(len(rows), len(kinds), seeds).numpy() for each, rows in series.items()}
        found[name] = {kind: {each: rows[:, k] for each, rows in blocks.items()} for k, kind in enumerate(kinds)}
    return found


def _after_lessons(rewards: torch.Tensor, logits: torch.Tensor, steps: int, change: dict[str, Any]) -> dict[str, Array]:
    """V by step where SFT's steps come first; as many steps in all."""
    lessons = _lessons(rewards, logits)
    config = runs.settings(learning_rate=RATE, max_steps=steps, **change)
    path = lessons[:-1] + list(runs.run(rewards, 1, lessons[-1].theta, config))
    return {"V": torch.stack([step.value for step in path[: steps + 1]]).numpy()}


def _lessons(rewards: torch.Tensor, logits: torch.Tensor) -> list[runs.Step]:
    """SFT until every other answer is the reference."""
    path = []
    for step in runs.run(rewards, 1, logits, runs.settings(method="sft", learning_rate=RATE, max_steps=100)):
        path.append(step)
        if bool((step.theta.softmax(-1)[:, 1] >= 0.5).all()):
            break
    return path


def shares(found: dict[str, Array]) -> Array:
    """Share of each term in the sum of their sizes, averaged over seeds, by step: (S, 3)."""
    sizes = np.stack([np.abs(found[f"objective/{term}"]).mean(1) for term in TERMS], axis=-1)
    result: Array = sizes / np.maximum(sizes.sum(-1, keepdims=True), 1e-300)
    return result
