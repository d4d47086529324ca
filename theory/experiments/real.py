"""What a real model's runs left: the evaluation of each trained model, and measures that nothing was trained on."""

from statistics import mean

from theory.experiments.cells import Line, made
from theory.experiments.plan import Cell, Table

EVALUATED = ("reward", "RAS", "NAG, signed", "length", "repetition", "KL")  # of `grao_ref.evaluate`
LOGGED = {
    "words_head": "words' head",
    "distinct": "distinct",
    "refusals": "refusals",
}  # of `hh.unseen`, last evaluation
LIKELIHOOD = "eval_reference/logp_per_token"


def measured(table: Table, lines: list[Line]) -> str:
    """For each task a table: a method a row, its base first. With one seed, intervals are over prompts."""
    parts = []
    for task in table.tasks:
        rows = {
            method: runs
            for method in table.entrants
            if (runs := list(made(lines, Cell(task, method, table.rates[0], *table.seeds)).values()))
            and all("evaluation" in run for run in runs)
        }
        if rows:
            parts.append(_table(table, task, rows))
    return "\n\n".join(parts)


def _table(table: Table, task: str, rows: dict[str, list[Line]]) -> str:
    names = [*EVALUATED, *LOGGED.values(), "log π(y) a token"]
    lines = [
        f"### {task}, by what was and what was not trained on",
        "",
        f"| method | seeds | {' | '.join(names)} |",
        f"| --- |{' --- |' * (len(names) + 1)}",
        f"| the model before | | {' | '.join(_cells(table, next(iter(rows.values())), before=True))} |",
    ]
    lines += [f"| {method} | {len(runs)} | {' | '.join(_cells(table, runs))} |" for method, runs in rows.items()]
    return "\n".join(lines)


def _cells(table: Table, runs: list[Line], *, before: bool = False) -> list[str]:
    place, step = (0, "0") if before else (-1, str(table.steps[-1]))
    found = []
    for name in EVALUATED:
        values = [list(run["evaluation"].values())[place].get(name) for run in runs]
        found.append(_said([value for value in values if value]))
    for name in (*(f"eval_{name}" for name in LOGGED), LIKELIHOOD):
        found.append(_number(mean(run["curve"][step][name] for run in runs)))
    return found


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
