"""eq-3: the objective, against a loop in plain Python."""

from math import sqrt

import numpy as np

from theory.equations import BETA, LAM, G, literal, noise
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim


def twin(rewards: Array, reference: float, ell: Array, ell_y: float, prose: bool = False) -> float:
    """eq-3 for one group as a loop over its samples, advantages of eq-4 with the reference pooled.

    `prose` puts the β of the text around eq-3 on its first term, where the equation has none.
    """
    pool = [*rewards, reference]
    mu = sum(pool) / len(pool)
    sigma = sqrt(sum((r - mu) ** 2 for r in pool) / len(pool))
    A_y, total = (reference - mu) / sigma, 0.0
    for r, each in zip(rewards, ell, strict=True):
        A = (r - mu) / sigma
        total += (BETA if prose else 1) * A * each + BETA * A_y * ell_y + LAM * A * (each - ell_y)
    return total / len(rewards)


@claim(
    "eq-3",
    "J is the mean over the group of its three terms, β and λ where eq-3 prints them.",
    topic="the equations",
    answer={
        "holds": "Yes: the objective is the sum of three terms as printed, although the text around it in the paper "
        "describes another one."
    },
)
def eq_3(run: Run) -> Finding:
    """The package is compared with a loop over samples in plain Python. The text around eq-3 puts a β on the first
    term; the equation does not, and the package follows the equation.
    """
    error, prose = 0.0, np.inf
    for seed in range(run.pick(20, 200, 2000)):
        r, ell = noise(G + 1, seed=seed), -noise(G + 1, seed=seed + 10**6).abs()
        value = literal(r[:-1], r[-1], ell[:-1], ell[-1]).item()
        arguments = r[:-1].numpy(), r[-1].item(), ell[:-1].numpy(), ell[-1].item()
        error = max(error, abs(value - twin(*arguments)))
        prose = min(prose, abs(value - twin(*arguments, prose=True)))
    return Finding(
        "As printed; the text around it describes another objective.",
        holds=[
            Check(
                what="|package − plain loop|",
                measured=error,
                test="<",
                limit=1e-12,
                control="with the β of the prose",
                control_measured=prose,
            )
        ],
    )
