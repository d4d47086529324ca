"""eq-2: the expectation over groups."""

from math import sqrt

import torch

from theory.equations import BETA, LAM, REWARDS, START, G, literal
from theory.exact import ExactBandit
from theory.ledger import Check, Finding, Run, claim


@claim(
    "eq-2",
    "GRAO's expectation is over (q, y) and over groups that π_θold samples.",
    topic="the equations",
    answer={
        "holds": "Yes: the average over every possible group of sampled answers and the average over randomly drawn "
        "groups agree."
    },
)
def eq_2(run: Run) -> Finding:
    """The equation is printed without its integrand; the bracket of eq-3 is taken for it. E[J] of a bandit is computed
    by enumerating all groups, and by sampling groups through the package's functions. The two agree within the sampling
    error.
    """
    rows, logits = run.pick(4000, 40000, 400000), torch.tensor(START)
    groups = torch.multinomial(logits.softmax(-1).expand(rows, 3), G, replacement=True,
                               generator=torch.Generator().manual_seed(0))  # fmt: skip
    log_pi, table = logits.log_softmax(-1), torch.tensor(REWARDS)
    sampled = {lam: literal(table[groups], table[1].expand(rows), log_pi[groups], log_pi[1].expand(rows), lam)
               for lam in (LAM, 1.2)}  # fmt: skip
    exact = ExactBandit(REWARDS, 1, G, BETA, LAM).objective(START, START)
    scores = {lam: abs(each.mean().item() - exact) / (each.std().item() / sqrt(rows)) for lam, each in sampled.items()}
    return Finding(
        "Enumerated and sampled expectations agree.",
        holds=[Check(what="|sampled − enumerated E[J]| in standard errors", measured=scores[LAM], test="<", limit=4.5,
                     control="sampled with λ = 1.2", control_measured=scores[1.2])],
        numbers={"E[J] by enumeration": exact},
    )  # fmt: skip
