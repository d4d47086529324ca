"""thm-2, A3, A4 and claim-4: what a standardised advantage can be, and what Berry and Esseen have to do with it."""

from math import ceil, sqrt

import numpy as np
import torch
from scipy import stats

from grao_ref import group_advantages
from theory.exact import ExactBandit
from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

C_A, R_MAX = 3.0, 1.0  # a bound on |Â| that is independent of G, as A4 wants; rewards within ±1


def pooled(rewards: Array, reference: Array, pool: str, ddof: int = 0) -> tuple[Array, Array]:
    """The package's Â over the pool (N, P), and Â_y (N,). `ddof=1` plants the sample deviation."""
    A_o, A_y = (each.numpy() for each in group_advantages(torch.tensor(rewards), torch.tensor(reference), pool=pool))
    members = np.column_stack([A_o, A_y]) if pool == "with_reference" else A_o
    return members * sqrt((members.shape[1] - ddof) / members.shape[1]), A_y


def identities(count: int, size: int, pool: str, ddof: int = 0) -> tuple[float, float, float]:
    """Largest |ΣÂ|, largest |mean Â² − 1| and largest |Â| / √(P − 1) over random groups of several kinds."""
    rng = np.random.default_rng(0)
    kinds = [
        rng.normal(size=(count, size + 1)),
        rng.standard_cauchy((count, size + 1)),
        rng.random((count, size + 1)) < 0.1,
    ]
    groups = np.concatenate(kinds).astype(float)
    groups = groups[(groups[:, :-1] != groups[:, :1]).any(1)]  # not flat in either pool
    members, _ = pooled(groups[:, :-1], groups[:, -1], pool, ddof)
    bound = sqrt(members.shape[1] - 1)
    return (
        float(np.abs(members.sum(1)).max()),
        float(np.abs((members**2).mean(1) - 1).max()),
        float(np.abs(members).max() / bound),
    )


def lone_winner(size: int, winners: int = 1) -> float:
    """|Â| of the only success of its pool, where the bound is attained; or of one of several."""
    rewards = np.zeros((1, size))
    rewards[0, :winners] = 1
    return float(np.abs(pooled(rewards, np.zeros(1), "outputs")[0]).max())


def outside(gap: float, reference: float = 0.5) -> float:
    """Â_y in `outputs` for rewards (1, 1, 1, 1 − gap): the reference is measured by a deviation it has no part in."""
    return float(pooled(np.array([[1, 1, 1, 1 - gap]]), np.array([reference]), "outputs")[1][0])


def largest_weight(size: int, beta: float, lam: float) -> tuple[float, float]:
    """Largest Σ_i |w_i| + |w_y| in `with_reference` over groups of two rewards and any reference; and thm-2's bound."""
    successes = np.arange(size + 1)[:, None] > np.arange(size)  # S of G, for every S
    largest = 0.0
    for reference in np.linspace(-3, 4, 71):
        members, A_y = pooled(successes.astype(float), np.full(size + 1, reference), "with_reference")
        samples = (1 + lam) * np.abs(members[:, :-1]).sum(1) / size
        largest = max(largest, float((samples + (beta + lam / size) * np.abs(A_y)).max()))
    return largest, sqrt(size + 1) * sqrt((1 + lam) ** 2 / size + (beta + lam / size) ** 2)


@claim("thm-2", "Over a pool of P rewards ΣÂ = 0, mean Â² = 1, |Â| <= √(P−1), and no bound on Â is independent of G.")
def thm_2(run: Run) -> Finding:
    """Standardising gives ΣÂ = 0 and mean Â² = 1 (σ > 0). Then Â_1² = (Σ_{j>1} Â_j)² <= (P − 1) Σ_{j>1} Â_j²
    = (P − 1)(P − Â_1²), so |Â_1| <= √(P − 1); equality: the other P − 1 are equal, one winner (or loser) among P.
    In `outputs` the reference is outside its pool, and Â_y is unbounded: rewards (1, 1, 1, 1 − g), R(y) = ½.
    Size of the step: (1/P) Σ|Â| <= 1, so the samples' share of the gradient is bounded whatever G is. The
    reference's is not: w_y = (β + λ/G) Â_y has no 1/G on β, and reaches (β + λ/G) √G in a dead group. By Cauchy and
    Schwarz Σ|w_i| + |w_y| <= √P √((1+λ)²/G + (β + λ/G)²) in `with_reference`: it grows like β √G.
    """
    count = run.pick(300, 3000, 30000)
    sums, squares, bounds = zip(*(identities(count, 8, pool) for pool in ("with_reference", "outputs")), strict=True)
    bessel = identities(count, 8, "outputs", ddof=1)
    sizes = run.pick([2, 64], [2, 4, 8, 16, 64, 256], [2, 4, 8, 16, 64, 256, 1024])
    weights = {size: largest_weight(size, 0.5, 0.6) for size in sizes}
    return Finding(
        f"C_A can't be independent of G: one winner among 64 has Â = {lone_winner(64):.2f}. theory.md's consolation, "
        "that the gradient is bounded independently of G all the same, is right of the samples' part and wrong of "
        f"the reference's: Σ|w| reaches {weights[sizes[0]][0]:.2f} at G = {sizes[0]} and "
        f"{weights[sizes[-1]][0]:.2f} at "
        f"G = {sizes[-1]}, growing like β√G. In `outputs` nothing bounds Â_y at all.",
        holds=[
            Check("|ΣÂ| over random groups, both pools", max(sums), "<", 1e-9, "one member left out of the sum",
                  lone_winner(8)),
            Check("|mean Â² − 1|, both pools", max(squares), "<", 1e-9, "the sample deviation in σ's place", bessel[1]),
            Check("|Â| / √(P−1), both pools", max(bounds), "<", 1 + 1e-9, "the reference, outside its pool",
                  abs(outside(0.001)) / sqrt(3)),
            Check("|Â| / √(P−1) of one winner among 64: attained", lone_winner(64) / sqrt(63), ">", 1 - 1e-9,
                  "two winners among 64", lone_winner(64, 2) / sqrt(63)),
            Check("growth of the largest Σ|w| from the smallest to the largest G", weights[sizes[-1]][0]
                  / weights[sizes[0]][0], ">", 1.2, "the same without imitation (β = λ = 0)",
                  largest_weight(sizes[-1], 0, 0)[0] / largest_weight(sizes[0], 0, 0)[0]),
            Check("largest Σ|w| over its bound", max(a / b for a, b in weights.values()), "<", 1 + 1e-9,
                  "over the bound without the reference", max(a / 1.6 for a, _ in weights.values())),
        ],
        numbers={f"Â_y in `outputs`, rewards (1, 1, 1, {1 - gap:g}), R(y) = 0.5": outside(gap) for gap in (0.1, 0.001)}
        | {f"largest Σ|w|, G = {size}": value for size, (value, _) in weights.items()},
    )  # fmt: skip


@claim("A4", "Advantages are bounded by a C_A, and their variance by a σ_A², both independent of G.")
def a_4(run: Run) -> Finding:
    """The variance: over the pool mean Â² = 1, so E[Â_oi²] <= P / G in either reading, and σ_A² = 1 will do for
    `outputs`. The bound: |Â| <= √(P − 1), attained (thm-2), so no C_A holds for every G. In `outputs` Â_y is unbounded.
    """
    moments = {}
    for size in run.pick([2, 8], [2, 8, 32, 64], [2, 8, 32, 64, 256]):
        bandit = ExactBandit(np.array([1.0, 0.7, 0.0]), 1, size)
        counts, A_o, *_ = bandit.groups()
        logits = np.log([0.05, 0.15, 0.8])
        moments[size] = bandit.expectation(logits, (counts * A_o**2).sum(1) / size)
    crossing = next(size for size in range(2, 10**4) if lone_winner(size) > C_A)
    return Finding(
        f"The variance is bounded, by 1 whatever the rewards are. The bound on |Â| itself is not independent of G: "
        f"C_A = {C_A:g} is broken from G = {crossing} on.",
        holds=[Check("E[Â_oi²] over G/(G+1), largest over G", max(m * size / (size + 1) for size, m in moments.items()),
                     "<", 1 + 1e-9, "the raw Â_y² of a reference outside its pool", outside(0.001) ** 2)],
        fails=[Check(f"|Â| of one winner among {crossing}", lone_winner(crossing), ">", C_A,
                     f"among {crossing - 1}", lone_winner(crossing - 1))],
        numbers={f"E[Â_oi²], G = {size}": value for size, value in moments.items()},
    )  # fmt: skip


@claim("A3", "Rewards are bounded, |R| <= R_max.")
def a_3(run: Run) -> Finding:
    """A judge's verdicts are. For a reward model it is not even needed: eq-4 does not change under R -> a R + c, a > 0,
    so no bound that goes through R_max (claim-2, claim-4) can be about the gradient.
    """
    rng = np.random.default_rng(0)
    rewards, reference = rng.normal(size=(100, 8)), rng.normal(size=100)
    plain = pooled(rewards, reference, "with_reference")[0]
    scaled = pooled(1e6 * rewards + 3, 1e6 * reference + 3, "with_reference")[0]
    squashed = pooled(np.tanh(rewards), np.tanh(reference), "with_reference")[0]
    return Finding(
        "True of the paper's judge, and without consequence: advantages are the same for R_max = 1 and 10⁶.",
        holds=[Check("difference of Â under R -> 10⁶ R + 3", float(np.abs(plain - scaled).max()), "<", 1e-6,
                     "under a change that is not affine (tanh R)", float(np.abs(plain - squashed).max()))],
    )  # fmt: skip


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


@claim("claim-4", "A4 holds when G >= max(5, 4 R_max²/σ_r²), by Berry-Esseen.")
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
        f"by more than a quarter with probability {deviation_off(lowest, G):.2f}. A larger G makes "
        "C_A worse, not better.",
        fails=[
            Check(f"largest |Â| at the prescribed G, p = {lowest:g}", lone_winner(G), ">", C_A,
                  "at G = 5, the smallest it ever prescribes", lone_winner(5)),
            Check("and its probability", one_winner, ">", 0.05, "at p = 0.5, where it is rare",
                  16 * 0.5**16),
            Check("Kolmogorov distance at the prescribed G, p = the smallest", kolmogorov(lowest, G), ">", 0.1,
                  "at G = 10⁶, where Berry-Esseen bites", kolmogorov(lowest, 10**6)),
        ],
        numbers={f"prescribed G, p = {p:g}": float(size) for p, size in sizes.items()}
        | {f"Kolmogorov distance there, p = {p:g}": kolmogorov(p, size) for p, size in sizes.items()}
        | {f"P(σ_r off by more than 25 %), p = {p:g}": deviation_off(p, size) for p, size in sizes.items()},
        figures=["claim-4"],
    )  # fmt: skip
