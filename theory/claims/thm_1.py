"""thm-1: eq-3's three terms are two."""

import sympy
import torch

from grao_ref import grao_objective, group_advantages, likelihood_weights
from theory import runs
from theory.figures import figure
from theory.knob import BETA, FULL, LAM, ROWS, G, knob
from theory.ledger import Check, Finding, Run, claim


def symbolic_rest(pool: str, factor: int = 1) -> sympy.Expr:
    """eq-3 minus its two-term form at G = 3 in symbols, with the advantages of eq-4; 0 if thm-1 is right.

    `factor` multiplies λ in the collapsed form: 1, or a planted violation.
    """
    r = sympy.symbols("r1:4", real=True)
    ell = sympy.symbols("l1:4", real=True)
    r_y, l_y, beta, lam = sympy.symbols("r_y l_y beta lambda", real=True)
    sigma = sympy.Symbol("sigma", positive=True)  # its value is not needed: only ΣÂ = 0 is used
    pooled = (*r, r_y) if pool == "with_reference" else r
    mu = sum(pooled) / sympy.Integer(len(pooled))
    A_o, A_y = [(each - mu) / sigma for each in r], (r_y - mu) / sigma
    literal = sum(
        a * each + beta * A_y * l_y + lam * a * (each - l_y) for a, each in zip(A_o, ell, strict=True)
    ) / sympy.Integer(3)
    own = lam / 3 if pool == "with_reference" else sympy.Integer(0)
    w_y = (beta + factor * own) * A_y
    exploration = sum((1 + factor * lam) * a / 3 * each for a, each in zip(A_o, ell, strict=True))
    return sympy.expand(literal - exploration - w_y * l_y)


def numeric_error(draws: int, factor: float = 1.0) -> float:
    """Largest difference of the literal and the collapsed objective, in value and in gradient, over random groups."""
    rng, worst = torch.Generator().manual_seed(0), 0.0
    for pool in ("with_reference", "outputs"):
        rewards = torch.randn(draws, G, generator=rng, dtype=torch.float64)
        r_y = torch.randn(draws, generator=rng, dtype=torch.float64)
        J_o = torch.randn(draws, G, generator=rng, dtype=torch.float64).requires_grad_()
        J_y = torch.randn(draws, generator=rng, dtype=torch.float64).requires_grad_()
        A_o, A_y = group_advantages(rewards, r_y, pool=pool)
        literal = grao_objective(J_o, J_y, A_o, A_y, beta=BETA, lam=LAM).total
        w_o, w_y = likelihood_weights(A_o, A_y, beta=BETA, lam=factor * LAM)
        collapsed = (w_o * J_o).sum(-1) + w_y * J_y
        gradients = torch.autograd.grad((literal - collapsed).sum(), (J_o, J_y))
        differences = [literal - collapsed, *gradients]
        worst = max(worst, *(difference.abs().max().item() for difference in differences))
    return worst


Pair = tuple[float, float]


def adam_distance(first: Pair, second: Pair, steps: int, optimizer: str = "adam") -> float:
    """Largest difference of two runs' logits, with (β, λ) each, from the same seed: one knob under Adam."""
    rewards, logits = runs.start(torch.tensor([1.0, 0.7, 0.0]), [0.1, 0.2, 0.7], 20)
    tables = [
        runs.after(
            rewards,
            1,
            logits,
            runs.settings(
                optimizer=optimizer,
                learning_rate=0.05,
                max_steps=steps,
                imitation_coef=beta,
                alignment_coef=lam,
                imitate_only_when_ahead=False,
            ),
        )
        for beta, lam in (first, second)
    ]
    return (tables[0] - tables[1]).abs().max().item()


def same_knob(lam: float) -> tuple[float, float]:
    """(β, λ) with another λ and the full objective's ρ."""
    return knob(FULL, G) * (1 + lam) - lam / G, lam


@claim(
    "thm-1",
    "Eq-3's three terms are two: group-normalised REINFORCE times 1 + λ, weighted imitation times β_eff.",
    topic="the equations",
    answer={
        "holds": "Yes: the three terms are a sum of two, so that apart from the size of a step one setting is left: "
        "how strongly the reference is imitated."
    },
)
def thm_1(run: Run) -> Finding:
    """With Ā = 1/G Σ Â_oi, collecting eq-3 by likelihood gives J = Σ_i w_i J(o_i) + w_y J(y),
    w_i = (1+λ) Â_oi / G and w_y = β Â_y − λ Ā, for any numbers Â. Those of eq-4 sum to 0 over their pool:
      outputs         Ā = 0:        w_y = β Â_y; the reference's part of the regulariser is identically 0.
      with_reference  Ā = −Â_y / G: w_y = (β + λ/G) Â_y.
    Adam divides by the size of the gradient, so (β, λ) enter through ρ = β_eff / (1 + λ) alone (ε -> 0).
    By hand, G = 2, rewards 0 and 1, R(y) = 1, pooled: μ = 2/3, σ = √2/3, Â = (−√2, 1/√2), Â_y = 1/√2, Ā = −Â_y/2;
    so w_y = β/√2 + λ √2/4 = (β + λ/2) Â_y. Two samples are the smallest group there is.
    Settled by sympy (G = 3, any rewards), by autograd on random groups (G = 8), and by the loop under Adam.
    """
    full = FULL[1:]
    steps = run.pick(30, 100, 300)
    rest = {pool: symbolic_rest(pool) for pool in ("with_reference", "outputs")}
    planted = symbolic_rest("with_reference", factor=2)
    numbers = {f"ρ, {name}, {pool}": knob(row, G, pool) for name, row in ROWS.items() for pool in rest}
    _draw(run)
    sgd = adam_distance(full, same_knob(1.5), steps, "sgd")
    return Finding(
        "The collapse is an identity in both pools. In `outputs` λ only rescales exploration; under Adam one knob ρ "
        "is left, and the rows of the paper's ablation are values of it (exp-rho, table-3). Under SGD the pair also "
        "sets the step size.",
        holds=[
            Check(what="terms left of literal − collapsed in sympy, both pools",
                  measured=float(sum(map(_terms, rest.values()))), test="<", limit=0.5,
                  control="λ doubled in the collapsed form", control_measured=float(_terms(planted))),
            Check(what="value and gradient by autograd, literal − collapsed",
                  measured=numeric_error(run.pick(100, 1000, 10000)), test="<", limit=1e-12,
                  control="λ doubled in the collapsed form", control_measured=numeric_error(100, factor=2.0)),
            Check(what="logits after the same run under Adam, another (β, λ) with the same ρ",
                  measured=adam_distance(full, same_knob(1.5), steps), test="<", limit=1e-4,
                  control="another ρ (λ alone changed)", control_measured=adam_distance(full, (BETA, 1.5), steps)),
        ],
        figures={"thm-1": ALT},
        numbers=numbers | {"the same pair under SGD: difference of the logits": sgd},
    )  # fmt: skip


ALT = (
    "Weight of the reference against the number of successes among 8 samples, two panels. The bars of imitation "
    "and regulariser add up to the marks of the form with two terms; without pooling there is no regulariser's "
    "bar."
)


def _draw(run: Run) -> None:
    """What eq-3 puts on log π(y) in groups of S successes, R(y) = 1: from imitation, and from the regulariser."""
    successes = torch.arange(G + 1)
    rewards = (successes[:, None] > torch.arange(G)).double()
    with figure(run, "thm-1", columns=2) as axes:
        if axes is None:
            return
        for each, pool in zip(axes, ("outputs", "with_reference"), strict=True):
            A_o, A_y = group_advantages(rewards, torch.ones(G + 1).double(), pool=pool)
            each.bar(successes - 0.2, BETA * A_y, 0.4, label="imitation, β Â_y")
            each.bar(successes + 0.2, -LAM * A_o.mean(-1), 0.4, label="regulariser, −λ Ā")
            own = knob(FULL, G, pool) * (1 + LAM)
            each.plot(successes, own * A_y, "k_", markersize=16, label="two terms: β_eff Â_y")
            each.set(xlabel="successes among 8 samples", ylabel="weight on log π(y)", title=pool)


def _terms(expression: sympy.Expr) -> int:
    return 0 if expression == 0 else len(sympy.Add.make_args(expression))
