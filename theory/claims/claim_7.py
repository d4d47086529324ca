"""claim-7 and claim-12: faster than the others, and in half the steps; read off the map (exp-map)."""

import numpy as np
import torch

from theory import runs
from theory.claims.exp_map import range_of
from theory.ledger import Check, Finding, Run, claim, number
from theory.race import CONTROL, ONE_RATE, RATES, grid, ratio


@claim("claim-12", "GRAO reaches the best policy in 50 % fewer steps.")
def claim_12(run: Run) -> Finding:
    """The paper's figure can't be run again; where it is true is a map (exp-map), against GRPO. With one learning rate
    for all a method with longer steps needs fewer of them, and GRAO's are longer by 1 + λ at least; but not under Adam,
    which takes the length out (thm-1), and which the paper uses.
    """
    cells = grid(run.size)
    beatable, rarest = np.array(cells.beatable), int(np.argmin(cells.rates))
    tuned, one_rate = ratio("GRAO repaired", run.size, "median"), ratio("GRAO repaired", run.size, "one_rate")
    adam, same_adam = ratio("GRAO repaired", run.size, "adam"), ratio(CONTROL, run.size, "adam")
    same_tuned, same_one = ratio(CONTROL, run.size, "median"), ratio(CONTROL, run.size, "one_rate")
    return Finding(
        "Where the reference is itself the best answer. Where it can be beaten, for plain gradient steps alone, where "
        "success is rare, there is one way to fail and one small learning rate is used for all "
        f"({range_of(one_rate[0][rarest, beatable])} times GRPO's steps: its own are longer, and dead groups push the "
        "one failing answer down). Under Adam, as in the paper, one rate for all gives "
        f"{number(float(adam[1][:, beatable].min()))} times or more there, and "
        f"{range_of(adam[0][:, ~beatable])} where the reference is the best answer. "
        f"With each method's own rate never: {range_of(tuned[0][:, beatable])} times, for "
        "half of the runs; nine of ten take longer than GRPO's, and the more so the more ways there are to fail "
        "(exp-crowd). The paper's aim is a policy better than its references.",
        holds=[
            Check("steps over GRPO's, half of the runs, y the best answer and rare: upper end",
                  float(tuned[2][rarest, ~beatable].max()), "<", 0.5, "GRPO with other seeds",
                  float(same_tuned[2][rarest, ~beatable].max())),
            Check(f"at rate {ONE_RATE:g} for all, y beatable, success rare: smallest upper end",
                  float(one_rate[2][rarest, beatable].min()), "<", run.pick(0.7, 0.5, 0.5), "GRPO with other seeds",
                  float(same_one[2][rarest, beatable].min())),
        ],
        fails=[Check("each at its best rate, y beatable: smallest lower end", float(tuned[1][:, beatable].min()), ">",
                     0.5, "y the best answer", float(tuned[1][:, ~beatable].min())),
               Check("one rate for all under Adam, y beatable: smallest lower end",
                     float(adam[1][:, beatable].min()), ">", 1.0, "GRPO with other seeds",
                     float(same_adam[1][:, beatable].min()))],
        numbers={f"share of cells with at most half of GRPO's steps, {name}, {words}":
                 float((ratio(name, run.size, view)[0] <= 0.5).mean())
                 for name in ("GRAO repaired", "GRAO printed")
                 for view, words in (("quantile", "nine of ten runs"), ("median", "half of the runs"),
                                     ("one_rate", "half of the runs, one rate for all"),
                                     ("adam", "half of the runs, one rate for all under Adam"))},
    )  # fmt: skip


@claim("claim-7", "GRAO converges faster and needs fewer samples than SFT, DPO, PPO and GRPO.")
def claim_7(run: Run) -> Finding:
    """Against SFT and DPO it is a matter of the end, not of speed: they never pass what their pairs show. Against GRPO
    it is one of the map; against SFT-then-GRPO, which the paper does not compare with, too. PPO's end is beside.
    """
    rewards, logits = runs.start(torch.tensor([1.0, 0.6, 0.0]), [0.05, 0.05, 0.9], run.pick(100, 1000, 4000))
    steps = run.pick(40, 150, 400)

    def end(method: str, reference: int) -> float:
        configs = [runs.settings(method=method, learning_rate=rate, max_steps=steps) for rate in RATES]
        return max(float(runs.values(rewards, reference, logits, config)[-1].median()) for config in configs)

    ends = {method: end(method, 1) for method in ("sft", "dpo", "ppo", "grpo", "grao")}
    shown_best = end("grao", 0) - max(end("sft", 0), end("dpo", 0))
    paired = max(ends["sft"], ends["dpo"])
    against, staged = ratio("GRAO repaired", run.size), ratio("GRAO repaired", run.size, against="SFT, then GRPO")
    control, beatable = ratio(CONTROL, run.size), np.array(grid(run.size).beatable)
    return Finding(
        "Better than SFT and DPO wherever their data is not the best there is. Against GRPO, each at its best rate, "
        f"faster where the reference is the best answer ({range_of(against[0][:, ~beatable])} times the steps until "
        f"nine of ten runs are there), slower where it can be beaten ({range_of(against[0][:, beatable])}, "
        "and worse with more ways to fail: exp-crowd); and "
        f"{range_of(staged[0])} times SFT-then-GRPO's, SFT's own steps not counted.",
        holds=[
            Check("V at the end, GRAO − the better of SFT and DPO", ends["grao"] - paired, ">", 0.1,
                  "y the best answer", shown_best),
            Check("steps over GRPO's where y is best: largest upper end", float(against[2][:, ~beatable].max()), "<",
                  0.8, "GRPO with other seeds", float(control[2][:, ~beatable].max())),
        ],
        fails=[
            Check("steps over GRPO's where y can be beaten: largest lower end", float(against[1][:, beatable].max()),
                  ">", 1.0, "GRPO with other seeds", float(control[1][:, beatable].max())),
        ],
        numbers={f"median V at the end, {method}": value for method, value in ends.items()},
    )  # fmt: skip
