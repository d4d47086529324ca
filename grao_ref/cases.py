"""An evaluation as a table on the terminal, and as Markdown with case studies like those of the paper (tables 4-5)."""

import re

from rich import box
from rich.table import Table
from rich.text import Text

from grao_ref.assessment import Evaluated, Measured

PERCENT = ("RAS", "RAS, ties won", "NAG", "NAG, signed", "unscored", "repetition")
MARKS = re.compile(r"([\\`*_\[\]|~$])")  # what Markdown would read something into, within a line
MEANING = {
    "RAS": "share of answers that beat their reference (eq-5), %",
    "RAS, ties won": "the same, ties counted as wins, %",
    "NAG": "share of prompts answered better than by the base (eq-6), %",
    "NAG, signed": "wins minus losses against the base, %",
    "reward": "mean reward",
    "unscored": "share of prompts whose answer or reference could not be scored, %",
    "length": "tokens of an answer",
    "repetition": "share of three-token runs that the answer has had before, %",
    "KL": "estimate of KL(policy ‖ base) in nats per answer, at the sampling temperature",
    "KL per token": "the same per token",
}


def figures_table(evaluated: Evaluated) -> Table:
    """A column for each policy, a row for each figure, with 95 % bootstrap intervals over prompts."""
    title = f"{len(evaluated.prompts)} held-out prompts, {_sampling(evaluated)}"
    caption = f"95 % bootstrap intervals over prompts. Shares in %: {', '.join(PERCENT)}; KL in nats per answer."
    table = Table(box=box.SIMPLE, title=title, caption=caption)
    table.add_column("figure", no_wrap=True)
    for name in evaluated.figures:
        table.add_column(Text(name), justify="right")
    for figure in _figures(evaluated):
        table.add_row(figure, *(Text(_cell(figure, figures.get(figure))) for figures in evaluated.figures.values()))
    return table


def markdown(evaluated: Evaluated, cases: int) -> str:
    """The same table, what its rows mean, and the first prompts with everybody's answers: the first, not the best."""
    names = list(evaluated.figures)
    lines = [
        "# Evaluation",
        "",
        f"{len(evaluated.prompts)} held-out prompts, one answer each, {_sampling(evaluated)}; 95 % bootstrap intervals "
        "over prompts. The references' mean reward is "
        f"{evaluated.reference_rewards.nanmean().item():.3f}.",
        "",
        f"| figure | {' | '.join(map(in_cell, names))} | meaning |",
        f"| --- |{' ---: |' * len(names)} --- |",
    ]
    for figure in _figures(evaluated):
        cells = [_cell(figure, evaluated.figures[name].get(figure)) for name in names]
        lines.append(f"| {figure} | {' | '.join(cells)} | {MEANING[figure]} |")
    for n in range(min(cases, len(evaluated.prompts))):
        rows = {"reference": (evaluated.references[n], evaluated.reference_rewards[n].item())}
        rows |= {name: (answers.texts[n], answers.rewards[n].item()) for name, answers in evaluated.answers.items()}
        lines += [
            "",
            f"## Case {n + 1}",
            "",
            quoted(evaluated.prompts[n]),
            "",
            "| | answer | reward |",
            "| --- | --- | ---: |",
        ]
        lines += [f"| {in_cell(name)} | {in_cell(text)} | {_reward(reward)} |" for name, (text, reward) in rows.items()]
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """As a block quote of one paragraph, read literally."""
    return f"> {in_cell(text)}"


def in_cell(text: str) -> str:
    """As the content of a table's cell, read literally: nothing in the text is Markdown or HTML, or ends the cell."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "<br>".join(MARKS.sub(r"\\\1", safe).splitlines())


def _figures(evaluated: Evaluated) -> list[str]:
    return [figure for figure in MEANING if any(figure in figures for figures in evaluated.figures.values())]


def _sampling(evaluated: Evaluated) -> str:
    return "greedy" if evaluated.temperature == 0 else f"sampled at temperature {evaluated.temperature}"


def _cell(figure: str, measured: Measured | None) -> str:
    if measured is None:
        return "–"
    value, low, high = (100 * number if figure in PERCENT else number for number in measured)
    digits = 1 if figure in PERCENT or figure == "length" else 3
    if low != low:  # a single prompt
        return f"{value:z.{digits}f}"
    return f"{value:z.{digits}f} [{low:z.{digits}f}, {high:z.{digits}f}]"


def _reward(reward: float) -> str:
    return f"{reward:.2f}" if reward == reward else "–"
