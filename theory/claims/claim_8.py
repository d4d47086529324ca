"""claim-8: policy improvement by the regulariser, no explosion by normalisation, monotonic improvement."""

import numpy as np

from theory.alignment import NEAR, START, alignment, grid
from theory.exact import ExactBandit
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

G = 8
TWO_RIGHT = np.array([1.0, 1.0, 0.0, 0.0])


def regulariser_alignment(rewards: Array, pi: Array, pool: str = "with_reference") -> float:
    """Rate at which the λ term alone changes V: F is linear in λ, so it is the difference of λ = 1 and λ = 0."""
    with_it, without = (alignment(ExactBandit(rewards, 0, G, 0.5, lam, pool), pi) for lam in (1.0, 0.0))
    return with_it - without


def second_moment(rewards: Array, reference: int, pool: str, normalised: bool = True) -> float:
    """E‖ĝ‖² on a uniform policy over the bandit's answers."""
    bandit = ExactBandit(rewards, reference, G, 0.5, 0.6, pool, normalised=normalised)
    return float(np.trace(bandit.second_moment(np.zeros(len(rewards)))))


@claim(
    "claim-8",
    "The regulariser ensures policy improvement, normalisation prevents explosion, improvement is monotonic.",
    topic="convergence",
    answer={
        "holds under conditions": "Each part needs a condition: rewards of 0 or 1 with a correct reference and a "
        "small imitation weight, or the reference in the group's statistics."
    },
)
def claim_8(run: Run) -> Finding:
    """By thm-1 the λ term is λ times the direction of exploration, plus (λ/G) Â_y ∇log π(y) where the reference is
    pooled: it ensures nothing that exploration does not. With binary rewards and y a right answer, the step at the
    paper's β and λ has a non-negative product with ∇V over a grid of policies with K = 4. The reference's part alone
    does not, because it lowers the other right answers as well; with a large β the whole step does not either. With
    three rewards the λ term lowers V where the exploration term does (thm-6), so improvement is not monotonic even in
    expectation. Normalisation removes the rewards' scale, which without it enters squared. But in `outputs` it divides
    Â_y by a deviation that leaves the reference out, and causes the explosion that it should prevent.
    """
    policies = grid(4, run.pick(3, 5, 9))
    binary = min(regulariser_alignment(TWO_RIGHT, pi) for pi in policies)
    whole = min(alignment(ExactBandit(TWO_RIGHT, 0, G), pi) for pi in policies)
    eager = min(alignment(ExactBandit(TWO_RIGHT, 0, G, beta=5.0), pi) for pi in policies)
    three = regulariser_alignment(NEAR, START)
    near_tie = np.array([1.0, 0.999, 0.5])
    scaled = second_moment(1e6 * NEAR, 0, "with_reference") / second_moment(NEAR, 0, "with_reference")
    raw = second_moment(1e6 * NEAR, 0, "with_reference", False) / second_moment(NEAR, 0, "with_reference", False)
    tie, no_tie = (second_moment(near_tie, 2, pool) for pool in ("outputs", "with_reference"))
    return Finding(
        "Each of the three parts needs a condition. Improvement, in expectation: binary rewards, a right reference "
        f"and a β as small as the paper's. No explosion: the reference in the pool; outside it E‖ĝ‖² is {tie:.3g} on "
        f"a near-tie, against {no_tie:.2g} inside.",
        holds=[
            Check(what="lowest ⟨λ term, ∇V⟩, binary rewards, y right", measured=binary, test=">", limit=-1e-15,
                  control="three rewards", control_measured=three),
            Check(what="lowest ⟨F, ∇V⟩, binary rewards, y right", measured=whole, test=">", limit=-1e-15,
                  control="the same with β = 5", control_measured=eager),
            Check(what="E‖ĝ‖² for rewards times 10⁶, over the same for rewards as they are",
                  measured=scaled, test="<", limit=1.001,
                  control="without normalisation", control_measured=raw),
        ],
        fails=[
            Check(what="⟨λ term, ∇V⟩ with three rewards", measured=three, test="<", limit=0.0,
                  control="binary rewards", control_measured=regulariser_alignment(np.array([1.0, 0.0, 0.0]), START)),
            Check(what="E‖ĝ‖² in `outputs`, rewards 1, 0.999, and y of 0.5", measured=tie, test=">", limit=1000.0,
                  control="reference pooled", control_measured=no_tie),
        ],
    )  # fmt: skip
