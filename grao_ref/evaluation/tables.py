"""An evaluation as a table on the terminal, and as Markdown with case studies like those of the paper (tables 4-5)."""

import re

from rich import box
from rich.table import Table
from rich.text import Text
from torch import Tensor

from grao_ref.evaluation.assess import Evaluated, Measured
from grao_ref.evaluation.metrics import METRICS

MARKS = re.compile(r"([\\`*_\[\]|~$])")  # characters with a meaning in Markdown, within a line


def metrics_table(evaluated: Evaluated) -> Table:
    """A column for each policy, a row for each metric, with 95 % bootstrap intervals over prompts."""
    title = f"{len(evaluated.prompts)} held-out prompts, {_sampling(evaluated)}"
    units = dict.fromkeys(METRICS[name].unit for name in _names(evaluated) if METRICS[name].unit)
    named = {unit: [name for name in _names(evaluated) if METRICS[name].unit == unit] for unit in units}
    listed = ". ".join(f"In {unit}: {'; '.join(names)}" for unit, names in named.items())  # names have commas
    caption = f"95 % bootstrap intervals over prompts. {listed}."
    table = Table(box=box.SIMPLE, title=title, caption=caption)
    table.add_column("metric", no_wrap=True)
    for policy in evaluated.metrics:
        table.add_column(Text(policy), justify="right")
    for name in _names(evaluated):
        table.add_row(Text(name), *(Text(_cell(name, measured.get(name))) for measured in evaluated.metrics.values()))
    return table


def markdown(evaluated: Evaluated, cases: int) -> str:
    """The same table, what its rows mean, and every policy's answers to the first prompts (not the best)."""
    policies = list(evaluated.metrics)
    scored = evaluated.reference_rewards[evaluated.reference_scored]
    of_references = f" The references' mean reward is {scored.mean().item():.3f}." if len(scored) else ""
    lines = [
        "# Evaluation",
        "",
        f"{len(evaluated.prompts)} held-out prompts, one answer each, {_sampling(evaluated)}; 95 % bootstrap intervals "
        f"over prompts.{of_references}",
        "",
        f"| metric | {' | '.join(map(in_cell, policies))} | meaning |",
        f"| --- |{' ---: |' * len(policies)} --- |",
    ]
    for name in _names(evaluated):
        cells = [_cell(name, evaluated.metrics[policy].get(name)) for policy in policies]
        lines.append(f"| {in_cell(name)} | {' | '.join(cells)} | {in_cell(METRICS[name].meaning)} |")
    lines += [line for note in evaluated.notes for line in ("", in_cell(note))]
    for n in range(min(cases, len(evaluated.prompts))):
        reference = _reward(evaluated.reference_rewards[n], evaluated.reference_scored[n])
        rows = {"reference": (evaluated.references[n], reference)} if evaluated.references[n] else {}
        rows |= {
            policy: (answers.texts[n], _reward(answers.rewards[n], answers.scored[n]))
            for policy, answers in evaluated.answers.items()
        }
        lines += [
            "",
            f"## Case {n + 1}",
            "",
            quoted(evaluated.prompts[n]),
            "",
            "| | answer | reward |",
            "| --- | --- | ---: |",
        ]
        lines += [f"| {in_cell(policy)} | {in_cell(text)} | {reward} |" for policy, (text, reward) in rows.items()]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """As a block quote of one paragraph, read literally."""
    return f"> {in_cell(text)}"


def in_cell(text: str) -> str:
    """As the content of a table's cell, read literally: nothing in the text is Markdown or HTML, or ends the cell."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(MARKS.sub(r"\\\1", safe).splitlines())


def _names(evaluated: Evaluated) -> list[str]:
    return [name for name in METRICS if any(name in measured for measured in evaluated.metrics.values())]


def _sampling(evaluated: Evaluated) -> str:
    return "greedy" if evaluated.temperature == 0 else f"sampled at temperature {evaluated.temperature}"


def _cell(name: str, measured: Measured | None) -> str:
    if measured is None:
        return "–"
    percent = METRICS[name].unit == "%"
    value, low, high = (100 * number if percent else number for number in measured)
    digits = 1 if METRICS[name].unit in ("%", "tokens") else 3
    if low != low:  # a single prompt
        return f"{value:z.{digits}f}"
    return f"{value:z.{digits}f} [{low:z.{digits}f}, {high:z.{digits}f}]"


def _reward(reward: Tensor, scored: Tensor) -> str:
    return f"{reward.item():.2f}" if scored else "–"
