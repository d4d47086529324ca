"""A metric of one's own appears wherever the built-in ones do, without a changed line in the package."""

import json
from dataclasses import replace

import pytest

from grao_ref.evaluate import main
from grao_ref.evaluation.metrics import BUILT_IN, METRICS, register_metric
from grao_ref.train import main as train
from tests.command import SMALL
from tests.extensions.metric import PERFECT, perfect


@pytest.fixture(autouse=True)
def _as_before():
    yield
    METRICS.clear()
    METRICS.update({metric.name: metric for metric in BUILT_IN})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert train([*SMALL, "--max-steps", "2", "--output-dir", str(folder)]) == 0
    return folder


def shown(run, folder, capsys):
    """The terminal, evaluation.md and evaluation.json of an evaluation."""
    flags = ["--max-eval-prompts", "30", "--resamples", "20", "--output-dir", str(folder)]
    assert main([str(run), *flags]) == 0
    page = (folder / "evaluation.md").read_text()
    return capsys.readouterr().out, page, json.loads((folder / "evaluation.json").read_text())


def test_a_registered_metric_is_in_the_table_the_page_and_the_file_and_gone_when_removed(run, tmp_path, capsys):
    register_metric(PERFECT)
    terminal, page, file = shown(run, tmp_path / "with", capsys)
    rewards = {policy: each["perfect"] for policy, each in file.items()}
    assert list(rewards) == ["base", f"grao, repaired ({run.name})"]
    value, low, high = rewards["base"]
    assert 0 <= low <= value <= high < 0.5  # one answer in ten is right before training
    assert round(value * 30) == pytest.approx(value * 30)  # a share of thirty prompts
    (row,) = [line for line in page.splitlines() if line.startswith("| perfect |")]
    assert f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]" in row
    assert row.endswith(r"| share of answers with \| the highest reward, % |")
    (line,) = [line for line in terminal.splitlines() if line.split()[:1] == ["perfect"]]
    assert f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]" in line
    METRICS.pop("perfect")
    for place in shown(run, tmp_path / "without", capsys):
        assert "perfect" not in str(place)


def test_one_that_is_not_defined_is_left_out(run, tmp_path, capsys):
    register_metric(replace(PERFECT, values=lambda comparison: None))
    for place in shown(run, tmp_path, capsys):
        assert "perfect" not in str(place)


def test_its_own_statistic_is_used(run, tmp_path, capsys):
    register_metric(replace(PERFECT, unit="", statistic=lambda values: values.sum().item()))
    _, _, file = shown(run, tmp_path, capsys)
    value = file["base"]["perfect"][0]
    assert value == round(value)


def test_a_taken_name_is_refused_and_the_same_metric_is_not():
    with pytest.raises(ValueError, match="there is another metric 'RAS' already"):
        register_metric(replace(PERFECT, name="RAS"))
    assert register_metric(PERFECT) is register_metric(PERFECT) is PERFECT
    with pytest.raises(ValueError, match="there is another metric 'perfect' already"):
        register_metric(replace(PERFECT, meaning="another", values=perfect))
    with pytest.raises(ValueError, match="a metric needs a name"):
        register_metric(replace(PERFECT, name=" "))
