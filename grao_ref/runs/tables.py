"""Tables for the terminal."""

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from grao_ref.runs.results import Results


def score_table(results: Results) -> Table:
    """Mean reward before, during and after training, by method; without a reward, what the held-out rows came to."""
    curves, reference = results.curves if results.scored else results.measures(), results.reference
    first = next(iter(curves.values()))
    last = len(first.steps) - 1
    beside = "" if reference is None else f" (references: {reference:.3f})"
    title = f"mean reward{beside}" if results.scored else f"the held-out rows under {results.shown.split(', seed')[0]}"
    table = Table(box=box.SIMPLE, pad_edge=False, title=title)
    table.add_column("method" if results.scored else "measure", no_wrap=results.scored)
    shown = sorted({0, last // 4, last // 2, last})
    for index in shown:
        title = f"step {first.steps[index]}" if index else "base"
        table.add_column(title, justify="right", no_wrap=True)
    for name, curve in curves.items():
        table.add_row(name, *(curve.at(index) for index in shown if index < len(curve.steps)))
    return table


def samples_table(results: Results) -> Table:
    """The same prompts answered greedily before and after training, by the last run; their rewards where there are."""
    title = f"greedy answers of {results.shown}"
    # As wide as its title, which rich would break otherwise.
    table = Table(box=box.SIMPLE, title=title, min_width=len(title), show_lines=len(str(results.before)) > 500)
    columns = ("prompt", "before", "reward", "after", "reward") if results.scored else ("prompt", "before", "after")
    for column in columns:
        table.add_column(column, justify="right" if column == "reward" else "left", overflow="fold")
    for (prompt, old, old_reward), (_, new, new_reward) in zip(results.before, results.after, strict=True):
        before, after = (
            ([Text(text), number(reward)] if results.scored else [Text(text)])
            for text, reward in ((old, old_reward), (new, new_reward))
        )
        table.add_row(literal(prompt), *before, *after)
    return table


def completions_table(rows: list[dict[str, Any]], count: int) -> Table:
    """The first samples of a step."""
    table = Table(box=box.SIMPLE, title=f"samples of step {rows[0]['step']}")
    names = list(rows[0])[1:]
    for name in names:
        table.add_column(name, overflow="fold", justify="left" if name in ("prompt", "completion") else "right")
    for row in rows[:count]:
        table.add_row(*(cell(row[name]) for name in names))
    return table


def shortened(text: str, length: int = 160) -> str:
    """The end of a long text: a prompt's last turn, which the answer follows."""
    return text if len(text) <= length else "…" + text[-length:]


def literal(text: str) -> Text:
    """A long text's end, in which "[/INST]" is no markup of Rich's."""
    return Text(shortened(text))


def cell(value: Any) -> Text | str:
    """Anything: a number with two digits, or the end of its text."""
    plain = value is None or isinstance(value, int | float)
    return number(value) if plain else literal(str(value))


def number(value: float | None) -> str:
    """With two digits; a dash for what could not be scored."""
    return "–" if value is None or value != value else f"{value:.2f}"
