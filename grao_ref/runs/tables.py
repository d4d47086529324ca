"""Tables for the terminal."""

from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from grao_ref.runs.results import Results


def score_table(results: Results) -> Table:
    """Mean reward before, during and after training, by method."""
    curves, reference = results.curves, results.reference
    first = next(iter(curves.values()))
    last = len(first.steps) - 1
    table = Table(
        box=box.SIMPLE,
        pad_edge=False,
        title=f"mean reward (references: {reference:.3f})",
    )
    table.add_column("method", no_wrap=True)
    shown = sorted({0, last // 4, last // 2, last})
    for index in shown:
        title = f"step {first.steps[index]}" if index else "base"
        table.add_column(title, justify="right", no_wrap=True)
    for name, curve in curves.items():
        table.add_row(name, *(curve.at(index) for index in shown if index < len(curve.steps)))
    return table


def samples_table(results: Results) -> Table:
    """The same prompts answered greedily before and after training, by the last run."""
    table = Table(box=box.SIMPLE, title=f"greedy answers of {results.shown}", show_lines=len(str(results.before)) > 500)
    for column in ("prompt", "before", "reward", "after", "reward"):
        table.add_column(column, justify="right" if column == "reward" else "left", overflow="fold")
    for (prompt, old, old_reward), (_, new, new_reward) in zip(results.before, results.after, strict=True):
        table.add_row(literal(prompt), Text(old), number(old_reward), Text(new), number(new_reward))
    return table


def completions_table(rows: list[dict[str, Any]], count: int) -> Table:
    """The first samples of a step."""
    table = Table(box=box.SIMPLE, title=f"samples of step {rows[0]['step']}")
    names = list(rows[0])[1:]
    for name in names:
        table.add_column(name, overflow="fold", justify="left" if name in ("prompt", "completion") else "right")
    for row in rows[:count]:
        table.add_row(*(literal(value) if isinstance(value := row[name], str) else number(value) for name in names))
    return table


def shortened(text: str, length: int = 160) -> str:
    """The end of a long text: a prompt's last turn, which the answer follows."""
    return text if len(text) <= length else "…" + text[-length:]


def literal(text: str) -> Text:
    """A long text's end, in which "[/INST]" is no markup of Rich's."""
    return Text(shortened(text))


def number(value: float | None) -> str:
    """With two digits; a dash for what could not be scored."""
    return "–" if value is None or value != value else f"{value:.2f}"
