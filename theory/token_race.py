"""The race of exp-race where answers have several tokens: the same contestants, tuned and judged on trees of answers.

A step asks for 8 rewards (`theory.contest`), and a run has arrived once V >= 0.9. Every run of every table is a row;
rows that have arrived are no longer trained. Adam is torch's, with β = 0.9, 0.999 and ε = 1e-8. A row whose numbers are
not finite has failed. Steps of SFT come first, are counted, and ask for no reward.

Decided before any method was tuned or judged (to test and time the code, five entries of exp-race had been run on 48
tables of another seed):

- Tables: `theory.token_tables`. Each has its twin of one token (`flattened`), so that what tokens change is not mixed
  up with how many answers fail. Trees and twins are raced alike, each tuned on its own tuning tables.
- Tuned: a rate for each method and optimiser (SFT's budget with it) by the smallest mean wait (`contest.mean_wait`) on
  48 tables of `TUNING_SEED`, 6 seeds, 400 steps.
- Judged: on tables of `JUDGING_SEED`, 400 steps, other random numbers; mean waits over GRPO's, with intervals of 95 %
  by resampling tables (paired).
- The order of exp-race is read as five links: under Adam bar < LUFFY < GRPO < GRAO repaired < SRFT in mean wait, under
  SGD surprise < GRPO. RLOO and GRPO are no link: exp-race has no difference between them. A link holds if the ratio's
  interval is below 1, is reversed if it is above 1, and is open otherwise. Its control is the slower method with other
  random numbers over itself, which may not be on that side. Links that hold support the statement that the order
  survives; those that are reversed are its counterexamples; open ones are named.
- Of the four conditions of a recommendation (`theory.contest`): how many `bar` meets on these tables.
- What tokens change: a method's mean wait over GRPO's, on trees over on their twins. What a shared prefix changes: the
  same, tables where y begins like the best answer over the others, without those whose y is the best answer; expected
  is that it is below 1 for methods that imitate. Each is said to be seen if its interval leaves out 1.
- Controls: where y is the best answer, repaired GRAO's mean wait over GRPO's is below 0.8, and is not if y is replaced
  by a failing answer (`misled`). Updates are the gradient of the package's equations by autograd, and are not if the
  tokens' log-likelihoods are summed instead of averaged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from theory.arrivals import GOAL
from theory.contest import CONTESTANTS, QUERIES, Entry, mean_wait
from theory.forest import Forest, Ids, Policy, Table, added, policy_of
from theory.groups import Array
from theory.token_rules import RULES, Mask, Push, Rule, Seen, sft
from theory.token_tables import TUNING_SEED, drawn

RATES = {
    "sgd": (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2),
    "adam": (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2),
}
LESSONS = (1, 2, 4, 8, 16, 32)  # steps of SFT before GRPO
TUNING_TABLES, TUNING_SEEDS, STEPS = 48, 6, 400
PACK = 0.8  # once fewer rows than this share are still trained, the others are taken out of the arrays


@dataclass
class Optimizer:
    """The step from a gradient (N, …), by rows; Adam's own state is kept by rows too."""

    name: str
    count: int = 0
    first: Array | None = None
    second: Array | None = None

    def step(self, gradient: Array) -> Array:
        """At rate 1."""
        if self.name == "sgd":
            return gradient
        self.count += 1
        if self.first is None or self.second is None:
            self.first, self.second = np.zeros_like(gradient), np.zeros_like(gradient)
        self.first += 0.1 * (gradient - self.first)
        self.second += 0.001 * (gradient**2 - self.second)
        first, second = self.first / (1 - 0.9**self.count), self.second / (1 - 0.999**self.count)
        step: Array = first / (np.sqrt(second) + 1e-8)
        return step

    def keep(self, rows: Mask) -> None:
        """Forget the other rows."""
        if self.first is not None and self.second is not None:
            self.first, self.second = self.first[rows], self.second[rows]


@dataclass
class Rows:
    """The rows that are still trained: which run each is, its table, its rate, its logits, its critic."""

    run: Ids  # (N,)
    table: Ids  # (N,)
    rate: Array  # (N,)
    theta: Array  # (N, P, V)
    values: Array  # (N, P + 1), of each prefix, and 0 behind an end

    def kept(self, rows: Mask) -> "Rows":
        """Some of them."""
        return Rows(*(each[rows] for each in vars(self).values()))


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # a row whose numbers are not finite has failed
def arrivals(
    entries: Sequence[Entry], forest: Forest, seeds: int, steps: int = STEPS, seed: int = 0, rule: Rule | None = None
) -> Array:
    """The step at which each run arrives, infinite where none of `steps` does: (entries, tables, seeds).

    `entries`: of one contestant and optimiser, with one budget of SFT. `rule`: another than the contestant's.
    """
    (kind,) = {replace(entry, rate=0.0) for entry in entries}
    who, tables = CONTESTANTS[kind.name], len(forest.noise)
    rng, size = np.random.default_rng(seed), QUERIES - who.reads_reference
    shape = (len(entries), tables, seeds)
    run = np.arange(int(np.prod(shape)))
    by_entry, table = run // (tables * seeds), run // seeds % tables
    rate = np.array([entry.rate for entry in entries])[by_entry]
    rows = Rows(run, table, rate, forest.logits[table], np.zeros((len(run), forest.logits.shape[1] + 1)))
    first, moved = np.full(len(run), np.inf), (Optimizer(kind.optimizer), Optimizer(kind.optimizer))
    for step in range(steps + 1):
        policy = policy_of(rows.theta)
        going = np.isfinite(policy.log_pi.sum((1, 2)))
        there = going & (forest.value(rows.table, policy) >= GOAL)
        first[rows.run[there & np.isinf(first[rows.run])]] = step
        going &= np.isinf(first[rows.run])
        if step == steps or not going.any():
            break
        if going.mean() < PACK:
            rows, policy = rows.kept(going), policy.kept(going)
            for each in moved:
                each.keep(going)
        if step == kind.lessons:
            moved = (Optimizer(kind.optimizer), Optimizer(kind.optimizer))
        chosen = sft if step < kind.lessons else rule or RULES[kind.name]
        advance(rows, policy, forest, chosen, moved, drawn_group(rng, rows, policy, forest, size))
    return first.reshape(shape)


Group = tuple[Ids, Array, Array]  # entries (N, G, T), rewards (N, G), R(y) (N,)


def drawn_group(rng: np.random.Generator, rows: Rows, policy: Policy, forest: Forest, size: int) -> Group:
    """G samples of each row, and what is said of them and of y: each reward with its table's noise."""
    chance = rng.random((len(rows.run), size, forest.reference.shape[1]))
    entries, rewards = forest.walk(rows.table, policy, chance)
    score, noise = forest.score[rows.table], forest.noise[rows.table]
    if forest.noise.any():
        drawn = rng.normal(size=(len(rewards), size + 1)) * noise[:, None]
        rewards, score = rewards + drawn[:, :-1], score + drawn[:, -1]
    return entries, rewards, score


def seen_of(rows: Rows, policy: Policy, forest: Forest, group: Group) -> tuple[Seen, Ids]:
    """What a rule reads; and the prefixes of the samples' tokens (N, G, T), P behind an end."""
    (entries, rewards, score), reference = group, forest.reference[rows.table]
    prefixes = entries // policy.pi.shape[2]
    values = np.take_along_axis(rows.values, prefixes.reshape(len(prefixes), -1), 1).reshape(entries.shape)
    seen = Seen(rewards, score, policy.of(entries), entries < forest.none,
                policy.of(reference), reference < forest.none, values)  # fmt: skip
    return seen, prefixes


def gradient(policy: Policy, entries: Ids, reference: Ids, push: Push) -> Array:
    """Σ w ∇log π over the tokens of the samples and of y: (N, P, V)."""
    return policy.along(added(policy.pi.shape, [(entries, push.samples), (reference, push.reference)]))


def advance(
    rows: Rows, policy: Policy, forest: Forest, rule: Rule, moved: tuple[Optimizer, Optimizer], group: Group
) -> None:
    """One step of every row."""
    seen, prefixes = seen_of(rows, policy, forest, group)
    push = rule(seen)
    ascent = gradient(policy, group[0], forest.reference[rows.table], push)
    rows.theta += rows.rate[:, None, None] * moved[0].step(ascent)
    if push.critic is not None:
        pulled = added((len(rows.run), policy.pi.shape[1]), [(prefixes, push.critic)])
        rows.values[:, :-1] += rows.rate[:, None] * moved[1].step(pulled)


def tuned(forest: Forest, seeds: int = TUNING_SEEDS, steps: int = STEPS) -> dict[tuple[str, str], tuple[Entry, float]]:
    """For each contestant and optimiser, the entry of the smallest mean wait on these tables, and that wait."""
    best = {}
    for name, who in CONTESTANTS.items():
        for optimizer, rates in RATES.items():
            means: dict[Entry, float] = {}
            for lessons in LESSONS if who.lessons else (0,):
                tried = [Entry(name, optimizer, rate, lessons) for rate in rates]
                waits = arrivals(tried, forest, seeds, steps)
                means |= {entry: mean_wait(each, steps) for entry, each in zip(tried, waits, strict=True)}
            entry = min(means, key=means.__getitem__)
            best[name, optimizer] = (entry, means[entry])
    return best


def tuning_tables() -> list[Table]:
    """The tables that rates are chosen on."""
    return drawn(TUNING_TABLES, TUNING_SEED)
