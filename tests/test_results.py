"""What a run writes at its end: the figure, the tables, the model card."""

import math
from dataclasses import replace
from io import StringIO

import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from rich.console import Console

from grao_ref.runs.card import write_card
from grao_ref.runs.results import Curve, Results, completions_table, draw, picture, samples_table, score_table
from grao_ref.settings.config import Config
from grao_ref.training.checkpoint import settings_of


def results(names=("grao, repaired",), runs=1, seeds=(0,), shown=()):
    rows = [
        {"run": name, "seed": seed, "step": step, "reward": 0.1 * step, "objective": -0.5 * step}
        | {"objective_share/exploration": 0.5, "objective_share/imitation": 0.3, "objective_share/alignment": 0.2}
        for name in names
        for seed in seeds
        for step in (1, 2, 3)
    ]
    curves = {name: Curve([0, 3], torch.tensor([[0.2] * runs, [0.4] * runs])) for name in names}
    return Results(curves, 0.7, "grao", list(shown), list(shown), rows)


def test_the_picture_of_one_run_has_three_panels_and_that_of_several_one(tmp_path):
    rewards, loss, parts = picture(results()).axes
    assert [line.get_ydata().tolist() for line in loss.get_lines()[:1]] == [[0.5, 1.0, 1.5]]  # the loss is −objective
    labels = {line.get_label(): line.get_ydata() for line in parts.get_lines()}
    assert {name: values[0] for name, values in labels.items()} == pytest.approx(
        {"exploration": 50, "imitation": 30, "alignment": 20}
    )
    drawn = {line.get_label(): list(line.get_ydata()) for line in rewards.get_lines()}
    assert drawn["grao, repaired"] == pytest.approx([0.2, 0.4])
    assert drawn["references"] == [0.7, 0.7]
    assert rewards.get_title() == "1 run"
    sft = results(("sft",))
    without = [{name: v for name, v in row.items() if "share" not in name} for row in sft.rows]
    assert len(picture(replace(sft, rows=without)).axes) == 2  # no terms to share
    (several,) = picture(results(("sft", "grpo"))).axes
    assert {line.get_label() for line in several.get_lines()} == {"sft", "grpo", "references"}
    (seeds,) = picture(results(runs=2, seeds=(0, 1))).axes
    assert seeds.get_title() == "mean and middle 80 % of 2 runs"
    draw(results(), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_tables_show_answers_as_they_are():
    shown = [("long " * 100 + "[INST] 1+1? [/INST]", "[bold]two[/bold] :smile:", math.nan)]
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


def test_the_card_is_what_the_hub_reads(tmp_path):
    config = Config(imitation_coef=0.25)
    scores = (0.36, 0.667, 0.9)
    write_card(tmp_path, config, name="grao, repaired", note="Method: grao.", scores=scores, version="1.2.3")
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.library_name == "transformers"
    assert card.data.tags == ["grao_ref", "grao"]
    assert card.text.lstrip().startswith("# tiny, trained by grao, repaired")
    for line in (
        "| before training | 0.360 |",
        "| the references | 0.667 |",
        "| after training | 0.900 |",
        "Method: grao.",
    ):
        assert line in card.text
    settings = yaml.safe_load(card.text.split("```yaml\n")[1].split("```")[0])
    assert settings == settings_of(config)
    assert settings["imitation_coef"] == 0.25
