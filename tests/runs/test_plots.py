"""The picture that a run leaves."""

from dataclasses import replace

import pytest

from grao_ref.runs.plots import draw, picture
from tests.runs.results import results


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
