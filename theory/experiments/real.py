"""What a real model's runs left: the evaluation of each trained model, and measures that are no method's reward."""

from collections import Counter
from collections.abc import Callable
from statistics import mean

from theory.experiments.cells import Line, made, measure
from theory.experiments.curves import machine, off_the_curves
from theory.experiments.heads import sentence
from theory.experiments.plan import Cell, Table

# Of `grao_ref.evaluate`:
EVALUATED = ("reward", "RAS", "NAG, signed", "length", "repetition", "KL", "chosen likelier", "chosen gained")
# What is not equal between methods, where a table has them. The flags are the same in all of these tables.
NOT_EQUAL = {
    "SFT": """\
SFT reads 16 references a step; a method that samples reads at most 4, one for each of its 4 prompts, beside its 16 \
samples.""",
    "SFT 10, then GRPO": """\
Before the clock of `SFT 10, then GRPO` starts, its model was trained for ten steps of SFT, always with the same seed. \
So its row starts at another reward, and what is measured from there can't be compared with the other rows: NAG, KL, \
steps, and where they stand, gains of chosen answers and the change of log π(y).""",
}
FEW = "With one to three seeds there are no intervals over seeds; the order of methods that are close tells nothing."
LOGGED = {  # what reward functions of weight 0 logged (`hh.unseen`, `sums.alone`), and the references'
    "eval_words_head": "words' head",
    "eval_distinct": "distinct",
    "eval_refusals": "refusals",
    "eval_number_alone": "number alone",
    "eval_reference/logp_per_token": "log π(y) a token",
}
Runs = dict[str, dict[int, Line]]  # by method and seed


def measured(table: Table, lines: list[Line]) -> list[str]:
    """What was run where, and for each task two tables: a method a row, its base first."""
    parts = [where(table, lines)]
    if heads := sentence(table.name):
        parts.append(heads)
    if unequal := [words for method, words in NOT_EQUAL.items() if method in table.entrants]:
        parts.append(" ".join(["What is not equal between the methods:", *unequal, FEW]))
    for task in table.tasks:
        runs = {
            method: found
            for method in table.entrants
            if (found := made(lines, Cell(task, method, table.rates[0], *table.seeds)))
        }
        if runs:
            parts += [_by_the_measure(table, task, runs), _by_all(table, task, runs)]
            parts += [off_the_curves(table, task, runs)] if table.trained else []
    return parts


def where(table: Table, lines: list[Line]) -> str:
    """How many of the runs were made, on what, and how long they took."""
    machines = Counter(machine(line) for line in lines)
    wanted = len(table.tasks) * len(table.entrants) * table.seeds[1]
    hours = sum(line["seconds"] for line in lines) / 3600
    said = "; ".join(f"{number} on {place}" for place, number in machines.items())
    return (
        f"{len(lines)} of {wanted} runs are made: {said}. Together {hours:.1f} hours of training, of one process each, "
        "with others beside it; SFT before it and the last evaluation are not counted. Every method at the learning "
        f"rate {table.rates[0]}: tuned for none. The command of each run: "
        f"[commands/{table.name}.md](commands/{table.name}.md)."
    )


def _by_the_measure(table: Table, task: str, runs: Runs) -> str:
    steps, base = ("0", *map(str, table.steps)), runs.get(table.base, {})
    lines = [
        f"### {task}: the reward of held-out prompts, step by step",
        "",
        f"`{table.measure}`, by seed, in their order. More: mean of steps {', '.join(map(str, table.steps))}, minus "
        f"that of {table.base} with the same seed, where both were made on the same machine.",
        "",
        f"| method | seeds | {' | '.join(f'step {step}' for step in steps)} | more than {table.base} |",
        f"| --- |{' --- |' * (len(steps) + 2)}",
    ]
    for method, found in runs.items():
        values = [_each(found, _reached(table, step)) for step in steps]
        same = {seed: line for seed, line in found.items() if seed in base and machine(line) == machine(base[seed])}
        more = _each(same, lambda line: measure(table, line) - measure(table, base[line["seed"]]), sign="+")
        seeds = ", ".join(map(str, sorted(found)))
        lines.append(f"| {method} | {seeds} | {' | '.join(values)} | {'' if method == table.base else more} |")
    return "\n".join(lines)


def _reached(table: Table, step: str) -> Callable[[Line], float]:
    return lambda line: float(line["curve"][step][table.measure])


def _each(runs: dict[int, Line], value: Callable[[Line], float], sign: str = "") -> str:
    return ", ".join(f"{value(runs[seed]):{sign}.2f}" for seed in sorted(runs))


def _by_all(table: Table, task: str, runs: Runs) -> str:
    every = [line for found in runs.values() for line in found.values()]
    some, after = every[0], [list(line["evaluation"].values())[-1] for line in every]
    logged = {name: words for name, words in LOGGED.items() if all(name in line["curve"]["0"] for line in every)}
    # A measure that is 0 for all says nothing: RAS is, where no answer can earn more than the reference.
    there = [name for name in EVALUATED if all(name in each for each in after)]
    evaluated = [name for name in there if any((each[name] or [0.0])[0] for each in after)]
    lines = [
        f"### {task}, by what was and what was not trained on",
        "",
        "After the last step, the mean over the seeds; of one seed, with its interval over prompts in brackets. "
        f"Up to {evaluated[-1]}: `grao_ref.evaluate {table.evaluation}`; then: the run's own evaluation at that step.",
        "",
        f"| method | seeds | {' | '.join([*evaluated, *logged.values()])} |",
        f"| --- |{' --- |' * (len(evaluated) + len(logged) + 1)}",
        f"| the model before | | {' | '.join(_cells(table, [some], evaluated, logged, before=True))} |",
    ]
    for method, found in runs.items():
        cells = _cells(table, list(found.values()), evaluated, logged)
        lines.append(f"| {method} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(
    table: Table, runs: list[Line], evaluated: list[str], logged: dict[str, str], *, before: bool = False
) -> list[str]:
    place, step = (0, "0") if before else (-1, str(table.steps[-1]))
    found = []
    for name in evaluated:
        values = [list(run["evaluation"].values())[place].get(name) for run in runs]
        found.append(_said([value for value in values if value]))
    return found + [_number(mean(run["curve"][step][name] for run in runs)) for name in logged]


def _said(values: list[list[float | None]]) -> str:
    """The mean; of one run with its interval over prompts."""
    if not values:
        return ""
    words = _number(mean(value[0] or 0.0 for value in values))
    low, high = values[0][1:]
    return words if len(values) > 1 or low is None or high is None else f"{words} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    """As many digits as a reader needs.

    >>> _number(57.8125), _number(1.2345), _number(-0.04321)
    ('57.8', '1.23', '-0.043')
    """
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
