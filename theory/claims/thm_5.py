"""thm-5: the on-policy update is no gradient; where it is one, and of what."""

from math import sqrt

import numpy as np
import sympy
import torch
from scipy import stats

from theory import runs
from theory.exact import ExactBandit
from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

LOGITS = np.array([0.3, -0.4, 0.1])
THREE, TWO, ONE = np.array([1.0, 0.4, 0.0]), np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])


def asymmetry(rewards: Array, reference: int = 0, size: int = 4, beta: float = 0.0, pool: str = "outputs") -> float:
    """‖∂F − ∂Fᵀ‖ / ‖∂F‖ at one θ: 0 if F is a gradient there. β = 0 in `outputs` is GRPO."""
    jacobian = ExactBandit(rewards, reference, size, beta, 0.6, pool).jacobian(LOGITS)
    return float(np.linalg.norm(jacobian - jacobian.T) / np.linalg.norm(jacobian))


def closed_form(p: float, size: int) -> float:
    """c_G(p) = E[σ_r] / (p (1 − p)), σ_r = √(S (G − S)) / G, S ~ Binomial(G, p); times 1 + λ for GRAO."""
    successes = np.arange(size + 1)
    deviations = stats.binom.pmf(successes, size, p) * np.sqrt(successes * (size - successes)) / size
    return float(deviations.sum()) / (p * (1 - p))


def factor_error(size: int, rates: Array, formula: str = "closed form") -> float:
    """Largest |F − c ∇V| over success rates, with K = 3 and two right answers, by enumeration."""
    worst = 0.0
    for p in rates:
        logits = np.log([0.7 * p, 0.3 * p, 1 - p])
        bandit = ExactBandit(TWO, 0, size, 0.0, 0.0, "outputs")
        c = closed_form(p, size) if formula == "closed form" else 1 / sqrt(p * (1 - p))
        worst = max(worst, float(np.abs(bandit.update(logits) - c * bandit.gradient(logits)).max()))
    return worst


def symbolic_rest(size: int, factor: int = 1) -> sympy.Expr:
    """E[Â_1 | o_1 succeeds] − E[Â_1 | o_1 fails] − `factor` · E[σ]/(p q) in symbols: 0 if the closed form is right."""
    p = sympy.Symbol("p", positive=True)
    q = 1 - p

    def others(s: int) -> sympy.Expr:
        return sympy.binomial(size - 1, s) * p**s * q ** (size - 1 - s)

    up = sum(others(s - 1) * sympy.sqrt(sympy.Rational(size - s, s)) for s in range(1, size + 1))
    down = sum(others(s) * sympy.sqrt(sympy.Rational(s, size - s)) for s in range(size))
    sigma = sum(
        sympy.binomial(size, s) * p**s * q ** (size - s) * sympy.sqrt(s * (size - s)) / size for s in range(size + 1)
    )
    return sympy.expand((up + down) * p * q - factor * sigma)


def sampled_error(rows: int, factor: float = 1.0) -> float:
    """|mean GRPO step of the loop − c ∇V| in standard errors, largest over the answers; learning rate 1."""
    p = 0.3
    rewards, logits = runs.start(torch.tensor(TWO), [0.7 * p, 0.3 * p, 1 - p], rows)
    config = runs.settings(method="grpo", learning_rate=1.0, max_steps=1)
    steps = (runs.after(rewards, 0, logits, config) - logits).numpy()
    expected = factor * closed_form(p, 8) * ExactBandit(TWO, 0).gradient(logits[0].numpy())
    return float((np.abs(steps.mean(0) - expected) / (steps.std(0) / sqrt(rows))).max())


ALT = (
    "Length of GRPO's step over the gradient's against the success rate: flat for groups of 2, and rising towards "
    "both ends for larger groups, up to the dashed curve of infinite ones."
)


@claim(
    "thm-5",
    "The expected on-policy update is no gradient of any J; for binary rewards GRPO's is c_G(p) ∇V.",
    topic="convergence",
    answer={
        "holds": "Yes: the average step follows the gradient of no objective, except that with rewards of 0 or 1 "
        "GRPO's points along the gradient of the expected reward."
    },
)
def thm_5(run: Run) -> Finding:
    """A gradient field has a symmetric Jacobian; F's, by the exact formula, has not. Binary rewards, success rate p:
    F_a = π_a (f(R_a) − E f) = (f_1 − f_0) ∇V_a with f_r = E[Â_1 | R_1 = r]. Σ Â_i = 0 gives p f_1 + (1−p) f_0 = 0, and
    p f_1 = E[1/G Σ Â_i R_i] = E[σ_r]; so c_G(p) = (1 + λ) E[σ_r] / (p (1−p)). It is constant for G = 2 and 3; from
    G = 4 on it rises from the middle to √(G−1) as p -> 0 or 1. It tends to Mroueh's 1/√(p(1−p)) as G grows, where
    F = ∇(2 arcsin √p); for any G it is the gradient of Φ(p) = ∫ c_G. The reference's part is E[w_y](p) ∇log π_y: its
    curl is E[w_y]'(p) ∇p × ∇log π_y, which is 0 for every θ only where p is a function of π_y: y the only right answer,
    or the only wrong one.
    """
    rates = np.linspace(0.02, 0.98, run.pick(5, 25, 97))
    rows = run.pick(4000, 40000, 10**6)
    grao = {"three rewards": asymmetry(THREE, 1, beta=0.5, pool="with_reference"),
            "binary, y one of two right answers": asymmetry(TWO, 0, beta=0.5, pool="with_reference"),
            "binary, y the only right answer": asymmetry(ONE, 0, beta=0.5, pool="with_reference"),
            "binary, y one of two right answers, `outputs`": asymmetry(TWO, 0, beta=0.5)}  # fmt: skip
    rest = sum(symbolic_rest(size) != 0 for size in run.pick([2, 3], [2, 3, 4, 5, 8], [2, 3, 4, 5, 8, 16]))
    with figure(run, "thm-5") as axes:
        if axes is not None:
            fine = np.linspace(0.001, 0.999, 300)
            for size in (2, 4, 8, 32):
                axes.semilogy(fine, [closed_form(p, size) for p in fine], label=f"c_G(p), G = {size}")
            axes.semilogy(fine, 1 / np.sqrt(fine * (1 - fine)), "k--", label="1/√(p(1−p)), G = ∞")
            axes.set(xlabel="success rate p", ylabel="length of the GRPO step / ∇V", ylim=(0.8, 20))
    return Finding(
        "With binary rewards F is proportional to ∇V (theory.md): that is GRPO's case. GRAO's reference term breaks "
        "it even there, unless y is the only right answer or the only wrong one: what a reference adds is not a "
        "gradient either.",
        holds=[
            Check(what="asymmetry of GRPO's Jacobian, three rewards, K = 3, G = 4",
                  measured=asymmetry(THREE), test=">", limit=0.05,
                  control="binary rewards", control_measured=asymmetry(TWO)),
            Check(what="asymmetry of GRAO's, three rewards", measured=grao["three rewards"], test=">", limit=0.05,
                  control="binary, y alone is right", control_measured=grao["binary, y the only right answer"]),
            Check(what="asymmetry of GRAO's, binary, y one of two right answers",
                  measured=grao["binary, y one of two right answers"], test=">", limit=0.05,
                  control="binary, y alone is right", control_measured=grao["binary, y the only right answer"]),
            Check(what="|F − c_G(p) ∇V| by enumeration, G = 8", measured=factor_error(8, rates), test="<", limit=1e-12,
                  control="with the limit G = ∞", control_measured=factor_error(8, rates, "limit")),
            Check(what="sizes G where sympy leaves a rest of the closed form",
                  measured=float(rest), test="<", limit=0.5,
                  control="with the closed form doubled", control_measured=float(symbolic_rest(3, 2) != 0)),
            Check(what="the loop's mean GRPO step − c_8(p) ∇V, in standard errors",
                  measured=sampled_error(rows), test="<", limit=4.5,
                  control="with 1.3 c_8", control_measured=sampled_error(rows, 1.3)),
        ],
        numbers={f"asymmetry of GRAO's Jacobian, {name}": value for name, value in grao.items()}
        | {f"c_G(0.3), G = {size}": closed_form(0.3, size) for size in (2, 8, 64, 1024)}
        | {"c_∞(0.3)": 1 / sqrt(0.21), "c_8(p) as p -> 0": closed_form(1e-9, 8), "√7": sqrt(7)},
        figures={"thm-5": ALT},
    )  # fmt: skip
