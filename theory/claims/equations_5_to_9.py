"""eq-5 to eq-9: the metrics, the update and its gradient."""

import torch

from grao_ref import group_advantages, normalized_alignment_gain, relative_adversarial_score
from theory.claims.equations import BETA, LAM, REWARDS, START, G, literal, noise
from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim
from theory.paper_tables import TABLES


@claim("eq-5", "RAS is the share of answers that beat their reference.")
def eq_5(run: Run) -> Finding:
    """Its expectation is the policy's probability of a win; ties count as losses. The appendix's "win and tie rates"
    are another number, larger by the share of ties.
    """
    scores = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, -1.0])
    strict, ties = relative_adversarial_score(scores), relative_adversarial_score(scores, ties="win")
    return Finding(
        "As printed. The text and the equation differ by the ties, which no table reports.",
        holds=[Check("|RAS − 2/6| of two wins, three ties, one loss", abs(strict - 2 / 6), "<", 1e-12,
                     "with ties as wins", abs(ties - 2 / 6))],
        numbers={"RAS": strict, "ties as wins": ties},
    )  # fmt: skip


@claim("eq-6", "Eq-6 is the NAG of the paper's tables.")
def eq_6(run: Run) -> Finding:
    """A share of indicators lies in [0, 1]. Table-1 has −1.64 %: not a value of eq-6. Wins minus losses can
    be negative.
    """
    after, before = (noise(1000, 50, seed=seed).sign() for seed in (0, 1))
    pairs = [*zip(after, before, strict=True), (-torch.ones(50), torch.ones(50))]  # the last: all got worse
    lowest = min(normalized_alignment_gain(a, b) for a, b in pairs)
    signed = min(normalized_alignment_gain(a, b, signed=True) for a, b in pairs)
    printed = min(cell[2] for table in TABLES.values() for row in table.values() for cell in row) / 100
    return Finding(
        "The tables can't have been made by the printed formula alone.",
        fails=[Check("lowest NAG of a table − lowest value of eq-6", printed - lowest, "<", 0.0,
                     "− lowest value of the signed version", printed - signed)],
        numbers={"lowest NAG in tables 1-2": printed, "lowest eq-6, one where all got worse included": lowest,
                 "lowest signed": signed},
    )  # fmt: skip


@claim("eq-7", "θ_(k+1) = θ_k − η ∇̂J improves the policy.")
def eq_7(run: Run) -> Finding:
    """J is to be maximised; subtracting its gradient is descent. With a plus it is the ascent that the rest assumes."""
    bandit, changes = ExactBandit(REWARDS, 0, G, BETA, LAM), {}
    for sign in (-1, 1):
        theta = START
        for _ in range(20):
            theta = theta + sign * 0.1 * bandit.update(theta)
        changes[sign] = bandit.value(theta) - bandit.value(START)
    return Finding(
        f"As printed V falls by {-changes[-1]:.2f} in twenty steps; with the sign corrected it rises "
        f"by {changes[1]:.2f}.",
        fails=[
            Check("change of V in twenty expected steps as printed", changes[-1], "<", -0.1, "with a plus", changes[1])
        ],
    )


@claim("eq-8", "∇̂J = 1/G Σ Â_i ∇J_exp(i) + β Â_y ∇J_ref + λ 1/G Σ Â_i (∇J_exp(i) − ∇J_ref).")
def eq_8(run: Run) -> Finding:
    """Advantages are constants, so the gradient of eq-3 is its terms' gradients. On a table ∇J_exp(i) = e_i − π."""
    logits, group = torch.tensor(START).requires_grad_(), torch.tensor([0, 1, 2, 2, 0, 1, 1, 2])
    log_pi, table = logits.log_softmax(-1), torch.tensor(REWARDS)
    value = literal(table[group], table[1], log_pi[group], log_pi[1])
    (gradient,) = torch.autograd.grad(value, logits)
    A_o, A_y = group_advantages(table[group], table[1])
    eye, pi = torch.eye(3, dtype=torch.float64), torch.tensor(START).softmax(-1)
    own, reference = eye[group] - pi, eye[1] - pi
    exploration, imitation = (A_o[:, None] * own).mean(0), BETA * A_y * reference
    difference = gradient - exploration - imitation - LAM * (A_o[:, None] * (own - reference)).mean(0)
    without = difference - LAM * A_o.mean() * reference
    return Finding(
        "As printed.",
        holds=[Check("|autograd − eq-8|", float(difference.abs().max()), "<", 1e-12, "without the regulariser's ∇J_ref",
                     float(without.abs().max()))],
    )  # fmt: skip


@claim("eq-9", "Dividing by σ_A, ∇J = 1/G Σ (Â_i/σ_A) ∇J(i) normalises the gradient.")
def eq_9(run: Run) -> Finding:
    """Â is standardised already: over its pool σ_A = 1 (thm-2), so eq-9 is eq-8's first term, divided by one. It would
    do something for advantages that are not standardised.
    """
    rewards = noise(50, G) * 7
    A_o, _ = group_advantages(rewards, torch.zeros(50, dtype=torch.float64), pool="outputs")
    centred = rewards - rewards.mean(-1, keepdim=True)
    change = (A_o / A_o.std(-1, correction=0, keepdim=True) - A_o).abs().max()
    raw = (centred / centred.std(-1, correction=0, keepdim=True) - centred).abs().max()
    return Finding(
        "Nothing is normalised: σ_A is 1.",
        fails=[Check("|Â/σ_A − Â|", float(change), "<", 1e-12, "for rewards that are only centred", float(raw))],
    )
