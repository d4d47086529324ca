"""claim-7: faster convergence than the other methods; from the map (exp-map)."""

import numpy as np
import torch

from theory import runs
from theory.ledger import Check, Finding, Run, claim
from theory.race import CONTROL, RATES, grid, range_of, ratio


@claim(
    "claim-7",
    "GRAO converges faster and needs fewer samples than SFT, DPO, PPO and GRPO.",
    topic="when GRAO helps and hurts",
    answer={
        "holds under conditions": "GRAO needs fewer steps than GRPO where the reference is the best answer, and more "
        "where it can be beaten; it beats SFT and DPO unless their data is the best there "
        "is."
    },
)
def claim_7(run: Run) -> Finding:
    """SFT and DPO never get past the answers in their data, so they are compared by V at the end, not by speed. GRPO,
    and SFT followed by GRPO (which the paper does not compare with), are compared by the steps of the map (exp-map).
    PPO's V at the end is listed as well.
    """
    rewards, logits = runs.start(torch.tensor([1.0, 0.6, 0.0]), [0.05, 0.05, 0.9], run.pick(100, 1000, 4000))
    steps = run.pick(40, 150, 400)

    def end(method: str, reference: int) -> float:
        config = runs.settings(method=method, max_steps=steps)
        return float(runs.last_values(RATES, rewards, reference, logits, config).median(-1).values.max())

    ends = {method: end(method, 1) for method in ("sft", "dpo", "ppo", "grpo", "grao")}
    shown_best = end("grao", 0) - max(end("sft", 0), end("dpo", 0))
    paired = max(ends["sft"], ends["dpo"])
    against, staged = ratio("GRAO repaired", run.size), ratio("GRAO repaired", run.size, against="SFT, then GRPO")
    control, beatable = ratio(CONTROL, run.size), np.array(grid(run.size).beatable)
    return Finding(
        "Better than SFT and DPO wherever their data is not the best there is. Against GRPO, each at its best rate, "
        f"faster where the reference is the best answer ({range_of(against[0][:, ~beatable])} times the steps until "
        f"nine of ten runs are there), slower where it can be beaten ({range_of(against[0][:, beatable])}, and the "
        f"more so the more failing answers there are: exp-crowd); and {range_of(staged[0])} times SFT-then-GRPO's, "
        "SFT's own steps not counted.",
        holds=[
            Check(what="V at the end, GRAO − the better of SFT and DPO",
                  measured=ends["grao"] - paired, test=">", limit=0.1,
                  control="y the best answer", control_measured=shown_best),
            Check(what="steps over GRPO's where y is best: largest upper end",
                  measured=float(against[2][:, ~beatable].max()), test="<", limit=0.8,
                  control="GRPO with other seeds", control_measured=float(control[2][:, ~beatable].max())),
        ],
        fails=[
            Check(what="steps over GRPO's where y can be beaten: largest lower end",
                  measured=float(against[1][:, beatable].max()), test=">", limit=1.0,
                  control="GRPO with other seeds", control_measured=float(control[1][:, beatable].max())),
        ],
        numbers={f"median V at the end, {method}": value for method, value in ends.items()},
    )  # fmt: skip
