"""thm-2: sum, spread and bound of standardised advantages."""

from math import sqrt

import numpy as np

from theory.ledger import Check, Finding, Run, claim
from theory.standardised import lone_winner, outside, pooled


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


def largest_weight(size: int, beta: float, lam: float) -> tuple[float, float]:
    """Largest Σ_i |w_i| + |w_y| in `with_reference` over groups of two rewards and any reference; and thm-2's bound."""
    successes = np.arange(size + 1)[:, None] > np.arange(size)  # S of G, for every S
    largest = 0.0
    for reference in np.linspace(-3, 4, 71):
        members, A_y = pooled(successes.astype(float), np.full(size + 1, reference), "with_reference")
        samples = (1 + lam) * np.abs(members[:, :-1]).sum(1) / size
        largest = max(largest, float((samples + (beta + lam / size) * np.abs(A_y)).max()))
    return largest, sqrt(size + 1) * sqrt((1 + lam) ** 2 / size + (beta + lam / size) ** 2)


@claim(
    "thm-2",
    "Over a pool of P rewards ΣÂ = 0, mean Â² = 1, |Â| <= √(P−1), and no bound on Â is independent of G.",
    topic="advantages and groups",
    answer={
        "holds": "Yes: normalised advantages sum to 0 and their squares average 1, and the largest possible one "
        "grows with the square root of the group's size."
    },
)
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
        f"C_A can't be independent of G: one winner among 64 has Â = {lone_winner(64):.2f}. theory.md's statement "
        "that the gradient is bounded independently of G all the same is right for the samples' part and wrong for "
        f"the reference's: Σ|w| reaches {weights[sizes[0]][0]:.2f} at G = {sizes[0]} and {weights[sizes[-1]][0]:.2f} "
        f"at G = {sizes[-1]}, growing like β√G. In `outputs` nothing bounds Â_y at all.",
        holds=[
            Check(what="|ΣÂ| over random groups, both pools", measured=max(sums), test="<", limit=1e-9,
                  control="one member left out of the sum", control_measured=lone_winner(8)),
            Check(what="|mean Â² − 1|, both pools", measured=max(squares), test="<", limit=1e-9,
                  control="the sample deviation in σ's place", control_measured=bessel[1]),
            Check(what="|Â| / √(P−1), both pools", measured=max(bounds), test="<", limit=1 + 1e-9,
                  control="the reference, outside its pool", control_measured=abs(outside(0.001)) / sqrt(3)),
            Check(what="|Â| / √(P−1) of one winner among 64: attained",
                  measured=lone_winner(64) / sqrt(63), test=">", limit=1 - 1e-9,
                  control="two winners among 64", control_measured=lone_winner(64, 2) / sqrt(63)),
            Check(what="growth of the largest Σ|w| from the smallest to the largest G",
                  measured=weights[sizes[-1]][0] / weights[sizes[0]][0], test=">", limit=1.2,
                  control="the same without imitation (β = λ = 0)",
                  control_measured=largest_weight(sizes[-1], 0, 0)[0] / largest_weight(sizes[0], 0, 0)[0]),
            Check(what="largest Σ|w| over its bound",
                  measured=max(a / b for a, b in weights.values()), test="<", limit=1 + 1e-9,
                  control="over the bound without the reference",
                  control_measured=max(a / 1.6 for a, _ in weights.values())),
        ],
        numbers={f"Â_y in `outputs`, rewards (1, 1, 1, {1 - gap:g}), R(y) = 0.5": outside(gap) for gap in (0.1, 0.001)}
        | {f"largest Σ|w|, G = {size}": value for size, (value, _) in weights.items()},
    )  # fmt: skip
