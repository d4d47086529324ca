"""thm-13: how far a finite group's Â is from (r − V)/σ, and what that does to the step's direction."""

from math import sqrt

import numpy as np

from theory.alignment import NEAR, START
from theory.exact import ExactBandit
from theory.figures import figure
from theory.groups import POOLS, Array, advantages, compositions, probabilities
from theory.ledger import Check, Finding, Run, claim

CASES = {  # name -> rewards, their probabilities; y has the first reward
    "Bernoulli, p = 0.3": (np.array([1.0, 0.0]), np.array([0.3, 0.7])),
    "Bernoulli, p = 0.5": (np.array([1.0, 0.0]), np.array([0.5, 0.5])),
    "three levels": (np.array([1.0, 0.5, 0.0]), np.array([0.3, 0.3, 0.4])),
}
BY_FIVE = np.array([0.2, 0.3, 0.5])
CENTRED = np.array([1.0, 0.7, 0.1]), np.array([12.0, 7.0, 11.0]) / 30  # V is the levels' plain mean, 0.6


def conditional(case: str, size: int, pool: str, sample: bool = False) -> Array:
    """E[Â_1 | R_1 = r] for each reward r, by enumeration of the other G − 1; `sample`: divided by P − 1, not by P."""
    levels, p = CASES[case]
    others = compositions(size - 1, len(levels))
    chance, found = probabilities(others, np.log(p)), []
    members = size + (pool == "with_reference")
    for each in range(len(levels)):
        A_o, _ = advantages(others + np.eye(len(levels))[each], levels, levels[0], pool)
        found.append(float(chance @ A_o[:, each]))
    return np.array(found) * (sqrt((members - 1) / members) if sample else 1)


def limit(case: str) -> Array:
    """z = (r − V)/σ."""
    levels, p = CASES[case]
    value = p @ levels
    z: Array = (levels - value) / np.sqrt(p @ (levels - value) ** 2)
    return z


def coefficient(case: str, pool: str, sample: bool = False) -> Array:
    """c(r) of E[Â_1 | R_1 = r] = z + c/G + O(1/G²)."""
    z, p = limit(case), CASES[case][1]
    skew, kurtosis = p @ z**3, p @ z**4
    c: Array = skew / 2 + 3 / 8 * (kurtosis - 1) * z - z**3 / 2
    if pool == "with_reference":
        c = c - z[0] - z * (z[0] ** 2 - 1) / 2
    return c - z / 2 if sample else c


def rest(size: int, sample: bool = False, known: float = 1.0) -> float:
    """Largest |G (E[Â_1 | r] − z) − c| over cases, pools and rewards; `known` = 0 leaves c out."""
    return max(
        float(np.abs(size * (conditional(case, size, pool, sample) - limit(case))
                     - known * coefficient(case, pool, sample)).max())
        for case in CASES for pool in POOLS
    )  # fmt: skip


def turned(rewards: Array, pi: Array, size: int, pool: str = "outputs") -> float:
    """1 − cos(F, ∇V) of the samples' part."""
    bandit = ExactBandit(rewards, 0, size, 0.0, 0.0, pool)
    update, gradient = bandit.update(np.log(pi)), bandit.gradient(np.log(pi))
    return 1 - float(update @ gradient / (np.linalg.norm(update) * np.linalg.norm(gradient)))


@claim(
    "thm-13",
    "A finite group's Â is biased by c(r)/G, c in closed form, and the step turns by an angle of O(1/G).",
    topic="advantages and groups",
    answer={
        "holds": "Yes: a finite group biases the advantages by an amount that falls like 1 over its size, and once "
        "groups are large enough the angle by which the step turns falls at least as fast."
    },
)
def thm_13(run: Run) -> Finding:
    """Let z = (r − V)/σ, γ and κ the skewness and the kurtosis of the rewards (κ = 3 for a normal law). In `outputs`

        E[Â_1 | R_1 = r] = z + c/G + O(1/G²),   c = γ/2 + (3/8)(κ − 1) z − z³/2.

    Proof: in units of σ the group's mean is M = z/G + a and its s² = 1 + b, a and b of order 1/√G, E b = (z² − 2)/G,
    E b² = (κ−1)/G, E ab = γ/G to first order. Expand (z − M)(1 − b/2 + 3b²/8): −z/G − z (z²−2)/(2G) + 3z (κ−1)/(8G) +
    γ/(2G). Â is bounded by √(P−1) and dead groups are exponentially rare, so the expansion may be averaged. A pooled
    reference with z_y moves the mean by z_y/G and s² by (z_y² − 1)/G: c is less by z_y + z (z_y² − 1)/2. The sample
    deviation multiplies by √(1 − 1/P): c is less by z/2, a change of length and not of direction. A shift common to all
    rewards (γ/2, z_y) does not matter either, since Σ π F = 0 takes it out. What turns the step is z³: extreme rewards
    count less. With two rewards any c is z times a number plus a shift: F is parallel to ∇V at every G (thm-5). With
    three it turns by O(1/G), so 1 − cos = O(1/G²), once every reward occurs in the group: G times its probability >> 1.
    It turns less if V is the plain mean of the three levels: their z sum to 0, so that z³ is linear in z on them, and
    the angle is O(1/G²). By symmetry it is 0 if law and levels are symmetric.
    """
    sizes = (2, 4, 8, 16, 32, 64)
    large, half = run.pick((32, 8), (64, 16), (64, 16))
    levels = np.array([1.0, 0.5, 0.0])
    ratio = turned(levels, BY_FIVE, 64) / turned(levels, BY_FIVE, 32)
    rare = turned(NEAR, START, 64) / turned(NEAR, START, 32)
    centred = turned(*CENTRED, 64) / turned(*CENTRED, 32)
    _draw(run)
    first, close = "Bernoulli, p = 0.3", "three levels"
    return Finding(
        f"At G = 8, {first[-7:]}: E[Â_1 | success] = {conditional(first, 8, 'outputs')[0]:.3f} against "
        f"{limit(first)[0]:.3f}. The bias shrinks the extreme rewards; population or sample deviation changes the "
        "length alone. On three likely levels the direction hardly turns (1 − cos = "
        f"{turned(levels, BY_FIVE, 8):.1e} at G = 8); "
        "on thm-6's bandit, whose worst answer is rarer than 1/G, it turns "
        f"by more than a right angle at G = 8 (cos {1 - turned(NEAR, START, 8):.2f}) and the rate does not apply yet.",
        holds=[
            *(Check(what=f"largest |G (E[Â_1 | r] − z) − c|, {name} deviation, G = {large} over G = {half}",
                    measured=rest(large, sample) / rest(half, sample), test="<", limit=0.5,
                    control="c left out", control_measured=rest(large, sample, 0.0) / rest(half, sample, 0.0))
              for name, sample in (("population", False), ("sample", True))),
            Check(what="1 − cos(F, ∇V), two rewards, largest over G", test="<", limit=1e-12,
                  measured=max(turned(np.array([1.0, 0.0, 0.0]), BY_FIVE, size) for size in sizes),
                  control="three rewards, G = 64", control_measured=turned(levels, BY_FIVE, 64)),
            Check(what="1 − cos(F, ∇V), three rewards, G = 64 over G = 32", measured=ratio, test="<", limit=0.35,
                  control="thm-6's bandit, worst answer 0.5 %", control_measured=rare),
            Check(what="the same where V is the plain mean of the levels", measured=centred, test="<", limit=0.12,
                  control="three levels, V not their mean", control_measured=ratio),
        ],
        numbers={f"E[Â_1 | r] − (r − V)/σ, {case}, {pool}, G = 2, 8, 64, r = {CASES[case][0][at]:g}":
                 tuple(float((conditional(case, size, pool) - limit(case))[at]) for size in (2, 8, 64))
                 for case in (first, close) for pool in POOLS for at in range(len(CASES[case][0]))}
        | {f"cos(F, ∇V), {name}, {pool}, G = 2, 8, 64":
           tuple(1 - turned(rewards, pi, size, pool) for size in (2, 8, 64))
           for name, rewards, pi in ((close, levels, BY_FIVE), ("thm-6's bandit", NEAR, START)) for pool in POOLS},
        figures={"thm-13": ALT},
    )  # fmt: skip


ALT = (
    "Bias of the advantages times the group's size, against the group's size, for three rewards: each line "
    "approaches the dotted constant of the closed form."
)


def _draw(run: Run) -> None:
    with figure(run, "thm-13") as axes:
        if axes is None:
            return
        sizes = np.array([2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64])
        case = "three levels"
        found = np.array([size * (conditional(case, size, "outputs") - limit(case)) for size in sizes])
        for each, reward in enumerate(CASES[case][0]):
            (line,) = axes.semilogx(sizes, found[:, each], label=f"r = {reward:g}")
            axes.axhline(coefficient(case, "outputs")[each], color=line.get_color(), linestyle=":")
        axes.set_xticks([2, 4, 8, 16, 32, 64], ["2", "4", "8", "16", "32", "64"])
        axes.minorticks_off()
        axes.set(xlabel="G", ylabel="G × (E[Â | r] − (r − V)/σ), c dotted")
