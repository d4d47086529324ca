"""The learning rate of each step."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from transformers import get_scheduler
from transformers.trainer_utils import SchedulerType

from grao_ref.settings.config import Config
from grao_ref.settings.groups.steps import Schedule
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.train import main
from grao_ref.training.checkpoint import load_checkpoint, save_checkpoint
from grao_ref.training.loop import proceed, start
from grao_ref.training.schedule import fixed_by_schedule, make_schedule, warmup_of
from tests.command import refused, rows_of
from tests.seals import resealed

NEEDED = {
    "cosine_with_min_lr": {"min_lr_rate": 0.1},
    "cosine_warmup_with_min_lr": {"min_lr": 0.01},
    "warmup_stable_decay": {"num_decay_steps": 3},
}
BANDIT = replace(PRESETS["bandit"], num_seeds=3, max_steps=6, num_generations=4, optimizer="adam", eval_steps=6)


def optimizer_of(rate=0.3) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def rates_of(schedule, steps: int) -> list[float]:
    """The rate of each step, as the optimiser has it when the step is made."""
    rates = []
    for _ in range(steps):
        rates.append(schedule.optimizer.param_groups[0]["lr"])
        schedule.optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("name", get_args(Schedule))
def test_every_schedule_is_transformers_own(name):
    settings = {"lr_scheduler_type": name, "lr_scheduler_kwargs": NEEDED.get(name)}
    ours = make_schedule(optimizer_of(), Config(warmup_steps=2, max_steps=8, learning_rate=0.3, **settings))
    wanted = "constant_with_warmup" if name == "constant" else name
    theirs = get_scheduler(wanted, optimizer_of(), 2, 8, NEEDED.get(name))
    rates = rates_of(ours, 8)
    assert rates == rates_of(theirs, 8)
    assert len(set(rates)) > 2  # control: it moves


def test_the_names_are_transformers_names_but_for_those_that_need_a_metric():
    known = {each.value for each in SchedulerType}
    assert set(get_args(Schedule)) <= known
    assert known - set(get_args(Schedule)) <= {"reduce_lr_on_plateau", "greedy"}


def test_a_constant_rate_is_exactly_the_rate_and_warms_up_only_if_it_is_asked_to():
    assert rates_of(make_schedule(optimizer_of(), Config()), 5) == [0.3] * 5
    assert rates_of(make_schedule(optimizer_of(), Config(warmup_steps=3)), 5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.3])


def test_a_share_of_the_steps_is_rounded_up_and_a_number_of_steps_comes_first():
    assert warmup_of(Config(max_steps=15, warmup_ratio=0.1)) == 2
    assert warmup_of(Config(max_steps=15, warmup_ratio=0.1, warmup_steps=5)) == 5
    assert warmup_of(Config(max_steps=15)) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "cosine_with_min_lr schedule: One of min_lr or min_lr_rate"),
        ({"lr_scheduler_type": "linear", "lr_scheduler_kwargs": {"min_lr": 0}}, "unexpected keyword argument 'min_lr'"),
        ({"lr_scheduler_kwargs": {"min_lr": 0}}, "constant schedule: it has none, got min_lr"),
        ({"lr_scheduler_type": "warmup_stable_decay"}, "num_decay_steps"),
    ],
)
def test_what_a_schedule_has_not_or_needs_is_said(settings, message):
    with pytest.raises(ValueError, match=rf"lr_scheduler_kwargs of the .*{message}"):
        make_schedule(optimizer_of(), Config(**settings))


def test_the_log_has_the_rate_that_the_step_was_made_with(tmp_path):
    """With plain gradient ascent, a step at the rate 0 moves nothing, and the next one does."""
    flags = ["--preset", "bandit", "--num-seeds", "1", "--max-steps", "4", "--eval-steps", "1"]
    flags += ["--lr_scheduler_type", "linear", "--warmup_steps", "2", "--num-iterations", "2"]
    assert main([*flags, "--output-dir", str(tmp_path)]) == 0
    start_, *steps = rows_of(tmp_path)
    assert [row["learning_rate"] for row in steps] == pytest.approx([0, 0.1, 0.2, 0.1])  # the preset's rate is 0.2
    assert start_["eval_reward"] == steps[0]["eval_reward"] != steps[1]["eval_reward"]


@pytest.mark.parametrize("name", ["linear", "cosine", "inverse_sqrt", "constant"])
def test_a_resumed_run_has_the_rates_and_the_weights_of_one_run(name, tmp_path):
    config = replace(BANDIT, lr_scheduler_type=name, warmup_steps=2)

    def run(steps, begin=None):
        setup = prepare(config)
        training = start(setup.policy, config)
        if begin is not None:
            load_checkpoint(begin, training, config)
        rates = []
        for report in proceed(setup.task, training, config):
            rates.append(report.means()["learning_rate"])
            if report.step == steps:
                break
        return rates, training

    whole, at_once = run(6)
    first, training = run(3)
    folder = save_checkpoint(tmp_path, training, config)
    second, resumed = run(6, begin=folder)
    assert first + second == whole
    assert len(set(whole)) > 1
    for p, q in zip(at_once.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(p, q)
    # control: without the schedule's state the rates begin again
    with resealed(folder) as about:
        about["schedule"] = make_schedule(optimizer_of(config.learning_rate), config).state_dict()
    assert run(6, begin=folder)[0] != second


@pytest.mark.parametrize(
    ("settings", "fixed"),
    [
        ({}, set()),
        ({"warmup_steps": 5}, set()),
        ({"lr_scheduler_type": "inverse_sqrt", "warmup_steps": 5}, set()),
        ({"warmup_ratio": 0.1}, {"max_steps", "num_train_epochs"}),
        ({"warmup_ratio": 0.1, "warmup_steps": 5}, set()),
        ({"lr_scheduler_type": "linear"}, {"max_steps", "num_train_epochs"}),
        ({"lr_scheduler_type": "cosine", "num_train_epochs": 2.0}, {"num_train_epochs"}),
    ],
)
def test_the_number_of_steps_is_fixed_only_where_the_rates_depend_on_it(settings, fixed):
    assert fixed_by_schedule(Config(**settings)) == fixed


def test_a_run_with_a_linear_schedule_is_not_resumed_for_another_number_of_steps(tmp_path, capsys):
    flags = ["--preset", "bandit", "--num-seeds", "1", "--save-steps", "2", "--max-steps", "4"]
    for name in ("linear", "constant"):
        assert main([*flags, "--lr_scheduler_type", name, "--output-dir", str(tmp_path / name)]) == 0
    capsys.readouterr()
    resume = ["--config", tmp_path / "linear" / "config.yaml", "--resume-from-checkpoint", tmp_path / "linear"]
    line = refused(main, [*resume, "--max-steps", "6"], capsys)
    assert "max_steps was 4 and is 6; the schedule of the learning rate depends on the number of steps" in line
    resume = ["--config", tmp_path / "constant" / "config.yaml", "--resume-from-checkpoint", tmp_path / "constant"]
    assert main([*map(str, resume), "--max-steps", "6"]) == 0  # control
    assert [row["step"] for row in rows_of(tmp_path / "constant")] == list(range(7))
