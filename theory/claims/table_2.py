"""table-2: the results on harmless-base."""

from theory.ledger import Finding, Run, claim
from theory.recomputed import table_finding


@claim(
    "table-2",
    "GRAO is best on harmless-base, in every column, by more than the errors.",
    topic="the paper's numbers",
    answer={
        "holds under conditions": "GRAO is best in every column on harmlessness, but the errors are printed too "
        "small for the number of prompts, and its smallest lead isn't significant."
    },
)
def table_2(run: Run) -> Finding:
    """As table-1, on 2,312 prompts."""
    return table_finding("harmless")
