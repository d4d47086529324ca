"""REPORT.md and its figures, from the logs alone."""

import json
from pathlib import Path

from theory.experiments.cells import LOGS, Line, best_rates, log_of, read
from theory.experiments.pictures import maps
from theory.experiments.plan import HERE, Cell, Table, table_of
from theory.experiments.readings import FLOOR, Interval, Read, agreement, at_the_edge, leaders, on_tables, readings
from theory.experiments.real import measured
from theory.experiments.scale import Row, rows

AT_THIS_SCALE = "at_this_scale.json"  # what the ledger's pages show of it
TABLES = ("knobs", "terms", "mixture", "sorting", "harmless", "pairs", "helpful", "sums", "form")


def write(folder: Path = HERE) -> None:
    """Everything that is rebuilt, into a folder: the report, the figures, the commands."""
    parts, said = [(HERE / "CONCLUSIONS.md").read_text().strip()], []
    for name in TABLES:
        table, lines = table_of(name), read(log_of(table_of(name)))
        parts.append(section(table, lines, folder) if lines else not_run(table))
        said += [vars(row) | {"table": name} for row in rows(table, lines)]
    (folder / AT_THIS_SCALE).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    (folder / "REPORT.md").write_text("\n\n".join(parts) + "\n")


def not_run(table: Table) -> str:
    """What is said of a table that is decided and has no runs yet."""
    command = f"    python -m theory.experiments {table.name} --home runs/experiments"
    return f"## {table.title}\n\n{table.question.strip()}\n\nDecided, not run yet:\n\n{command}"


def section(table: Table, lines: list[Line], folder: Path) -> str:
    """A table's part of the report; its figures and commands go into the folder."""
    try:
        rates = best_rates(table, lines)
    except ValueError:  # not tuned yet
        needed = sum(cell.count for cell in table.to_tune)
        words = f"Not judged yet: {len(lines)} of the {needed} runs that tune are made."
        return f"## {table.title}\n\n{table.question.strip()}\n\n{words}"
    if table.evaluation:
        write_commands(table, [(cell, str(cell)) for cell in table.to_judge(rates)], folder / "commands")
        return "\n\n".join([f"## {table.title}", table.question.strip(), *measured(table, lines)])
    found = readings(table, lines)
    cells = [(each.cell, f"{each.cell}, mean {each.whole}") for methods in found.values() for each in methods.values()]
    write_commands(table, cells, folder / "commands")
    done = len(cells)
    hours = sum(line["seconds"] for line in lines) / 3600
    known = all(line["seconds"] for line in lines)
    spent = f", {hours:.1f} hours of one process each on a shared CPU" if known else ""
    parts = [
        f"## {table.title}",
        table.question.strip(),
        f"{len(lines)} runs{spent}. {done} of "
        f"{len(table.tasks) * len(table.entrants)} cells are judged, seeds {table.seeds[0]} to "
        f"{sum(table.seeds) - 1}. Measure: `{table.measure}`, mean of steps {', '.join(map(str, table.steps))}. "
        f"The command of each cell: [commands/{table.name}.md](commands/{table.name}.md).",
        _rates(table, rates),
    ]
    if drawn := maps(table, found, folder / "figures"):
        parts.append(drawn)
    whole = {task: methods for task, methods in found.items() if len(methods) == len(table.entrants)}
    if any(task.place for task in table.tasks.values()) and whole:
        parts.append(who_leads(whole))
    parts += [tested(table, task, methods) for task, methods in found.items()]
    if (LOGS / "twin.json").exists() and table.name == "knobs":
        parts.append(twins(found))
    if table.name == "sorting" and found:
        parts.append(beside_the_tables(found["sorting"]))
    if said := rows(table, lines):
        parts.append(rows_of_the_ledger(said))
    return "\n\n".join(parts)


def rows_of_the_ledger(said: list[Row]) -> str:
    """What a table says of rows of the ledger."""
    lines = [
        "### Rows of the ledger, at this scale",
        "",
        "| row | task | is it so here? | |",
        "| :--- | :--- | :--- | :--- |",
        *(f"| {row.id} | {row.task} | {row.verdict} | {row.words} |" for row in said),
    ]
    return "\n".join(lines)


def beside_the_tables(methods: dict[str, Read]) -> str:
    """The order of exp-race's methods on tables, beside that of one task."""
    lines = [
        "### Does the race on tables say it?",
        "",
        "Spearman's correlation over the methods between what they reach here and how short their mean wait is in "
        "exp-race, with its p-value by permutation. Computed after the runs had been seen.",
        "",
        "| optimiser on the tables | correlation | p |",
        "| --- | --- | --- |",
    ]
    ours = {name: each.whole.mean for name, each in methods.items()}
    for optimizer in ("sgd", "adam"):
        rho, p = agreement(ours, {name: -wait for name, wait in on_tables(optimizer).items()})
        lines.append(f"| {optimizer} | {rho:.2f} | {p:.4f} |")
    return "\n".join(lines)


def who_leads(found: dict[str, dict[str, Read]]) -> str:
    """Of each cell, the methods that no other is surely ahead of."""
    lines = [
        "### Who is ahead in which cell",
        "",
        "The method with the largest mean, then those whose difference from it, seed by seed, may be 0 (95 %, not "
        f"corrected). Nobody: no method gains {FLOOR} over the model before training.",
        "",
        "| cell | largest mean | ahead, or not surely behind |",
        "| :--- | ---: | :--- |",
    ]
    for task, methods in found.items():
        ahead = leaders(methods)
        top = f"{methods[ahead[0]].whole} | {', '.join(ahead)}" if ahead else " | nobody"
        lines.append(f"| {task} | {top} |")
    return "\n".join(lines)


def tested(table: Table, task: str, methods: dict[str, Read]) -> str:
    """One task: the methods by their measure."""
    lines = [
        f"### {task}",
        "",
        f"| method | mean | at the end | more than {table.base} | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for method in sorted(methods, key=lambda method: -methods[method].whole.mean):
        here = methods[method]
        more = "" if method == table.base else str(here.more)
        lines.append(f"| {method} | {here.whole} | {here.end} | {more} | {_word(here.more)} |")
    base = next(iter(methods.values())).base
    return "\n".join([*lines, "", f"Before training: {base}."])


def twins(found: dict[str, dict[str, Read]]) -> str:
    """What the bandit said of each cell of the map, beside what came out."""
    record = json.loads((LOGS / "twin.json").read_text())
    lines = [
        "### Does the bandit say it?",
        "",
        "Each cell of the map as a bandit (`twin.py`): Spearman's correlation of the measure over the methods, with "
        "its p-value by permutation.",
        "",
        "| cell | correlation | p |",
        "| --- | --- | --- |",
    ]
    for task, methods in found.items():
        theirs = {name: each[task] for name, each in record.items() if task in each}
        if theirs:
            rho, p = agreement({name: each.whole.mean for name, each in methods.items()}, theirs)
            lines.append(f"| {task} | {rho:.2f} | {p:.4f} |")
    return "\n".join(lines)


def write_commands(table: Table, cells: list[tuple[Cell, str]], folder: Path) -> None:
    """A page with what one types to make each cell again; its words come before it."""
    folder.mkdir(exist_ok=True)
    makes = [f"    {each.format(home='runs', data='DATA')}" for each in table.makes]
    for task in table.tasks.values():
        makes += [f"    {each.format(home='runs', data='DATA')}" for each in task.makes]
    before = ["First, once:", "\n".join(dict.fromkeys(makes))] if makes else []
    commands = [f"{words}:\n\n    {table.shown(cell)}" for cell, words in cells]
    text = [f"# {table.title}: the commands", *before, *commands]
    (folder / f"{table.name}.md").write_text("\n\n".join(text) + "\n")


def _rates(table: Table, rates: dict[str, dict[str, str]]) -> str:
    if len(table.rates) == 1:
        return f"Every method at the learning rate {table.rates[0]}: tuned for none."
    sources = {task.tuned_on: rates[name] for name, task in table.tasks.items()}
    return "\n\n".join(_tuned(table, source or ", ".join(table.tuning), each) for source, each in sources.items())


def _tuned(table: Table, source: str, rates: dict[str, str]) -> str:
    by_rate = {rate: ", ".join(method for method in rates if rates[method] == rate) for rate in table.rates}
    said = "; ".join(f"{rate}: {methods}" for rate, methods in by_rate.items() if methods)
    edge = at_the_edge(table, rates)
    beyond = (
        f" At an edge of what was tried, so that a better rate may be beyond it: {', '.join(edge)}." if edge else ""
    )
    return f"Learning rates, tuned on {source}, with other seeds: {said}.{beyond}"


def _word(more: Interval) -> str:
    return {1: "better", -1: "worse", 0: ""}[more.sure]
