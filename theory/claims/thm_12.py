"""thm-12: what likelihoods at temperature 1 change where samples are drawn at another."""

from itertools import product
from typing import Any

import numpy as np
import torch

from grao_ref import grao_objective, group_advantages, mean_log_likelihood
from theory.autoregressive import ExactTree, Tree
from theory.exact import ExactBandit
from theory.figures import figure
from theory.groups import Array
from theory.ledger import Check, Finding, Run, claim

G, LAM, TAU = 8, 0.6, 0.7
LEVELS = (0.0, 0.5, 1.0)
GRPO: dict[str, Any] = {"beta": 0.0, "lam": 0.0, "pool": "outputs"}
KINDS: dict[str, dict[str, Any]] = {
    "GRPO": GRPO,
    "GRAO outputs": {"pool": "outputs"},
    "GRAO printed": {},
    "GRAO repaired": {"only_when_ahead": True},
    "GRAO printed, β = 1/G": {"beta": 1 / G},
}


def drawn(tree: Tree, seed: int, **change: Any) -> tuple[ExactBandit, Array]:
    """A random table: rewards of three levels (at least two of them present), a reference, normal logits (P, V)."""
    rng, size = np.random.default_rng(seed), len(tree.answers)
    rewards = np.zeros(size)
    while np.ptp(rewards) == 0:
        rewards = rng.choice(LEVELS, size)
    bandit = ExactBandit(rewards, int(rng.integers(size)), **({"group_size": G} | change))
    return bandit, rng.normal(size=(len(tree.prefixes), tree.vocabulary))


def both(tree: Tree, seed: int, tau: float, mean: bool = True, **change: Any) -> tuple[Array, Array, Array]:
    """The untempered update, τ times the tempered one, and the theorem's difference of the two: (P, V) each."""
    bandit, logits = drawn(tree, seed, **change)
    untempered = ExactTree(tree, bandit, tau, 1.0, mean)
    tempered = ExactTree(tree, bandit, tau, tau, mean).update(logits)
    closed = untempered.through(logits)[:, None] * (tree.policy(logits, tau) - tree.policy(logits))
    return untempered.update(logits), tau * tempered, closed


def bias(tree: Tree, tables: int, tau: float = TAU, **change: Any) -> Array:
    """‖untempered − τ tempered‖ / ‖τ tempered‖ of each random table."""
    pairs = [both(tree, seed, tau, **change)[:2] for seed in range(tables)]
    return np.array([float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs])


def rest(tree: Tree, tables: int, root_alone: bool = False) -> float:
    """Largest |difference − closed form| over tables and kinds; or with the closed form's root alone."""
    worst = 0.0
    for seed, change in product(range(tables), KINDS.values()):
        untempered, tempered, closed = both(tree, seed, TAU, **change)
        closed[1 if root_alone else len(closed) :] = 0
        worst = max(worst, float(np.abs(untempered - tempered - closed).max()))
    return worst


def at_root(tables: int, mean: bool) -> float:
    """Largest difference at the first token, GRPO, answers of one to three tokens; control: the sum of their tokens."""
    tree = Tree(2, 3, end=0)
    return max(float(np.abs(both(tree, seed, TAU, mean, **GRPO)[2][0]).max()) for seed in range(tables))


def by_value(tables: int, normalised: bool) -> float:
    """Largest |W_s − (1 − 1/G) P(s) (V(s) − V) / T| of GRPO, where eq-4 does not divide by the deviation."""
    tree, worst = Tree(2, 3), 0.0
    for seed in range(tables):
        bandit, logits = drawn(tree, seed, **GRPO, normalised=normalised)
        exact = ExactTree(tree, bandit, TAU)
        pi = np.exp(tree.log_likelihoods(logits, TAU))
        through = (pi * (bandit.rewards - exact.value(logits))) @ tree.passes
        worst = max(worst, float(np.abs(exact.through(logits) - (1 - 1 / G) * through / tree.length).max()))
    return worst


def by_autograd(tau: float, scored_at: float) -> float:
    """Largest |enumeration − autograd through the package, over all 16 groups of two|, scored at `scored_at`."""
    tree = Tree(2, 2)
    bandit, logits = drawn(tree, 3, group_size=2)
    theta = torch.tensor(logits, requires_grad=True)
    taken = torch.tensor(tree.steps)[..., None, :] @ theta.log_softmax(-1)[..., None]  # (K, P, 1, 1)
    passes = torch.tensor(tree.passes).bool()
    loglik = mean_log_likelihood(taken[..., 0, 0], passes)
    pi, rewards = torch.tensor(np.exp(tree.log_likelihoods(logits, tau))), torch.tensor(bandit.rewards)
    total = torch.zeros((), dtype=torch.float64)
    for pair in product(range(4), repeat=2):
        group = list(pair)
        advantages = group_advantages(rewards[group], rewards[bandit.reference])
        terms = grao_objective(loglik[group], loglik[bandit.reference], *advantages, beta=0.5, lam=LAM)
        total = total + pi[group].prod() * terms.total
    (gradient,) = torch.autograd.grad(total, theta)
    return float(np.abs(gradient.numpy() - ExactTree(tree, bandit, tau, scored_at).update(logits)).max())


def _identities(run: Run, tables: int) -> list[Check]:
    """What the argument says exactly."""
    return [
        Check(what="|untempered − τ tempered − closed form|, largest over five kinds, V = 2, T = 3",
              measured=rest(Tree(2, 3), run.pick(2, 6, 20)), test="<", limit=1e-12,
              control="the closed form at the first token alone",
              control_measured=rest(Tree(2, 3), 2, root_alone=True)),
        Check(what="|enumeration − autograd through the package over all groups|, G = 2, V = 2, T = 2",
              measured=by_autograd(TAU, 1.0), test="<", limit=1e-12,
              control="likelihoods tempered", control_measured=by_autograd(TAU, TAU)),
        Check(what="largest bias of GRPO at the first token, answers of one to three tokens, mean log-likelihood",
              measured=at_root(tables, mean=True), test=">", limit=1e-3,
              control="sum over tokens", control_measured=at_root(tables, mean=False)),
        Check(what="|W_s − (1 − 1/G) P(s) (V(s) − V) / T| of GRPO without the deviation, T = 3",
              measured=by_value(tables, normalised=False), test="<", limit=1e-12,
              control="with it", control_measured=by_value(tables, normalised=True)),
    ]  # fmt: skip


@claim(
    "thm-12",
    "Untempered likelihoods bias the update at a prefix by the weight that passes it times (π_τ − π).",
    topic="length and temperature",
    answer={
        "holds": "Yes: where answers are sampled at another temperature than their likelihoods are computed at, the "
        "update at each token is off by an amount known exactly."
    },
)
def thm_12(run: Run) -> Finding:
    """Samples are drawn from π_τ(·|s) = softmax(θ_s/τ), a table for each prefix s; eq-3's likelihoods are those of π =
    softmax(θ_s). Answer o adds w_o 1[o passes s] (e_v − π(·|s)) / |o| at s, v its token there; tempered, π_τ in place
    of π, and 1/τ before it. The taken tokens are the same, so at every prefix, exactly and for any weights,
        untempered − τ · tempered = W_s (π_τ(·|s) − π(·|s)),   W_s = E[Σ_i w_i 1[o_i passes s] / |o_i|], y's included.
    It is 0 iff W_s = 0 or the two policies agree at s (τ = 1, or a uniform table). Where is W_s = 0?
      One token, `outputs`: Σ w_i = 0 in every group, so the subtracted π cancels: no bias. The same holds for the first
        token of answers of equal length, and with the sum in place of the mean for that of any lengths.
      One token, `with_reference`: Σ w_i = −(1+λ) Â_y/G for the samples alone; with y's own β_eff Â_y it is
        (β − 1/G) Â_y: a bias, unless β = 1/G. Repaired, −(1+λ) Â_y/G is left where Â_y < 0, whatever β is.
      A later token: W_s is the weight of the answers that begin with s, P(s) E[Â_1 | o_1 passes s] up to a factor.
        Without eq-4's deviation it is (1 − 1/G) P(s) (V(s) − V) / T in GRPO: 0 only where s is as good as the average.
    For τ < 1, π_τ − π raises likely tokens: after promising prefixes the next token's distribution is sharpened, after
    poor ones flattened. Unbiased means: the ascent direction of eq-3 for π_τ, the policy that samples, not for π.
    Settled by enumeration of all groups on random tables (normal logits, three reward levels), and by autograd.
    """
    tables, lengths = run.pick(6, 40, 100), run.pick((1, 2, 3), (1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5, 6, 7, 8))
    taus = run.pick((TAU,), (0.3, 0.5, 0.7, 0.9), (0.2, 0.3, 0.5, 0.7, 0.9))
    found = {(name, T): bias(Tree(2, T), tables, **change) for name, change in KINDS.items() for T in lengths}
    wide = {T: bias(Tree(3, T), tables, **GRPO) for T in (1, 2, 3)}
    colder = {(tau, T): bias(Tree(2, T), tables, tau, **GRPO) for tau in taus for T in lengths}
    median = {key: float(np.median(values)) for key, values in found.items()}
    _draw(run, lengths, median, colder)
    longest = max(lengths)
    return Finding(
        f"At τ = {TAU} the bias of GRPO's update is 0 for one token, and in the median of random tables "
        f"{median['GRPO', 2]:.1%} for two tokens and {median['GRPO', longest]:.1%} for {longest}. GRAO's, reference "
        f"pooled, is {median['GRAO printed', 1]:.1%} for one token already, and {median['GRAO printed', longest]:.1%} "
        f"for {longest}. The remedy is `temper_likelihoods`, wherever `temperature` is not 1: the update is then that "
        "of the policy that samples. The preset `paper` samples at 0.7 and does not temper, as eq-3 is printed, so "
        "its update has this bias.",
        holds=[
            *_identities(run, tables),
            Check(what="largest relative bias of GRPO, one token",
                  measured=float(found["GRPO", 1].max()), test="<", limit=1e-12,
                  control="two tokens", control_measured=float(found["GRPO", 2].max())),
            Check(what="smallest median relative bias of GRPO over two and more tokens",
                  measured=min(median["GRPO", T] for T in lengths[1:]), test=">", limit=0.02,
                  control="one token", control_measured=median["GRPO", 1]),
            Check(what="median relative bias of GRAO, reference pooled, one token",
                  measured=median["GRAO printed", 1], test=">", limit=0.002,
                  control="β = 1/G", control_measured=median["GRAO printed, β = 1/G", 1]),
        ],
        numbers={f"relative bias, {name}, V = 2, T = {T}, τ = {TAU}: median, largest":
                 (median[name, T], float(values.max())) for (name, T), values in found.items()}
        | {f"relative bias, GRPO, V = 3, T = {T}, τ = {TAU}: median, largest":
           (float(np.median(values)), float(values.max())) for T, values in wide.items()}
        | {f"relative bias, GRPO, V = 2, T = {T}, τ = {tau:g}: median, largest":
           (float(np.median(values)), float(values.max())) for (tau, T), values in colder.items() if tau != TAU},
        figures={"thm-12": ALT},
    )  # fmt: skip


ALT = (
    "Bias of the update against an answer's tokens, 1 to 6, two panels. It grows with length: for four objectives "
    "at temperature 0.7, and for GRPO at four temperatures, the more the colder."
)


def _draw(
    run: Run, lengths: tuple[int, ...], median: dict[tuple[str, int], float], colder: dict[tuple[float, int], Array]
) -> None:
    with figure(run, "thm-12", columns=2) as axes:
        if axes is None:
            return
        for name in ("GRPO", "GRAO outputs", "GRAO printed", "GRAO repaired"):
            axes[0].plot(lengths, [100 * median[name, T] for T in lengths], marker="o", label=name)
        for tau in sorted({tau for tau, _ in colder}):
            row = [100 * float(np.median(colder[tau, T])) for T in lengths]
            axes[1].plot(lengths, row, marker="o", label=f"GRPO, τ = {tau:g}")
        axes[0].set(xlabel="tokens of an answer", ylabel="bias, % of the update (median)", title=f"τ = {TAU}")
        axes[1].set(xlabel="tokens of an answer", ylabel="bias, % of the update (median)", title="by temperature")
