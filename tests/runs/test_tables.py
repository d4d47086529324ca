"""Tables on the terminal."""

import math
import re
from dataclasses import replace
from io import StringIO

import pytest
import torch
from rich.console import Console

from grao_ref.runs.results import Curve
from grao_ref.runs.tables import completions_table, number, samples_table, score_table, shortened
from tests.runs.results import results, unscored


def test_an_interval_needs_several_runs():
    assert Curve([0], torch.tensor([[0.5]])).at(0) == "0.500"
    assert (
        Curve([0, 1], torch.tensor([[0.0, 0.0], [0.0, 1.0]])).at(1) == "0.500 ± 6.353"
    )  # Student with one degree of freedom


def test_tables_show_answers_as_they_are():
    shown = [("long " * 100 + "[INST] 1+1? [/INST]", "[bold]two[/bold] :smile:", None)]
    console = Console(width=200, file=StringIO())
    console.print(samples_table(results(shown=shown)))
    row = {"step": 3, "prompt": "[/a]", "completion": "[b]", "kind": None, "advantage": 0.5}
    console.print(completions_table([row], 1))
    console.print(score_table(results()))
    text = console.file.getvalue()
    for expected in ("[INST] 1+1? [/INST]", "…", "[bold]two[/bold] :smile:", "[/a]", "[b]", "–", "0.50"):
        assert expected in text
    assert "references: 0.700" in text
    assert "nan" not in text


@pytest.mark.parametrize(("value", "shown"), [(None, "–"), (math.nan, "–"), (0.5, "0.50"), (-1.0, "-1.00")])
def test_what_could_not_be_scored_is_a_dash(value, shown):
    assert number(value) == shown


def test_a_long_text_is_shown_from_its_end():
    assert shortened("a" * 200 + "b", length=3) == "…aab"
    assert shortened("abc", length=3) == "abc"


def test_a_run_without_a_reward_shows_what_its_held_out_rows_came_to():
    console = Console(width=100, file=StringIO())
    console.print(score_table(unscored()))
    console.print(samples_table(unscored()))
    text = console.file.getvalue()
    lines = [line.split() for line in text.splitlines()]
    assert "the held-out rows under dpo" in text
    assert "greedy answers of dpo, seed 0" in text  # on one line, although the answers are short
    assert ["measure", "base", "step", "3"] in lines
    order = [line.strip().split("  ")[0] for line in text.splitlines() if re.search(r"-?\d\.\d{3} +-?\d\.\d{3}", line)]
    assert order == ["accuracy of pairs", "margin of pairs", "log-likelihood of y, nats/token", "loss", "mine"]
    assert "reward" not in text
    assert "references" not in text


def test_prompts_without_references_have_no_references_to_compare_with():
    console = Console(width=100, file=StringIO())
    console.print(score_table(replace(results(), reference=None)))
    assert "mean reward" in console.file.getvalue()
    assert "references" not in console.file.getvalue()


def test_a_column_that_a_reward_function_logged_is_shown_whatever_it_holds():
    row = {"step": 3, "prompt": "p", "completion": "c", "f": 1.0, "advantage": 0.5, "tests": ["[b]", 2], "ok": True}
    console = Console(width=100, file=StringIO())
    console.print(completions_table([row], 1))
    assert "['[b]', 2]" in console.file.getvalue()
