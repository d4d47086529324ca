"""table-7: the harmlessness judge's prompt."""

from theory.ledger import Finding, Run, claim
from theory.unpublished import judge_finding


@claim(
    "table-7",
    "The harmlessness judge is asked the same way.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "The judge isn't available here, and it is asked in a fixed order as for "
        "helpfulness, so a preference for the first text would favour the model."
    },
)
def table_7(run: Run) -> Finding:
    """As table-6."""
    return judge_finding()
