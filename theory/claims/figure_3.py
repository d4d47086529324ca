"""figure-3: training reward of the ablations."""

from theory.ledger import Finding, Run, claim
from theory.unpublished import UNPUBLISHED


@claim("figure-3", "Training reward by step of the ablations.")
def figure_3(run: Run) -> Finding:
    """By thm-1 the ablations are values of one knob ρ under Adam: exp-rho is the analogue, for every value."""
    return Finding("See exp-rho.", untestable=UNPUBLISHED)
