"""A4: bounds on the advantages and on their variance."""

import numpy as np

from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim
from theory.standardised import C_A, lone_winner, outside


@claim(
    "A4",
    "Advantages are bounded by a C_A, and their variance by a σ_A², both independent of G.",
    topic="advantages and groups",
    answer={
        "holds under conditions": "The variance of the advantages is never more than 1, but the largest advantage "
        "grows with the group, so no bound fits every group size."
    },
)
def a_4(run: Run) -> Finding:
    """The variance: over the pool mean Â² = 1, so E[Â_oi²] <= P / G in either reading, and σ_A² = 1 is enough for
    `outputs`. The bound: |Â| <= √(P − 1) is attained (thm-2), so no C_A holds for every G. In `outputs` Â_y is
    unbounded.
    """
    moments = {}
    for size in run.pick([2, 8], [2, 8, 32, 64], [2, 8, 32, 64, 256]):
        bandit = ExactBandit(np.array([1.0, 0.7, 0.0]), 1, size)
        counts, A_o, *_ = bandit.groups()
        logits = np.log([0.05, 0.15, 0.8])
        moments[size] = bandit.expectation(logits, (counts * A_o**2).sum(1) / size)
    crossing = next(size for size in range(2, 10**4) if lone_winner(size) > C_A)
    return Finding(
        "The variance is bounded, by 1 whatever the rewards are. The bound on |Â| itself is not independent of G: "
        f"C_A = {C_A:g} is broken from G = {crossing} on.",
        holds=[Check(what="E[Â_oi²] over G/(G+1), largest over G",
                     measured=max(m * size / (size + 1) for size, m in moments.items()), test="<", limit=1 + 1e-9,
                     control="the raw Â_y² of a reference outside its pool", control_measured=outside(0.001) ** 2)],
        fails=[Check(what=f"|Â| of one winner among {crossing}", measured=lone_winner(crossing), test=">", limit=C_A,
                     control=f"among {crossing - 1}", control_measured=lone_winner(crossing - 1))],
        numbers={f"E[Â_oi²], G = {size}": value for size, value in moments.items()},
    )  # fmt: skip
