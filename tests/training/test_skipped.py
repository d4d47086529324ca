"""Steps that are not finite are skipped, counted and stopped, if the user asks for it."""

import json
import math
from dataclasses import dataclass, replace

import pytest

from grao_ref.policies.tabular import TabularPolicy
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.train import main
from grao_ref.training.loop import proceed, start
from grao_ref.training.machine import Machine
from tests.extensions.overflowing import overflowing
from tests.strategies import noise
from tests.training.bandits import REWARDS
from tests.training.test_undo import is_same, snapshot

LIMIT = r"the objective is -?inf and its gradient's norm (inf|nan): .*; max_skipped_steps is {}, and {} in a row"


def run_of(method: str, machine: Machine | None = None, **settings):
    config = replace(PRESETS["bandit"], method=method, num_generations=4, max_steps=8, **settings)
    training = start(TabularPolicy(noise((3, 4), 0)), config, machine or Machine())
    return training, proceed(Bandit(REWARDS, 1, 3), training, config)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("iterations", [1, 3])
def test_a_skipped_step_changes_nothing_but_the_number_of_steps(optimizer, iterations, planted):
    """Steps 1, 4 and 5 overflow; of three updates, in the third, the first and the second."""
    bad = {1: {1, 4, 5}, 3: {3, 10, 12}}[iterations]  # calls; those of step 4 end with its first
    name = planted(overflowing(bad))
    options = {"optimizer": optimizer, "num_iterations": iterations, "max_skipped_steps": 2}
    training, steps = run_of(name, **options)
    skipped = []
    for _ in range(8):
        before = snapshot(training)
        report = next(steps)
        skipped.append(report.means()["skipped"])
        assert is_same(before, snapshot(training)) == bool(skipped[-1])
        assert all(math.isfinite(mean) for mean in report.means().values())
        assert {"loss", "grad_norm"}.isdisjoint(report.means()) == bool(skipped[-1])
        assert "reference/logp_per_token" in report.means()
    assert skipped == [1, 0, 0, 1, 1, 0, 0, 0]
    assert training.step == 8
    assert training.skipped == 0


def test_more_in_a_row_than_allowed_stop_the_run_and_the_message_names_the_setting(planted):
    training, steps = run_of(planted(overflowing({1, 3, 4, 5})), max_skipped_steps=2)
    for expected in (1, 0, 1, 2):
        next(steps)
        assert training.skipped == expected
    before = snapshot(training)
    with pytest.raises(FloatingPointError, match=LIMIT.format(2, 3)):
        next(steps)
    assert is_same(before, snapshot(training))
    assert (training.step, training.skipped) == (4, 2)


def test_by_default_the_first_one_stops_the_run_and_nothing_is_reported(planted):
    training, steps = run_of(planted(overflowing({2})))
    assert "skipped" not in next(steps).means()
    with pytest.raises(FloatingPointError, match=LIMIT.format(0, 1)):
        next(steps)
    assert training.step == 1


def test_the_count_goes_on_where_a_run_goes_on(planted):
    """A checkpoint keeps `Training.skipped`."""
    training, steps = run_of(planted(overflowing({1, 2})), max_skipped_steps=2)
    training.skipped = 1
    next(steps)
    with pytest.raises(FloatingPointError, match=LIMIT.format(2, 3)):
        next(steps)


def test_an_infinite_gradient_of_a_finite_objective_is_skipped_too(planted):
    method = overflowing(())

    def objective(logprobs, batch, config):
        terms = method.objective(logprobs, batch, config)
        return replace(terms, objective=(terms.objective * 0).sqrt())  # 0, whose slope is not finite

    training, steps = run_of(planted(replace(method, name="steep", objective=objective)), max_skipped_steps=1)
    report = next(steps)
    assert training.skipped == 1
    assert report.means()["skipped"] == 1


@dataclass(frozen=True)
class Second(Machine):
    """One of two processes, where the other one's objective is not finite in the first step."""

    totals: tuple[int, ...] = ()

    def total(self, count: int) -> int:
        return count + (self.totals.pop(0) if self.totals else 0)  # type: ignore[attr-defined]


def test_a_step_is_skipped_in_every_process(planted):
    """The totals of a step: of tokens, and of processes whose update is not finite."""
    training, steps = run_of("sft", Second(totals=[0, 1, 0, 0]), max_skipped_steps=1)
    before = snapshot(training)
    assert next(steps).means()["skipped"] == 1
    assert is_same(before, snapshot(training))
    assert next(steps).means()["skipped"] == 0


def test_the_command_goes_on_and_its_metrics_have_no_number_that_is_not_finite(tmp_path, planted):
    """The first step is skipped (call 1 tries the method out). The learning rate goes on, without a warning."""
    name = planted(overflowing({2, 4}))
    flags = ["--method", name, "--max-steps", "4", "--max-skipped-steps", "1", "--per-device-train-batch-size", "4"]
    flags += ["--max-eval-prompts", "4", "--lr-scheduler-type", "linear", "--output-dir", str(tmp_path)]
    assert main(flags) == 0
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()][1:]
    assert [row["skipped"] for row in rows] == [1, 0, 1, 0]
    assert ["loss" in row for row in rows] == [False, True, False, True]
    assert [row["learning_rate"] for row in rows] == pytest.approx([3e-4 * share for share in (1, 0.75, 0.5, 0.25)])


def test_the_command_stops_beyond_the_limit_in_one_line(tmp_path, planted, capsys):
    name = planted(overflowing({3}))
    flags = ["--method", name, "--max-steps", "4", "--per-device-train-batch-size", "4", "--max-eval-prompts", "4"]
    assert main([*flags, "--output-dir", str(tmp_path)]) == 3
    error = capsys.readouterr().err
    assert error.startswith("error: the objective is -inf")
    assert "max_skipped_steps is 0" in error


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="max_skipped_steps"):
        Config(max_skipped_steps=-1)
