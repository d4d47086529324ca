"""table-7: the harmlessness judge's prompt."""

from theory.ledger import Finding, Run, claim
from theory.unpublished import judge_finding


@claim("table-7", "The harmlessness judge is asked the same way.")
def table_7(run: Run) -> Finding:
    """As table-6."""
    return judge_finding()
