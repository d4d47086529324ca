"""exp-temperature: sampling at a temperature of 0.7."""

import numpy as np

from theory.autoregressive import ExactTree, Tree
from theory.ends import REWARDS
from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim

LOGITS = np.array([0.5, -1.0, 1.0])


def mismatch(pool: str, tau: float, beta: float = 0.5, tokens: int = 1) -> float:
    """‖F untempered − τ F tempered‖ / ‖F untempered‖, both sampled at τ; β = 0: of the samples' part alone.

    Every token is drawn from the same logits. An answer that repeats one token earns that token's reward, others 0.
    """
    tree, rewards = Tree(3, tokens), REWARDS.double().numpy()
    table = np.array([rewards[answer[-1]] if len(set(answer)) == 1 else 0.0 for answer in tree.answers])
    lam = 0.6 if beta else 0.0  # λ/G would be left in the reference's weight
    bandit = ExactBandit(table, tree.answers.index((1,) * tokens), 8, beta, lam, pool)
    logits = np.tile(LOGITS, (len(tree.prefixes), 1))
    untempered, tempered = (ExactTree(tree, bandit, tau, scored).update(logits) for scored in (1.0, tau))
    return float(np.linalg.norm(untempered - tau * tempered) / np.linalg.norm(untempered))


@claim(
    "exp-temperature",
    "Sampling at 0.7 while eq-3's likelihoods are not tempered biases the update.",
    topic="length and temperature",
    answer={
        "holds under conditions": "It does for answers of several tokens, and with the reference in the group's "
        "statistics even for one; for GRPO and answers of one token it doesn't."
    },
)
def exp_temperature(run: Run) -> Finding:
    """Samples come from softmax(θ/τ). The untempered gradient is ∇log π(a) = e_a − π, the tempered one (e_a − π_τ)/τ.
    For answers of one token and weights that sum to 0, as the samples' do in `outputs`, the subtracted terms cancel in
    every group and the two are the same up to 1/τ. From the second token on the subtracted π depends on the prefix, and
    the weights of the answers that share a prefix do not sum to 0: nothing cancels (thm-12). Nor does it cancel for the
    samples with the reference pooled, whose weights sum to −(1 + λ) Â_y / G, nor for the reference's own weight. One
    bandit: rewards 1, 0.6 and 0 of three tokens; with two tokens an answer repeats its token, and else earns 0.
    """
    taus = run.pick([0.7], [0.3, 0.5, 0.7, 0.9, 1.0], [0.2, 0.3, 0.5, 0.7, 0.9, 1.0])
    kinds = {"GRPO": ("outputs", 0.0), "GRAO, outputs": ("outputs", 0.5), "GRAO, pooled": ("with_reference", 0.5),
             "samples alone, pooled": ("with_reference", 0.0)}  # fmt: skip
    table = {(name, tokens, tau): mismatch(pool, tau, beta, tokens=tokens)
             for name, (pool, beta) in kinds.items() for tokens in (1, 2) for tau in taus}  # fmt: skip
    at = {(name, tokens): table[name, tokens, 0.7] for name in kinds for tokens in (1, 2)}
    return Finding(
        f"It does. With answers of two tokens, and τ = 0.7, the relative difference is {at['GRPO', 2]:.2g} for GRPO "
        "and "
        f"{at['GRAO, pooled', 2]:.2g} for GRAO with the reference pooled. With one token it is "
        f"{at['GRAO, pooled', 1]:.2g} in GRAO ({at['samples alone, pooled', 1]:.2g} of the samples' part alone), and 0 "
        "in GRPO only, whose tempered and untempered updates are the same up to the factor 1/τ. Answers of a language "
        "model have more than one token: wherever `temperature` is not 1, set `temper_likelihoods`. Unbiased means for "
        "the policy at the sampling temperature, not for the one at temperature 1. The preset `paper` leaves the "
        "likelihoods untempered, as eq-3 is printed. By length, temperature and pool: thm-12.",
        holds=[Check(what="relative difference of the two updates, GRPO, two tokens, τ = 0.7",
                     measured=at["GRPO", 2], test=">", limit=0.005,
                     control="one token", control_measured=at["GRPO", 1]),
               Check(what="the same, GRAO, reference pooled, one token",
                     measured=at["GRAO, pooled", 1], test=">", limit=0.005,
                     control="GRPO", control_measured=at["GRPO", 1])],
        fails=[Check(what="the same, GRPO, one token", measured=at["GRPO", 1], test="<", limit=1e-12,
                     control="two tokens", control_measured=at["GRPO", 2])],
        numbers={f"relative difference, {name}, {tokens} token{'s' * (tokens > 1)}, τ = {tau:g}": value
                 for (name, tokens, tau), value in table.items()},
    )  # fmt: skip
