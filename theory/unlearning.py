"""The bandit on which the printed objective unlearns its reference, and variants: for thm-4, claim-1, claim-10."""

from typing import Any

import numpy as np

BETA, LAM, G = 0.5, 0.6, 8
REWARDS = np.array([1.0, 0.5, 0.0])  # the best answer, the reference, a failure
KINDS: dict[str, dict[str, Any]] = {  # name -> settings of the field
    "as printed": {},
    "repaired": {"only_when_ahead": True},
    "Â_y clamped, not w_y": {"beta": 0.0},  # where Â_y < 0, clamping it leaves λ Â_y / G in w_y: β = 0
    "outputs": {"pool": "outputs"},
}
