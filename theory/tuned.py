"""What was tuned for exp-race: each contestant's entry under each optimiser, by `contest.tuned` on its own 24 tables.

`make theory ARGS="--full --only exp-race"` tunes again and compares. At the end of what was tried are Dr. GRPO's rate
under SGD (its weights are smaller by `max_completion_length`, 8), and SFT's budget: 2 steps, the fewest.
"""

from theory.contest import Entry

TUNED = (
    Entry("GRPO", "sgd", 1.6),
    Entry("GRPO", "adam", 0.2),
    Entry("RLOO", "sgd", 6.4),
    Entry("RLOO", "adam", 0.2),
    Entry("Dr. GRPO", "sgd", 12.8),
    Entry("Dr. GRPO", "adam", 0.2),
    Entry("PPO", "sgd", 3.2),
    Entry("PPO", "adam", 0.2),
    Entry("SFT, then GRPO", "sgd", 0.8, 2),
    Entry("SFT, then GRPO", "adam", 0.2, 2),
    Entry("CHORD-φ", "sgd", 1.6),
    Entry("CHORD-φ", "adam", 0.1),
    Entry("LUFFY", "sgd", 3.2),
    Entry("LUFFY", "adam", 0.4),
    Entry("SRFT", "sgd", 3.2),
    Entry("SRFT", "adam", 0.4),
    Entry("HPT", "sgd", 1.6),
    Entry("HPT", "adam", 0.2),
    Entry("GRAO printed", "sgd", 3.2),
    Entry("GRAO printed", "adam", 0.2),
    Entry("GRAO repaired", "sgd", 1.6),
    Entry("GRAO repaired", "adam", 0.2),
    Entry("capped", "sgd", 1.6),
    Entry("capped", "adam", 0.2),
    Entry("surprise", "sgd", 1.6),
    Entry("surprise", "adam", 0.1),
    Entry("bar", "sgd", 0.8),
    Entry("bar", "adam", 0.4),
    Entry("bar, no imitation", "sgd", 1.6),
    Entry("bar, no imitation", "adam", 0.4),
)


def entry_of(name: str, optimizer: str) -> Entry:
    """The tuned entry of a contestant under an optimiser."""
    (found,) = (entry for entry in TUNED if (entry.name, entry.optimizer) == (name, optimizer))
    return found
