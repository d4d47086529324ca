"""exp-temperature: sampling at a temperature of 0.7."""

import numpy as np

from theory.ends import REWARDS
from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim


def mismatch(pool: str, tau: float, beta: float = 0.5) -> float:
    """‖F untempered − τ F tempered‖ / ‖F untempered‖, both sampled at τ.

    Tempered: the policy is softmax(θ/τ), so its ∇ is 1/τ times that of the bandit with logits θ/τ.
    """
    rewards, logits = REWARDS.double().numpy(), np.array([0.5, -1.0, 1.0])
    untempered = ExactBandit(rewards, 1, 8, beta, 0.6, pool, temperature=tau).update(logits)
    tempered = ExactBandit(rewards, 1, 8, beta, 0.6, pool).update(logits / tau) / tau
    return float(np.linalg.norm(untempered - tau * tempered) / np.linalg.norm(untempered))


@claim("exp-temperature", "Sampling at 0.7 while eq-3's likelihoods are not tempered biases the update.")
def exp_temperature(run: Run) -> Finding:
    """Samples come from softmax(θ/τ). The untempered gradient is ∇log π(a) = e_a − π, the tempered one (e_a − π_τ)/τ.
    Where the weights sum to 0, as the samples' do in `outputs`, the subtracted terms cancel in every group and the two
    are the same up to 1/τ. Nothing cancels the reference's weight: its direction is e_y − π against e_y − π_τ. So in
    `outputs` exploration is not biased at all, and imitation is, a little. Pooled, the samples' weights sum to −(1 + λ)
    Â_y / G.
    """
    taus = run.pick([0.7], [0.3, 0.5, 0.7, 0.9, 1.0], [0.2, 0.3, 0.5, 0.7, 0.9, 1.0])
    table = {(pool, tau): mismatch(pool, tau) for pool in ("outputs", "with_reference") for tau in taus}
    return Finding(
        f"Only the reference's part is: the relative difference is {table['with_reference', 0.7]:.2g} at τ = 0.7. "
        "GRPO's update is the tempered one exactly, up to the factor 1/τ. theory.md's and paper.md's \"off-policy "
        "by construction\" is true and, for exploration in `outputs`, has no effect.",
        holds=[Check(what="relative difference of the two updates, GRAO, reference pooled, τ = 0.7",
                     measured=table["with_reference", 0.7], test=">", limit=0.005,
                     control="GRPO (`outputs`, β = 0)", control_measured=mismatch("outputs", 0.7, 0.0))],
        fails=[Check(what="the same for GRPO", measured=mismatch("outputs", 0.7, 0.0), test="<", limit=1e-12,
                     control="GRAO in `outputs`", control_measured=mismatch("outputs", 0.7))],
        numbers={f"relative difference, {pool}, τ = {tau:g}": value for (pool, tau), value in table.items()},
    )  # fmt: skip
