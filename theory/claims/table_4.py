"""table-4: the first example of answers."""

from theory.ledger import Finding, Run, claim
from theory.unpublished import CASES


@claim(
    "table-4",
    "A query answered by the reference, SFT, DPO, GRPO and GRAO, side by side: GRAO's is best.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "This is one example from models that aren't public, so nothing follows from it and "
        "nothing contradicts it."
    },
)
def table_4(run: Run) -> Finding:
    """An example chosen by the authors, from models that are not published."""
    return Finding("An anecdote: nothing follows from it and nothing contradicts it.", untestable=CASES)
