"""What a user's method returns is checked, and what is wrong is refused in a line with the method's name."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.interface import Needs, Rows, Terms
from grao_ref.methods.registry import METHODS, label_of, method_of, register, require_needs
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Advantages
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.loop import train
from tests.extensions.rloo import RLOO

NAME = "wrong"


@pytest.fixture(autouse=True)
def _as_before():
    yield
    METHODS.pop(NAME, None)
    METHODS.pop(f"{__name__}.PASSES_FOR_GRPO", None)


def one_step(**parts):
    policy, task = TabularPolicy(torch.zeros(3, 4).double()), Bandit(torch.tensor([1.0, 0.7, 0.0, 0.2]).double(), 1, 3)
    method = register(replace(RLOO, name=NAME, **parts))
    return next(train(task, policy, replace(PRESETS["bandit"], method=method, num_generations=5, max_steps=1)))


def changed(change):
    """RLOO's objective with other terms."""
    return lambda logprobs, batch, config: change(RLOO.objective(logprobs, batch, config).objective)


def fails(*_):
    return {}["absent"]


def some_rows(samples):
    return Rows(samples, torch.zeros(3, dtype=torch.bool))


@pytest.mark.parametrize(
    ("part", "function", "message"),
    [
        ("objective", changed(lambda J: Terms(J.mean())), r"objective must have shape \(3,\), got shape \(\)"),
        ("objective", changed(lambda J: Terms(J[:, None].expand(3, 5))), r"got shape \(3, 5\)"),
        ("objective", changed(lambda J: J), "objective must return `Terms`, got Tensor"),
        ("objective", changed(lambda J: Terms(J.detach())), "the objective has no gradient"),
        ("objective", changed(lambda J: Terms(J, {"x": J.mean()})), r"metric 'x' must have shape \(3,\)"),
        ("objective", changed(lambda J: Terms(J, {"x": 1.0})), r"metric 'x' must have shape \(3,\), got float"),
        (
            "objective",
            changed(lambda J: Terms(J, {"x": J[:2]})),
            r"metric 'x' must have shape \(3,\), got shape \(2,\)",
        ),
        ("objective", changed(lambda J: Terms(J, {"loss": J})), "the trainer logs loss itself"),
        ("objective", fails, r"objective raised KeyError: 'absent' \(.*test_calls.py, line \d+: return"),
        ("advantages", lambda rewards, config: rewards.outputs, "advantages must return `Advantages`, got Tensor"),
        ("advantages", lambda r, c: Advantages(r.outputs[:, :1], r.reference), r"outputs must have shape \(3, 5\)"),
        ("advantages", fails, "advantages raised KeyError"),
        ("rows", fails, "rows raised KeyError"),
        ("rows", lambda batch, config: batch.rewards.scored, "rows must return `Rows`, got Tensor"),
        ("rows", lambda batch, config: some_rows(batch.rewards.scored[:, :1]), r"samples must have shape \(3, 5\)"),
        ("denominator", fails, "denominator raised KeyError"),
        ("denominator", lambda batch, config: 0, "denominator must be a finite number > 0, got 0"),
    ],
)
def test_a_wrong_result_is_refused_by_name(part, function, message, without_shape_checks):
    with pytest.raises(ValueError, match=message) as error:
        one_step(**{part: function})
    assert NAME in str(error.value) or part == "denominator"


def test_control_the_right_one_trains():
    assert "loss" in one_step().means()


def test_a_method_that_names_its_rows_may_leave_a_metric_out_for_some_prompts():
    fewer = changed(lambda J: Terms(J, {"x": J.detach()[:2] * 0 + 3}))
    report = one_step(objective=fewer, rows=lambda batch, config: some_rows(batch.rewards.scored))
    assert report.metrics["x"].tolist() == [3, 3]
    assert report.means()["x"] == 3


def test_targets_of_another_shape_are_refused(without_shape_checks):
    needs = {"needs": lambda config: Needs(samples=True, critic=True)}
    with pytest.raises(ValueError, match="critique must return `Critique`, got Tensor"):
        one_step(**needs, critique=lambda batch, values, config: values)


@pytest.mark.parametrize("part", ["needs", "check", "label"])
def test_a_part_that_fails_before_training_is_one_line_too(part, without_shape_checks):
    def prepared():
        config = replace(PRESETS["bandit"], method=register(replace(RLOO, name=NAME, **{part: fails})))
        check(config)
        label_of(config)

    with pytest.raises(ValueError, match=f"method 'wrong': {part} raised KeyError: 'absent'"):
        prepared()


def test_one_sequence_for_the_reference_model_is_a_tuple_all_the_same(without_shape_checks):
    with pytest.raises(ValueError, match="reference_model must be a tuple, got 'samples'"):
        require_needs(replace(RLOO, needs=lambda config: Needs(samples=True, reference_model="samples")), Config())


PASSES_FOR_GRPO = replace(RLOO, name="grpo")


def test_a_dotted_path_can_not_lead_to_another_method_of_a_taken_name():
    with pytest.raises(ValueError, match="there is another method 'grpo' already"):
        method_of(f"{__name__}.PASSES_FOR_GRPO")
