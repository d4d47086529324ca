"""A3: bounded rewards."""

import numpy as np

from theory.ledger import Check, Finding, Run, claim
from theory.standardised import pooled


@claim(
    "A3",
    "Rewards are bounded, |R| <= R_max.",
    topic="advantages and groups",
    answer={
        "holds": "Yes, the judge's scores are bounded, but it has no effect: the advantages are the same whatever "
        "the scale of the rewards."
    },
)
def a_3(run: Run) -> Finding:
    """A judge's verdicts are bounded. For a reward model the bound is not needed: eq-4 does not change under R -> a R +
    c, a > 0, so no bound that depends on R_max (claim-2, claim-4) can describe the gradient.
    """
    rng = np.random.default_rng(0)
    rewards, reference = rng.normal(size=(100, 8)), rng.normal(size=100)
    plain = pooled(rewards, reference, "with_reference")[0]
    scaled = pooled(1e6 * rewards + 3, 1e6 * reference + 3, "with_reference")[0]
    squashed = pooled(np.tanh(rewards), np.tanh(reference), "with_reference")[0]
    return Finding(
        "True of the paper's judge, and it has no effect: advantages are the same for R_max = 1 and 10⁶.",
        holds=[Check(what="difference of Â under R -> 10⁶ R + 3",
                     measured=float(np.abs(plain - scaled).max()), test="<", limit=1e-6,
                     control="under a change that is not affine (tanh R)",
                     control_measured=float(np.abs(plain - squashed).max()))],
    )  # fmt: skip
