"""claim-7 and claim-12: faster than the others, and in half the steps; read off the map (exp-map)."""

import numpy as np
import torch

from theory import runs
from theory.claims.exp_map import RATES, ratio
from theory.ledger import Check, Finding, Run, claim, number


@claim("claim-12", "GRAO reaches the best policy in 50 % fewer steps.")
def claim_12(run: Run) -> Finding:
    """The paper's figure can't be run again; where it is true is a map (exp-map), against GRPO."""
    ratios = {name: ratio(name, run.size) for name in ("GRAO repaired", "GRAO printed")}
    (table, lower, upper) = ratios["GRAO repaired"]
    share = float((table <= 0.5).mean())
    return Finding(
        f"In {share:.0%} of the cells, those whose reference is itself the best answer; where it can be beaten, never. "
        "The paper's aim, a policy better than its references, is the other case.",
        holds=[Check("lowest ratio of steps, GRAO repaired over GRPO, upper end of its interval",
                     float(np.nanmin(upper)), "<", 0.5, "where the reference can be beaten, the quantiles themselves",
                     float(np.nanmin(table[:, :-1])))],
        fails=[Check("highest ratio of steps, lower end of its interval", float(np.nanmax(lower)), ">", 1.0,
                     "lowest, upper end", float(np.nanmin(upper)))],
        numbers={f"share of cells with at most half of GRPO's steps, {name}": float((each[0] <= 0.5).mean())
                 for name, each in ratios.items()},
    )  # fmt: skip


@claim("claim-7", "GRAO converges faster and needs fewer samples than SFT, DPO, PPO and GRPO.")
def claim_7(run: Run) -> Finding:
    """Against SFT and DPO it is a matter of the end, not of speed: they never pass what their pairs show. Against GRPO
    and PPO it is one of the map; against SFT-then-GRPO, which the paper does not compare with, too.
    """
    rewards, logits = runs.start(torch.tensor([1.0, 0.6, 0.0]), [0.05, 0.05, 0.9], run.pick(100, 1000, 4000))
    steps = run.pick(40, 150, 400)
    ends = {}
    for method in ("sft", "dpo", "ppo", "grpo", "grao"):
        values = [runs.values(rewards, 1, logits, runs.settings(method=method, learning_rate=rate, max_steps=steps))
                  for rate in RATES]  # fmt: skip
        ends[method] = max(float(each[-1].median()) for each in values)
    paired = max(ends["sft"], ends["dpo"])
    against = {name: ratio("GRAO repaired", run.size, name) for name in ("GRPO", "SFT, then GRPO")}
    return Finding(
        "Better than SFT and DPO wherever their data is not the best there is. Against GRPO it has a "
        "region; against SFT "
        f"then GRPO it needs {number(np.nanmin(against['SFT, then GRPO'][0]))} to "
        f"{number(np.nanmax(against['SFT, then GRPO'][0]))} "
        "times the steps, where both get there.",
        holds=[
            Check("V at the end, GRAO − the better of SFT and DPO", ends["grao"] - paired, ">", 0.1,
                  "the worse of them − the better", -abs(ends["sft"] - ends["dpo"])),
            Check("lowest ratio of steps to GRPO's, upper end", float(np.nanmin(against["GRPO"][2])), "<", 0.8,
                  "highest, lower end", float(np.nanmax(against["GRPO"][1]))),
        ],
        fails=[
            Check("highest ratio of steps to GRPO's, lower end", float(np.nanmax(against["GRPO"][1])), ">", 1.25,
                  "lowest, upper end", float(np.nanmin(against["GRPO"][2]))),
        ],
        numbers={f"median V at the end, {method}": value for method, value in ends.items()},
    )  # fmt: skip
