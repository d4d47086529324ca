"""table-5: the second example of answers."""

from theory.ledger import Finding, Run, claim
from theory.unpublished import CASES


@claim(
    "table-5",
    "A second query answered by the same five, side by side: GRAO's is best.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "This is a second example from models that aren't public, so nothing follows from "
        "it and nothing contradicts it."
    },
)
def table_5(run: Run) -> Finding:
    """As table-4."""
    return Finding("An anecdote: nothing follows from it and nothing contradicts it.", untestable=CASES)
