"""The picture that a run leaves."""

from dataclasses import replace

import pytest

from grao_ref.runs.plots import draw, picture
from tests.runs.results import results, unscored


def test_the_picture_of_one_run_has_three_panels_and_that_of_several_one(tmp_path):
    rewards, loss, parts = picture(results()).axes
    assert [line.get_ydata().tolist() for line in loss.get_lines()[:1]] == [[0.5, 1.0, 1.5]]  # as it is logged
    assert loss.get_ylabel() == "loss"
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


def test_without_a_reward_each_measure_of_the_held_out_rows_has_a_panel_and_the_loss_both_its_curves(tmp_path):
    accuracy, margin, loglik, loss = picture(unscored()).axes
    assert [axes.get_title() for axes in (accuracy, margin, loglik)] == [
        "held-out rows: accuracy of pairs",
        "held-out rows: margin of pairs",
        "held-out rows: log-likelihood of y, nats/token",
    ]
    assert accuracy.get_lines()[0].get_ydata().tolist() == [0.0, 0.75]
    assert accuracy.get_ylim() == (0, 1.02)
    drawn = {line.get_label(): [float(value) for value in line.get_ydata()] for line in loss.get_lines()}
    assert drawn["each training step"] == [0.5, 1.0, 1.5]
    assert drawn["held-out rows"] == pytest.approx([0.7, 0.3])
    *_, loss = picture(unscored(runs=2, seeds=(0, 1))).axes
    assert "each training step" not in {line.get_label() for line in loss.get_lines()}  # of several runs
    draw(unscored(), tmp_path / "curves.png")


def test_prompts_without_references_have_no_line_of_references():
    rewards, *_ = picture(replace(results(), reference=None)).axes
    assert "references" not in {line.get_label() for line in rewards.get_lines()}
