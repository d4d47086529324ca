"""A5: Robbins-Monro steps."""

import numpy as np

from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim


@claim(
    "A5",
    "Robbins-Monro steps: Σ η_k = ∞ and Σ η_k² < ∞.",
    topic="convergence",
    answer={
        "holds under conditions": "Learning rates that shrink at the right speed meet this condition; the constant "
        "learning rate of the paper's own runs doesn't."
    },
)
def a_5(run: Run) -> Finding:
    """Σ η_k = ∞ and Σ η_k² < ∞ is a choice of step sizes, and η_k = k^−a with ½ < a <= 1 meets it: Σ k^−a diverges and
    Σ k^−2a converges (integral test). The paper's own runs have a constant rate (1e-6) under Adam: there Σ η_k² = ∞, so
    claim-1 does not apply to them.
    """
    steps = np.arange(1, 10**6 + 1, dtype=np.float64)
    decades = {a: _last_decade(steps**-a) for a in (0.0, 0.6)}
    squares = {a: _last_decade(steps ** (-2 * a)) for a in (0.0, 0.6)}
    return Finding(
        f"Of Σ η² with η = k^−0.6 the last decade of 10⁶ steps adds {squares[0.6]:.1%}, of a constant rate's 90 %.",
        holds=[
            Check(what="share of Σ η_k² in the last decade of 10⁶ steps, k^−0.6",
                  measured=squares[0.6], test="<", limit=0.1,
                  control="constant rate", control_measured=squares[0.0]),
            Check(what="share of Σ η_k there", measured=decades[0.6], test=">", limit=0.4,
                  control="k^−1.2, which stops", control_measured=_last_decade(steps**-1.2)),
        ],
        fails=[Check(what="share of Σ η_k² there at the paper's constant rate",
                     measured=squares[0.0], test=">", limit=0.5,
                     control="k^−0.6", control_measured=squares[0.6])],
    )  # fmt: skip


def _last_decade(terms: Array) -> float:
    return float(terms[len(terms) // 10 :].sum() / terms.sum())
