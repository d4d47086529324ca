"""What was tuned for exp-race-tokens: each contestant's entry under each optimiser, on trees and on their twins.

By `token_race.tuned` on the 48 tuning tables; `make theory ARGS="--full --only exp-race-tokens"` tunes again and
compares.
"""

from theory.contest import Entry

TUNED = {
    "trees": (
        Entry("GRPO", "sgd", 6.4),
        Entry("GRPO", "adam", 0.1),
        Entry("RLOO", "sgd", 12.8),
        Entry("RLOO", "adam", 0.1),
        Entry("Dr. GRPO", "sgd", 51.2),
        Entry("Dr. GRPO", "adam", 0.1),
        Entry("PPO", "sgd", 6.4),
        Entry("PPO", "adam", 0.2),
        Entry("SFT, then GRPO", "sgd", 3.2, 1),
        Entry("SFT, then GRPO", "adam", 0.1, 1),
        Entry("CHORD-φ", "sgd", 6.4),
        Entry("CHORD-φ", "adam", 0.1),
        Entry("LUFFY", "sgd", 6.4),
        Entry("LUFFY", "adam", 0.1),
        Entry("SRFT", "sgd", 6.4),
        Entry("SRFT", "adam", 0.8),
        Entry("HPT", "sgd", 6.4),
        Entry("HPT", "adam", 0.1),
        Entry("GRAO printed", "sgd", 3.2),
        Entry("GRAO printed", "adam", 0.1),
        Entry("GRAO repaired", "sgd", 3.2),
        Entry("GRAO repaired", "adam", 0.1),
        Entry("capped", "sgd", 6.4),
        Entry("capped", "adam", 0.1),
        Entry("surprise", "sgd", 3.2),
        Entry("surprise", "adam", 0.1),
        Entry("bar", "sgd", 3.2),
        Entry("bar", "adam", 0.2),
        Entry("bar, no imitation", "sgd", 6.4),
        Entry("bar, no imitation", "adam", 0.1),
    ),
    "twins": (
        Entry("GRPO", "sgd", 1.6),
        Entry("GRPO", "adam", 0.2),
        Entry("RLOO", "sgd", 6.4),
        Entry("RLOO", "adam", 0.2),
        Entry("Dr. GRPO", "sgd", 51.2),
        Entry("Dr. GRPO", "adam", 0.2),
        Entry("PPO", "sgd", 3.2),
        Entry("PPO", "adam", 0.2),
        Entry("SFT, then GRPO", "sgd", 1.6, 1),
        Entry("SFT, then GRPO", "adam", 0.2, 1),
        Entry("CHORD-φ", "sgd", 1.6),
        Entry("CHORD-φ", "adam", 0.1),
        Entry("LUFFY", "sgd", 6.4),
        Entry("LUFFY", "adam", 0.4),
        Entry("SRFT", "sgd", 3.2),
        Entry("SRFT", "adam", 0.8),
        Entry("HPT", "sgd", 3.2),
        Entry("HPT", "adam", 0.2),
        Entry("GRAO printed", "sgd", 3.2),
        Entry("GRAO printed", "adam", 0.2),
        Entry("GRAO repaired", "sgd", 1.6),
        Entry("GRAO repaired", "adam", 0.1),
        Entry("capped", "sgd", 1.6),
        Entry("capped", "adam", 0.1),
        Entry("surprise", "sgd", 1.6),
        Entry("surprise", "adam", 0.2),
        Entry("bar", "sgd", 1.6),
        Entry("bar", "adam", 0.4),
        Entry("bar, no imitation", "sgd", 0.8),
        Entry("bar, no imitation", "adam", 0.4),
    ),
}


def entry_of(name: str, optimizer: str, arm: str) -> Entry:
    """The tuned entry of a contestant under an optimiser, on the trees or on the twins."""
    (found,) = (entry for entry in TUNED[arm] if (entry.name, entry.optimizer) == (name, optimizer))
    return found
