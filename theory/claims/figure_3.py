"""figure-3: training reward of the ablations."""

from theory.ledger import Finding, Run, claim
from theory.unpublished import UNPUBLISHED


@claim(
    "figure-3",
    "Training reward by step of the ablations.",
    topic="the paper's numbers",
    answer={
        "cannot be tested here": "The paper's logs aren't public; what leaving out each term does on our small "
        "problem is measured in exp-rho."
    },
)
def figure_3(run: Run) -> Finding:
    """By thm-1 the ablations are values of one knob ρ under Adam: exp-rho is the analogue, for every value."""
    return Finding("See exp-rho.", untestable=UNPUBLISHED)
