"""Each cell of the map as a bandit: the same rewards, the same chance of each kind of answer, no shared weights.

    python -m theory.experiments.twin     # writes logs/twin.json: two minutes

Of the answers one is the best, one the second, eight fail; y is the one that the cell's reference is. What is measured
is the probability of the best answer, mean over the steps that the map is judged at. Each method's rate under Adam is
tuned on the twin of the task that tunes it in the map.
"""

import json
from math import perm
from statistics import mean

import torch

from theory import runs
from theory.contest import CONTESTANTS, RATES
from theory.experiments.cells import LOGS
from theory.experiments.digits import HALF, SECOND

FAILING, ROWS = 8, 400
STEPS = (25, 50, 75, 100)
RECORD = LOGS / "twin.json"
SFT = {"SFT 10, then GRPO": 10, "SFT 40, then GRPO": 40}
METHODS = [name for name in CONTESTANTS if not CONTESTANTS[name].lessons] + list(SFT)


def table(digits: int, right: int, kind: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Rewards and logits, (K,) each, of which the reference is number 1, and the number of the best answer."""
    p, q = 1 / perm(digits, right), 1 / perm(digits, SECOND)
    others, fail = [0.0] * FAILING, (1 - p - q) / FAILING
    rewards, shares, best = {
        "best": ([HALF, 1.0, *others], [q, p, *[fail] * FAILING], 1),
        "beatable": ([1.0, HALF, *others], [p, q, *[fail] * FAILING], 0),
        "bad": ([1.0, 0.0, HALF, *others[1:]], [p, fail, q, *[fail] * (FAILING - 1)], 0),
    }[kind]
    return torch.tensor(rewards, dtype=torch.float64), torch.tensor(shares, dtype=torch.float64).log(), best


def success(method: str, rate: float, digits: int, right: int, kind: str, rows: int = ROWS, seed: int = 0) -> float:
    """What a method reaches: the measure, mean over `rows` runs."""
    rewards, logits, best = table(digits, right, kind)
    each, start = rewards.expand(rows, -1), logits.expand(rows, -1)
    settings = {"optimizer": "adam", "learning_rate": rate, "seed": seed}
    if method in SFT:
        sft = runs.settings(**settings | {"method": "sft", "max_steps": SFT[method]})
        *_, last = runs.run(each, 1, start, sft)
        start, who = last.theta, CONTESTANTS["GRPO"]
    else:
        who = CONTESTANTS[method]
    config = runs.settings(**settings | who.settings, max_steps=STEPS[-1])
    found: dict[int, float] = {}
    try:
        for step in runs.run(each, 1, start, config):
            if step.step in STEPS:
                found[step.step] = step.theta.softmax(-1)[:, best].mean().item()
    except FloatingPointError:  # the loop refuses a step whose numbers are not finite: the run has ended there
        pass
    return mean(found.get(step, 0.0) for step in STEPS)


def main() -> None:
    """Tune each method, measure it on each cell, write the record."""
    torch.set_num_threads(1)
    kinds = ("bad", "beatable", "best")
    cells = {f"1 in {perm(7, right)}, {kind}": (7, right, kind) for right in (2, 3, 4) for kind in kinds}
    record: dict[str, dict[str, float]] = {}
    for method in METHODS:
        rates = {
            kind: max((success(method, rate, 6, 2, kind, seed=1), rate) for rate in RATES["adam"])[1] for kind in kinds
        }
        found = {name: round(success(method, rates[cell[2]], *cell), 4) for name, cell in cells.items()}
        record[method] = {f"rate, {kind}": rate for kind, rate in rates.items()} | found
        print(method, record[method], flush=True)
    RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
