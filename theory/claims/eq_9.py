"""eq-9: the normalised gradient."""

import torch

from grao_ref import group_advantages
from theory.equations import G, noise
from theory.ledger import Check, Finding, Run, claim


@claim(
    "eq-9",
    "Dividing by σ_A, ∇J = 1/G Σ (Â_i/σ_A) ∇J(i) normalises the gradient.",
    topic="advantages and groups",
    answer={
        "fails": "No: the advantages already have a standard deviation of 1, so dividing by it once more changes "
        "nothing."
    },
)
def eq_9(run: Run) -> Finding:
    """Â is standardised already: over its pool σ_A = 1 (thm-2), so eq-9 is eq-8's first term, divided by one. It would
    change advantages that are not standardised.
    """
    rewards = noise(50, G) * 7
    A_o, _ = group_advantages(rewards, torch.zeros(50, dtype=torch.float64), pool="outputs")
    centred = rewards - rewards.mean(-1, keepdim=True)
    change = (A_o / A_o.std(-1, correction=0, keepdim=True) - A_o).abs().max()
    raw = (centred / centred.std(-1, correction=0, keepdim=True) - centred).abs().max()
    return Finding(
        "Nothing is normalised: σ_A is 1.",
        fails=[
            Check(
                what="|Â/σ_A − Â|",
                measured=float(change),
                test="<",
                limit=1e-12,
                control="for rewards that are only centred",
                control_measured=float(raw),
            )
        ],
    )
