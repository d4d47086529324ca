"""A step of several updates is made as a whole or not at all, bit for bit, whatever ends it."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.embedded import tiny_model
from grao_ref.policies.lora import add_lora
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training import update as update_module
from grao_ref.training.loop import proceed, start
from tests.extensions.overflowing import overflowing
from tests.sorting_twin import ANSWER, END, Sorting
from tests.strategies import noise
from tests.training.bandits import REWARDS

CASES = ["tabular grao", "tabular ppo", "model grao", "model ppo", "model dpo", "lora grao"]
SMALL = {"num_generations": 4, "num_iterations": 3, "learning_rate": 1e-2, "warmup_steps": 1}


def begun(case: str, optimizer: str, method: str):
    """(task, training, config) of a run before its first step."""
    kind, _ = case.split()
    if kind == "tabular":
        config = replace(PRESETS["bandit"], method=method, optimizer=optimizer, **SMALL)
        return Bandit(REWARDS, 1, 3), start(TabularPolicy(noise((3, 4), 0)), config), config
    config = Config(method=method, optimizer=optimizer, **SMALL)
    model = tiny_model()
    if kind == "lora":
        pytest.importorskip("peft", reason="needs the extra [peft]")
        add_lora(model, r=2, alpha=4, target_modules=())
    policy = CausalLMPolicy(model, eos_ids=[END], max_completion_length=ANSWER, critic="ppo" in method)
    return Sorting(2), start(policy, config), config


def snapshot(training) -> dict[str, torch.Tensor]:
    """Every trained tensor and every number of the optimiser."""
    found = {f"tensor {n}": each.detach().clone() for n, each in enumerate(training.policy.parameters())}
    for n, moments in training.optimizer.state_dict()["state"].items():
        found |= {f"{name} {n}": value.clone() for name, value in moments.items() if isinstance(value, torch.Tensor)}
    return found | {"rate": torch.tensor(training.schedule.get_last_lr())}


def is_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def failed_in(call: int, case: str, optimizer: str, planted, error: BaseException | None = None):
    """Snapshots before and after the step in which this call of the objective fails."""
    method = overflowing({call}, case.split()[1], raised=error)
    task, training, config = begun(case, optimizer, planted(method))
    steps = proceed(task, training, config)
    for _ in range((call - 1) // 3):
        next(steps)
    before = snapshot(training)
    kind = FloatingPointError if error is None else ValueError if isinstance(error, SystemExit) else type(error)
    with pytest.raises(kind):  # a method must not end the program
        next(steps)
    return before, snapshot(training)


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("case", CASES)
def test_a_step_that_is_refused_in_one_of_its_updates_changes_nothing(case, optimizer, call, planted):
    """In calls 1 to 3 the optimiser has no state yet."""
    before, after = failed_in(call, case, optimizer, planted)
    assert is_same(before, after)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(0), torch.OutOfMemoryError("no room")], ids=repr)
def test_whatever_ends_a_step_in_its_middle_changes_nothing(error, planted):
    before, after = failed_in(5, "model grao", "adam", planted, error)
    assert is_same(before, after)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_control_without_the_copy_the_first_updates_stay(optimizer, planted, monkeypatch):
    monkeypatch.setattr(update_module, "all_or_nothing", lambda optimizer: nullcontext())
    assert not is_same(*failed_in(5, "model grao", optimizer, planted))
    assert is_same(*failed_in(4, "model grao", optimizer, planted))  # the first update of a step: nothing to undo


def test_a_run_goes_on_after_a_refused_step_as_if_it_had_not_been_tried(planted):
    """The same batch again: moments and the numbers of their steps are those of a run without the failure."""
    results = []
    for calls in ({5}, set()):
        task, training, config = begun("tabular ppo", "adam", planted(overflowing(calls, "ppo")))
        next(proceed(task, training, config))
        dice = training.rng.get_state()
        if calls:
            with pytest.raises(FloatingPointError):
                next(proceed(task, training, config))
            training.rng.set_state(dice)
        next(proceed(task, training, config))
        results.append(snapshot(training))
    assert is_same(*results)


def test_a_step_of_one_update_makes_no_copy(planted, monkeypatch):
    monkeypatch.setattr(update_module, "all_or_nothing", None)
    task, training, config = begun("tabular grao", "adam", "grao")
    next(proceed(task, training, replace(config, num_iterations=1)))
    with pytest.raises(TypeError):  # control: with three there would be one
        next(proceed(task, training, config))
