"""figure-1: the overview."""

from theory.ledger import Finding, Run, claim


@claim(
    "figure-1",
    "Overview of the method: sample a group, score it with the reference, three terms.",
    topic="the paper's numbers",
    answer={"cannot be tested here": "The figure is a drawing of the method and says nothing that could be measured."},
)
def figure_1(run: Run) -> Finding:
    """A drawing. What it shows is eq-3 with the reference beside the group."""
    return Finding("Nothing to compute.", untestable="a drawing makes no measurable statement")
