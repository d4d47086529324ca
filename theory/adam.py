"""Steps to V >= 0.9 under Adam, each method at its own best rate: for exp-map and claim-12, beside the one rate."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from theory import runs
from theory.arrivals import GOAL, rare
from theory.groups import Array
from theory.intervals import quantile_interval
from theory.race import CONTROL, METHODS

RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
NAMES = ("GRPO", "GRAO repaired", CONTROL)
SHARES = {"nine of ten runs": 0.9, "half of the runs": 0.5}
QUALITIES = (0.7, 1.0)  # of the reference: it can be beaten, and it is the best answer
SIZES = {"quick": (100, 60, (0.02,)), "default": (150, 240, (0.02,)), "full": (1000, 1000, (0.003, 0.02, 0.1))}


@dataclass(frozen=True)
class Tuned:
    """Of a method: for each share of the runs, (3, P, Q) steps with the ends of their interval, at the rate that is
    best for it; and that rate, (P, Q). Infinite: not within the run.
    """

    steps: dict[str, Array]
    best: dict[str, Array]

    def at_edge(self, share: str, column: int) -> bool:
        """Whether the best rate is the grid's smallest or largest in a cell of this quality."""
        return bool(np.isin(self.best[share][:, column], (RATES[0], RATES[-1])).any())


@cache
def tuned(size: str, failures: int) -> dict[str, Tuned]:
    """Every method at the best of the rates, in every cell; intervals hold for all of them at once with 95 %."""
    seeds, steps, starts = SIZES[size]
    cells, found = len(starts) * len(QUALITIES), {}
    rewards = torch.tensor([[1.0, q] + [0.0] * failures for _ in starts for q in QUALITIES])
    logits = torch.cat([rare(p, failures, seeds * len(QUALITIES)) for p in starts])
    miss = 0.05 / (cells * len(NAMES) * len(RATES) * len(SHARES))
    for name in NAMES:
        first = torch.full((len(RATES), cells * seeds), torch.inf)
        config = runs.settings(max_steps=steps, **METHODS[name])
        for step in runs.run_adam_at(RATES, rewards.repeat_interleave(seeds, 0), 1, logits, config):
            here = first.isinf() & (step.value.view_as(first) >= GOAL)
            first = torch.where(here, torch.full_like(first, step.step), first)
        waits = first.view(len(RATES), len(starts), len(QUALITIES), seeds).numpy()
        ends, best = {}, {}
        for words, share in SHARES.items():
            middle = np.quantile(waits, share, axis=-1, method="higher")
            ends[words] = np.stack([middle, *quantile_interval(waits, share, miss)]).min(1)
            best[words] = np.array(RATES)[middle.argmin(0)]
        found[name] = Tuned(ends, best)
    return found


def tuned_ratio(name: str, size: str, failures: int, share: str) -> Array:
    """Steps over GRPO's, and the ends of its interval, (3, P, Q); runs that do not arrive are censored at the end."""
    found, beyond = tuned(size, failures), SIZES[size][1] + 1
    one, other = (np.maximum(found[each].steps[share], 1) for each in (name, "GRPO"))
    capped, low = np.minimum(one, beyond), np.minimum(other, beyond)
    with np.errstate(invalid="ignore"):
        return np.stack([one[0] / other[0], capped[1] / other[2], one[2] / low[1]])
