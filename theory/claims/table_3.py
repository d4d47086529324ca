"""table-3: the ablation."""

import numpy as np

from theory.ledger import Check, Finding, Run, claim, number
from theory.paper_tables import ABLATION, MODELS, PRINTED_CHANGE, TABLES
from theory.recomputed import relative


@claim(
    "table-3",
    "The ablation's printed changes follow from its NAG columns.",
    topic="the paper's numbers",
    answer={
        "holds": "Yes: the printed changes follow from the table's own columns, to within two hundredths of a point."
    },
)
def table_3(run: Run) -> Finding:
    """They are the means over the two models of the relative change. The column "full" is table-1's GRAO."""
    errors = {name: abs(float(np.mean(relative(name))) - PRINTED_CHANGE[name]) for name in PRINTED_CHANGE}
    alternative = {name: abs(100 * (sum(ABLATION[name]) / sum(ABLATION["full"]) - 1) - PRINTED_CHANGE[name])
                   for name in PRINTED_CHANGE}  # fmt: skip
    spread = max(abs(relative(name)[0] - relative(name)[1]) for name in PRINTED_CHANGE)
    return Finding(
        f"They do, to {number(max(errors.values()))} points. The mean hides the models: for the same ablation they "
        f"differ by up to {spread:.0f} points. What one knob can make of these rows: exp-rho.",
        holds=[
            Check(what="largest |mean relative change − printed|, points",
                  measured=max(errors.values()), test="<", limit=0.02,
                  control="ratio of the means instead", control_measured=max(alternative.values())),
            Check(what="|full − table-1's GRAO|",
                  measured=max(abs(ABLATION["full"][m] - TABLES["helpful"]["GRAO"][m][2]) for m in (0, 1)),
                  test="<", limit=0.005,
                  control="− table-1's GRPO",
                  control_measured=abs(ABLATION["full"][0] - TABLES["helpful"]["GRPO"][0][2])),
        ],
        numbers={f"{name}, {model}, %": relative(name)[m] for name in PRINTED_CHANGE for m, model in enumerate(MODELS)},
    )  # fmt: skip
