"""claim-4: a group size by Berry-Esseen."""

from math import ceil, sqrt

import numpy as np
from scipy import stats

from theory.figures import figure
from theory.ledger import Check, Finding, Run, claim
from theory.standardised import C_A, lone_winner

R_MAX = 1.0


def prescribed(p: float) -> int:
    """claim-4's G for Bernoulli rewards: max(5, 4 R_max² / σ_r²)."""
    return max(5, ceil(4 * R_MAX**2 / (p * (1 - p)) - 1e-9))


def kolmogorov(p: float, size: int) -> float:
    """sup_x |P(√G (μ_r − p) / σ <= x) − Φ(x)| for Bernoulli rewards, exactly: both sides of each jump."""
    counts = np.arange(size + 1)
    normal = stats.norm.cdf((counts - size * p) / sqrt(size * p * (1 - p)))
    after = stats.binom.cdf(counts, size, p)
    before = np.concatenate([[0.0], after[:-1]])
    return float(max(np.abs(after - normal).max(), np.abs(before - normal).max()))


def deviation_off(p: float, size: int, share: float = 0.25) -> float:
    """P(the group's σ_r is off by more than `share` of the true one), exactly."""
    counts = np.arange(size + 1)
    sigma = np.sqrt(counts * (size - counts)) / size
    off = np.abs(sigma / sqrt(p * (1 - p)) - 1) > share
    return float(stats.binom.pmf(counts, size, p)[off].sum())


ALT = (
    "Lines against the success rate, on logarithmic axes: at the prescribed group size the largest advantage rises "
    "as success becomes rare; the distance to a normal law and the chance of a wrong deviation don't vanish."
)


@claim(
    "claim-4",
    "A4 holds when G >= max(5, 4 R_max²/σ_r²), by Berry-Esseen.",
    topic="advantages and groups",
    answer={
        "fails": "No: at the group size that the paper prescribes, a rare success still gets a very large advantage, "
        "and a larger group makes it larger."
    },
)
def claim_4(run: Run) -> Finding:
    """Berry-Esseen is about the distribution of a mean, and gives no bound on a maximum. At the prescribed G, with
    success rate p: the largest |Â| is √(G−1) (thm-2), which grows without bound as p -> 0, and the group with one
    winner that attains it has probability G p (1−p)^(G−1) -> 4 e^−4 = 0.073. The Kolmogorov distance to the normal
    law does not vanish either, and tends to that of a Poisson(4) variable; all exact, by the binomial.
    """
    rates = run.pick([0.5, 0.1, 0.01], [0.5, 0.3, 0.1, 0.03, 0.01, 0.003], [0.5, 0.3, 0.1, 0.03, 0.01, 0.003, 1e-4])
    sizes = {p: prescribed(p) for p in rates}
    lowest = rates[-1]
    G = sizes[lowest]
    one_winner = G * lowest * (1 - lowest) ** (G - 1)
    shown = np.geomspace(1e-3, 0.5, run.pick(5, 60, 200))
    with figure(run, "claim-4") as axes:
        if axes is not None:
            axes.loglog(shown, [sqrt(prescribed(p) - 1) for p in shown], label="largest |Â| at the prescribed G")
            axes.loglog(shown, [kolmogorov(p, prescribed(p)) for p in shown], label="Kolmogorov distance to normal")
            axes.loglog(shown, [deviation_off(p, prescribed(p)) for p in shown], label="P(σ off by more than 25 %)")
            axes.set(xlabel="success rate p")
    return Finding(
        f"At p = {lowest:g} the prescription is G = {G}; there |Â| = {lone_winner(G):.1f} happens in "
        f"{one_winner:.1%} of groups, the standardised mean is {kolmogorov(lowest, G):.2f} from normal, and σ_r off "
        f"by more than a quarter with probability {deviation_off(lowest, G):.2f}. A larger G makes C_A worse, not "
        "better.",
        fails=[
            Check(what=f"largest |Â| at the prescribed G, p = {lowest:g}", measured=lone_winner(G), test=">", limit=C_A,
                  control="at G = 5, the smallest it ever prescribes", control_measured=lone_winner(5)),
            Check(what="and its probability", measured=one_winner, test=">", limit=0.05,
                  control="at p = 0.5, where it is rare", control_measured=16 * 0.5**16),
            Check(what="Kolmogorov distance at the prescribed G, p = the smallest",
                  measured=kolmogorov(lowest, G), test=">", limit=0.1,
                  control="at G = 10⁶, where Berry-Esseen bites", control_measured=kolmogorov(lowest, 10**6)),
        ],
        numbers={f"prescribed G, p = {p:g}": float(size) for p, size in sizes.items()}
        | {f"Kolmogorov distance there, p = {p:g}": kolmogorov(p, size) for p, size in sizes.items()}
        | {f"P(σ_r off by more than 25 %), p = {p:g}": deviation_off(p, size) for p, size in sizes.items()},
        figures={"claim-4": ALT},
    )  # fmt: skip
