"""thm-7: the two hypotheses that the printed proof lacks."""

import numpy as np

from theory.descent import REWARDS, G, descent
from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim


@claim(
    "thm-7",
    "The proof needs an ascent step and a J bounded above, and eq-3 as printed with eq-7 has neither.",
    topic="convergence",
    answer={
        "holds": "Yes: the proof needs a step upwards and an objective with an upper limit; the printed step goes "
        "down, and the printed objective has no upper limit."
    },
)
def thm_7(run: Run) -> Finding:
    """Sign: eq-7 as printed subtracts the gradient of what is to be maximised. Boundedness: the telescoped sum needs
    sup J < ∞, and E[J] with a negative weight on log π(y) has none (thm-4): at certainty of a better answer it grows
    without bound as θ_y falls. Constant: (J* − J_1)/(ηT) + LηM²/2 holds already, half of what is printed (claim-3).
    """
    seeds = run.pick(200, 2000, 20000)
    up, _ = descent(seeds, 100, 0.5)
    down, _ = descent(seeds, 100, 0.5, ascent=False)
    depths = [0.0, 100.0, 1000.0]
    objective = {repaired: [_objective(depth, repaired) for depth in depths] for repaired in (False, True)}
    growth = (objective[False][2] - objective[False][1]) / 900
    return Finding(
        f"E[J] rises by {growth:.2f} for every nat the reference loses, for ever: nothing bounds it. What remains "
        "true is claim-3 for a bounded J, with half the constant.",
        holds=[
            Check(what="V lost by a hundred steps as printed in eq-7",
                  measured=float(down[0].mean() - down[-1].mean()), test=">", limit=0.1,
                  control="by ascent steps", control_measured=float(up[0].mean() - up[-1].mean())),
            Check(what="rise of E[J] per nat of −log π(y), policy certain of better, as printed",
                  measured=growth, test=">", limit=1.0,
                  control="repaired", control_measured=(objective[True][2] - objective[True][1]) / 900),
        ],
        numbers={f"E[J] at θ_y = −{depth:g}, {'repaired' if repaired else 'as printed'}": value
                 for repaired, row in objective.items() for depth, value in zip(depths, row, strict=True)},
    )  # fmt: skip


def _objective(depth: float, repaired: bool) -> float:
    """E[J] where the policy is certain of the best answer and the reference's logit is −depth."""
    logits = np.array([20.0, -depth, 0.0])
    return ExactBandit(REWARDS, 1, G, only_when_ahead=repaired).objective(logits, logits)
