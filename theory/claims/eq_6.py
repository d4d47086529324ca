"""eq-6: the normalised alignment gain, NAG."""

import torch

from grao_ref import normalized_alignment_gain
from theory.equations import noise
from theory.ledger import Check, Finding, Run, claim
from theory.paper_tables import TABLES


@claim(
    "eq-6",
    "Eq-6 is the NAG of the paper's tables.",
    topic="the equations",
    answer={"fails": "No: the paper's tables have a value that is lower than any the printed formula can give."},
)
def eq_6(run: Run) -> Finding:
    """A share of indicators lies in [0, 1]. Table-1 has −1.64 %, which is not a value of eq-6. Wins minus losses can be
    negative.
    """
    after, before = (noise(1000, 50, seed=seed).sign() for seed in (0, 1))
    pairs = [*zip(after, before, strict=True), (-torch.ones(50), torch.ones(50))]  # the last: all got worse
    lowest = min(normalized_alignment_gain(a, b) for a, b in pairs)
    signed = min(normalized_alignment_gain(a, b, signed=True) for a, b in pairs)
    printed = min(cell[2] for table in TABLES.values() for row in table.values() for cell in row) / 100
    return Finding(
        "The tables can't have been made by the printed formula alone.",
        fails=[Check(what="lowest NAG of a table − lowest value of eq-6",
                     measured=printed - lowest, test="<", limit=0.0,
                     control="− lowest value of the signed version", control_measured=printed - signed)],
        numbers={"lowest NAG in tables 1-2": printed, "lowest eq-6, one where all got worse included": lowest,
                 "lowest signed": signed},
    )  # fmt: skip
