"""table-6: the helpfulness judge's prompt."""

from theory.ledger import Finding, Run, claim
from theory.unpublished import judge_finding


@claim(
    "table-6",
    "The helpfulness judge is asked for 1 > 2, 1 = 2 or 1 < 2, the model's answer always first.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "The judge isn't available here; if it favours the first text in ties, the fixed "
        "order favours the model, and asking in both orders would cancel that."
    },
)
def table_6(run: Run) -> Finding:
    """The order is fixed, so a judge's preference for the first text enters RAS and R directly: a bias that averaging
    over both orders would cancel. How large it is cannot be known from here.
    """
    return judge_finding()
