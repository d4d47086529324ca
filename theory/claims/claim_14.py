"""claim-14: the drops of the ablation."""

from math import sqrt

import numpy as np

from theory.ledger import Check, Finding, Run, claim
from theory.paper_tables import ABLATION, ERRORS, PRINTED_CHANGE
from theory.recomputed import relative


@claim(
    "claim-14",
    "Without exploration the drop is the largest (12.81 %); without the regulariser NAG is capped at 89.1 %.",
    topic="the paper's numbers",
    answer={
        "holds under conditions": "In the paper's own table the largest drop comes from leaving out the regulariser, "
        "by less than the noise, and the stated cap can't be reproduced."
    },
)
def claim_14(run: Run) -> Finding:
    """From table-3: 93.8 % without imitation is Qwen's row. The initial slopes (62 %) are a figure's, not a table's."""
    means = {name: float(np.mean(relative(name))) for name in PRINTED_CHANGE}
    kept = {name: [100 + change for change in relative(name)] for name in PRINTED_CHANGE}
    candidates = [*kept["without regulariser"], float(np.mean(kept["without regulariser"])),
                  100 * sum(ABLATION["without regulariser"]) / sum(ABLATION["full"])]  # fmt: skip
    gap = means["without exploration"] - means["without regulariser"]
    error = sqrt(
        sum(2 * (100 * each / full / 2) ** 2 for each, full in zip(ERRORS["full"], ABLATION["full"], strict=True))
    )
    return Finding(
        f"The largest drop is the regulariser's, {-means['without regulariser']:.2f} %, not exploration's, "
        f"{-means['without exploration']:.2f} %, by the paper's own table; but with table-1's errors (it prints "
        f"none) that difference is {gap:.2f} ± {error:.1f}, and it supports neither order: the regulariser's is the "
        "larger drop for Qwen, exploration's for Moonlight. And no reading of its row gives 89.1 % "
        f"({', '.join(f'{value:.1f}' for value in candidates)}).",
        holds=[Check(what="|share kept without imitation, Qwen − 93.8|",
                     measured=abs(kept["without imitation"][0] - 93.8), test="<", limit=0.06,
                     control="Moonlight", control_measured=abs(kept["without imitation"][1] - 93.8))],
        fails=[
            Check(what="drop without exploration − without regulariser, points",
                  measured=means["without regulariser"] - means["without exploration"], test="<", limit=0.0,
                  control="− without imitation",
                  control_measured=means["without imitation"] - means["without exploration"]),
            Check(what="nearest reading of the cap to 89.1 %: points off",
                  measured=min(abs(c - 89.1) for c in candidates), test=">", limit=0.5,
                  control="the same search for the 93.8 % without imitation",
                  control_measured=min(abs(c - 93.8) for c in kept["without imitation"])),
        ],
    )  # fmt: skip
