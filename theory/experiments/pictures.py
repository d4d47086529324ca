"""Maps: for each quality of the reference, the methods by the rarity of the best answers."""

from pathlib import Path

import numpy as np

from theory.experiments.plan import Table
from theory.experiments.readings import Read


def maps(table: Table, found: dict[str, dict[str, Read]], folder: Path) -> str | None:
    """Draw one picture for each second coordinate of the tasks' places; returns the Markdown that shows them.

    A table whose tasks have no places has no map: None.
    """
    placed = {task: each.place for task, each in table.tasks.items() if each.place and task in found}
    if not placed:
        return None
    folder.mkdir(exist_ok=True)
    shown = []
    for column in dict.fromkeys(place[1] for place in placed.values()):
        tasks = [task for task, place in placed.items() if place[1] == column]
        methods = sorted(found[tasks[0]], key=lambda method: -_total(found, tasks, method))
        name = f"{table.name}-{column}.png"
        values = np.array([[_value(found, task, method) for task in tasks] for method in methods])
        heading = f"references: {column}"
        _draw(values, methods, [placed[task][0] for task in tasks], heading, folder / name)
        tops = [methods[int(np.nanargmax(each))] for each in values.T]
        best = ", ".join(f"{placed[task][0]}: {top}" for task, top in zip(tasks, tops, strict=True))
        shown.append(f"![{table.measure} by method and rarity, {heading}. Highest: {best}.](figures/{name})")
    return "\n\n".join(shown)


def _value(found: dict[str, dict[str, Read]], task: str, method: str) -> float:
    return found[task][method].whole.mean if method in found[task] else float("nan")


def _total(found: dict[str, dict[str, Read]], tasks: list[str], method: str) -> float:
    return float(np.nansum([_value(found, task, method) for task in tasks]))


def _draw(values: np.ndarray, methods: list[str], columns: list[str], heading: str, path: Path) -> None:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(5.0, 0.8 + 0.32 * len(methods)), layout="constrained")
    axes = drawn.subplots()
    axes.imshow(values, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, fontsize=10)
    axes.set_yticks(range(len(methods)), methods, fontsize=10)
    axes.set_title(heading, fontsize=11)
    for (row, column), value in np.ndenumerate(values):
        words, ink = ("", "black") if np.isnan(value) else (f"{value:.2f}", "black" if value > 0.5 else "white")
        axes.text(column, row, words, ha="center", va="center", fontsize=10, color=ink)
    drawn.savefig(path, dpi=120, metadata={"Software": None})
