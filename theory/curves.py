"""Learning curves of every method on a bandit of ten answers: for exp-curves and the rows that read them."""

from functools import cache
from typing import Any

import numpy as np
import torch

from theory import runs
from theory.groups import Array

LAM = 0.6
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


@cache
def curves(size: str, kind: str) -> dict[str, dict[str, Array]]:
    """For each method, by step: V (S + 1, N), the groups' mean reward and the objective's terms (S, N).

    Ten answers: the best (1), the reference (0.7) and eight failures; the first two common (a tenth each) or rare.
    """
    seeds, steps = {"quick": (100, 90), "default": (1000, 160), "full": (4000, 800)}[size]
    rewards, logits = runs.start(torch.tensor([1.0, 0.7, *[0.0] * 8]), STARTS[kind], seeds)
    found = {}
    for name, change in METHODS.items():
        if kind == "rare" and name in ("DPO", "GRAO outputs"):
            continue
        config = runs.settings(learning_rate=0.4, max_steps=steps, **change)
        lessons = _lessons(rewards, logits) if name.startswith("SFT,") else []
        path = lessons[:-1] + list(runs.run(rewards, 1, lessons[-1].theta if lessons else logits, config))
        path = path[: steps + 1]
        found[name] = {"V": torch.stack([step.value for step in path]).numpy()}
        for metric in ("reward", "loss", *(f"objective/{term}" for term in TERMS)):
            if not lessons and metric in path[-1].metrics:
                rows = [step.metrics[metric] for step in path[1:]]
                found[name][metric] = torch.stack(rows).numpy()
    return found


def _lessons(rewards: torch.Tensor, logits: torch.Tensor) -> list[runs.Step]:
    """SFT until every other answer is the reference."""
    path = []
    for step in runs.run(rewards, 1, logits, runs.settings(method="sft", learning_rate=0.4, max_steps=100)):
        path.append(step)
        if bool((step.theta.softmax(-1)[:, 1] >= 0.5).all()):
            break
    return path


def shares(found: dict[str, Array]) -> Array:
    """Share of each term in the sum of their sizes, averaged over seeds, by step: (S, 3)."""
    sizes = np.stack([np.abs(found[f"objective/{term}"]).mean(1) for term in TERMS], axis=-1)
    result: Array = sizes / np.maximum(sizes.sum(-1, keepdims=True), 1e-300)
    return result
