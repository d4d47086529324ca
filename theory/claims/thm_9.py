"""thm-9: the largest β at which the expected GRAO step can't lower the expected reward, with binary rewards."""

from functools import cache
from math import sqrt

import numpy as np
from scipy.optimize import minimize

from theory.alignment import NEAR, START
from theory.exact import ExactBandit
from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

PAPER_G, PAPER_BETA, PAPER_LAM = 8, 0.5, 0.6


def coefficients(size: int) -> Array:
    """r_j of the proof, j = 0 … G − 1: (G,)."""
    j = np.arange(size)
    r: Array = (np.sqrt((size - j) * (size - j - 1) * (j + 1) / (j + 2)) + j + 1) / size
    return r


def critical(size: int, lam: float) -> float:
    """β* = (1 + λ) (√((G−1)/2) + 1/√G) / √G − λ/G."""
    return (1 + lam) * (sqrt((size - 1) / 2) + 1 / sqrt(size)) / sqrt(size) - lam / size


def products(pi: Array, rewards: Array, size: int, lam: float, pool: str = "with_reference") -> tuple[float, float]:
    """⟨F, ∇V⟩ = a + β b by enumeration, y the second answer: (a, b)."""
    logits = np.log(pi)
    bandits = [ExactBandit(rewards, 1, size, beta, lam, pool) for beta in (0.0, 1.0)]
    without, with_it = (float(each.update(logits) @ each.gradient(logits)) for each in bandits)
    return without, with_it - without


def threshold(pi: Array, rewards: Array, size: int, lam: float, pool: str = "with_reference") -> float:
    """The β at which ⟨F, ∇V⟩ turns negative at this policy; infinite where it does at none."""
    a, b = products(pi, rewards, size, lam, pool)
    return -a / b if b < 0 else float("inf")


def family(p: float, wrong: int) -> tuple[Array, Array]:
    """One right answer with probability p, y right and rare, 1 − p spread over many wrong ones."""
    pi = np.concatenate([[p * (1 - 1e-6), p * 1e-6], np.full(wrong, (1 - p) / wrong)])
    return pi, np.concatenate([[1.0, 1.0], np.zeros(wrong)])


@cache
def slope(size: int, lam: float, wrong: int) -> float:
    """⟨F, ∇V⟩ = a (1 + β · slope) in the family with p = 0.005/G."""
    a, b = products(*family(5e-3 / size, wrong), size, lam)
    return b / a


def sign(size: int, lam: float, factor: float, wrong: int) -> float:
    """⟨F, ∇V⟩ over its part without β, at β = `factor` β*."""
    return 1 + factor * critical(size, lam) * slope(size, lam, wrong)


def searched(size: int, lam: float, starts: int, refined: int, rewards: Array) -> float:
    """Lowest threshold over policies on these answers: log-uniform ones, and the best of them by Nelder and Mead."""
    rng = np.random.default_rng(9)

    def at(logits: Array) -> float:
        pi = np.exp(logits - logits.max())
        found = threshold(np.maximum(pi / pi.sum(), 1e-12), rewards, size, lam)
        return found if np.isfinite(found) else 1e3

    tried = sorted((rng.uniform(-12, 0, len(rewards)) for _ in range(starts)), key=at)[:refined]
    options = {"maxiter": 300, "xatol": 1e-4, "fatol": 1e-7}
    return float(min(minimize(at, each, method="Nelder-Mead", options=options).fun for each in tried))


def outputs_critical(size: int, lam: float) -> float:
    """The same threshold in `outputs`: min over p of q D / (E[w_y]/β), with B and π_y -> 0, by enumeration."""
    rates = np.linspace(0.02, 0.98, 49)
    return min(threshold(*family(p, 10**4), size, lam, "outputs") for p in rates)


@claim(
    "thm-9",
    "With binary rewards and a right y the expected step never lowers V iff β <= β*, known in closed form.",
    topic="convergence",
    answer={
        "holds": "Yes: for rewards of 0 or 1 and a correct reference there is an exact limit up to which imitation "
        "never lowers the expected reward, and the paper's weight is below it."
    },
)
def thm_9(run: Run) -> Finding:
    """Reference pooled, rewards 0 and 1, y right, p = P(right) = 1 − q, A and B = Σ π² over the right answers and over
    the wrong ones, D = (1+λ)(E[Â_1 | right] − E[Â_1 | wrong]) and W = (β + λ/G) E[Â_y] >= 0. By thm-1 and thm-6

        ⟨F, ∇V⟩ = D (q² A + p² B) + W (q π_y − q A + p B).

    For given p it is negative at the smallest W where π_y/A -> 0 and B/A -> 0: y rare, one right answer, the wrong ones
    spread out. There it is q A (q D − W). So with any number of answers it is >= 0 at every policy iff
    β + λ/G <= min over p of q D / E[Â_y]. Both are polynomials in p. In Bernstein's basis, S of G samples right, Â of a
    right answer a_j = √((G−j)/(j+1)) and of a wrong one −1/a_j, the j-th coefficient of q D is (1+λ) r_j times that of
    E[Â_y], r_j = (√((G−j)(G−j−1)(j+1)/(j+2)) + j + 1)/G. So the ratio is a mean of (1+λ) r_j, and is r_0's as p -> 0.
    r_j >= r_0: with u = √((j+1)/(j+2)), κ = √(G/(G−1)) and the concavity of √(x(x−1)), G (r_j − r_0) >=
    (u − 1/√2) κ (G−1) − j (u κ − 1), which for j <= G − 1 is >= 0 as κ <= √2, i.e. for G >= 2. Hence

        β* = (1+λ) (√((G−1)/2) + 1/√G)/√G − λ/G,

    approached as p -> 0 and not attained: a finite number of answers has a higher threshold. The repaired objective has
    the same β*. For a wrong y the printed one has it too (exchange 0 and 1), and the repaired one none. Not covered:
    three rewards (thm-6: β = 0 lowers V), several contexts that share parameters, steps that are not infinitesimal.
    """
    sizes, wrong = run.pick([2, 8], [2, 3, 8, 16], [2, 3, 4, 8, 16, 32, 64]), 10**6
    cases = [(size, lam) for size in sizes for lam in (0.0, PAPER_LAM)]
    below = min(sign(size, lam, 0.98, wrong) for size, lam in cases)
    above = max(sign(size, lam, 1.02, wrong) for size, lam in cases)
    rest = min(float((coefficients(size) - coefficients(size)[0]).min()) for size in range(2, 2000))
    starts, refined = run.pick((60, 1), (200, 2), (4000, 20))
    binary = np.array([1.0, 1, 0, 0, 0, 0, 0, 0])
    found = {(size, lam): searched(size, lam, starts, refined, binary) / critical(size, lam)
             for size, lam in run.pick([(8, 0.6)], [(2, 0.0), (8, 0.6), (32, 0.6)], cases)}  # fmt: skip
    lowest = min(found.values())
    other = threshold(START[[1, 0, 2]], NEAR[[1, 0, 2]], PAPER_G, PAPER_LAM)
    _draw(run)
    paper = critical(PAPER_G, PAPER_LAM)
    return Finding(
        f"β* = {paper:.3f} at the paper's G and λ, {paper / PAPER_BETA:.1f} times its β = 0.5: claim-8's sign is safe "
        "there, for binary rewards. β* is 1 + λ/2 at G = 2 and tends to (1+λ)/√2 as G grows. The proof is that "
        "no family of policies is worse than the one that approaches β*. The search, "
        f"{starts} policies on eight answers for each case and {refined} refined, came down to {lowest:.2f} β*.",
        holds=[
            Check(what="lowest ⟨F, ∇V⟩ over its part without β, at 0.98 β*", measured=below, test=">", limit=0.0,
                  control="highest at 1.02 β*", control_measured=above),
            Check(what="lowest r_j − r_0 over j and G = 2 … 1999", measured=rest, test=">", limit=-1e-12,
                  control="r_j − r_(G−1), the other end",
                  control_measured=float((coefficients(8) - coefficients(8)[-1]).min())),
            Check(what="lowest threshold of the search over β*", measured=lowest, test=">", limit=1.0,
                  control="of thm-6's bandit with three rewards", control_measured=other / paper),
        ],
        numbers={f"β*, G = {size}, λ = {lam:g}": critical(size, lam)
                 for size in (2, 4, 8, 16, 64) for lam in (0.0, 0.6)}
        | {f"lowest threshold of the search over β*, G = {size}, λ = {lam:g}": value
           for (size, lam), value in found.items()}
        | {"threshold in `outputs`, G = 8, λ = 0.6": outputs_critical(PAPER_G, PAPER_LAM)},
        figures={"thm-9": ALT},
    )  # fmt: skip


ALT = (
    "Imitation weight from which the step lowers the reward against the success rate, for 10 to 100,000 wrong "
    "answers: every curve stays above the dashed critical value, and the dotted line of the paper's weight is "
    "lower still."
)


def _draw(run: Run) -> None:
    with figure(run, "thm-9", legend="below") as axes:
        if axes is None:
            return
        rates = np.geomspace(1e-4, 0.9, 25)
        for wrong in (10, 1000, 10**5):
            betas = [threshold(*family(p, wrong), PAPER_G, PAPER_LAM) for p in rates]
            axes.semilogx(rates, betas, label=f"{wrong:,} wrong answers")
        axes.axhline(critical(PAPER_G, PAPER_LAM), color="black", linestyle="--", label="β*")
        axes.axhline(PAPER_BETA, color="black", linestyle=":", label="the paper's β")
        axes.set(xlabel="success rate p", ylabel="β from which the step lowers V", ylim=(0, 5))
