"""What was tuned for exp-race: each contestant's entry under each optimiser, by `contest.tuned` on its own 24 tables.

`make theory ARGS="--full --only exp-race"` tunes again and compares.
"""

from theory.contest import Entry

TUNED: tuple[Entry, ...] = ()


def entry_of(name: str, optimizer: str) -> Entry:
    """The tuned entry of a contestant under an optimiser."""
    (found,) = (entry for entry in TUNED if (entry.name, entry.optimizer) == (name, optimizer))
    return found
