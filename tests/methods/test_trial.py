"""A method is tried on made-up numbers before its first step: what is wrong is found, and what is right passes."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.interface import Needs, Terms
from grao_ref.methods.registry import BUILT_IN, METHODS, register
from grao_ref.methods.trial import try_out
from grao_ref.records import Advantages, Batch
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.tasks.bandit import Bandit
from grao_ref.text.padding import padded
from tests.extensions.rloo import RLOO

ROWS = Batch(padded([[1, 2], [3]]), padded([[4], [5, 6, 7]]), rejected=padded([[8, 9], [1]]))
PROMPTS_ALONE = Batch(padded([[1, 2], [3]]), padded([[], []]))
PLUG_INS = ("tests.extensions.rloo.RLOO", "tests.extensions.luffy.LUFFY", "tests.extensions.ipo.IPO")


@pytest.fixture(autouse=True)
def _as_before(without_shape_checks):
    yield
    METHODS.pop("wrong", None)


@pytest.mark.parametrize("method", [*BUILT_IN, *PLUG_INS])
@pytest.mark.parametrize("beta", [None, 0.2])
def test_methods_that_are_right_pass_whatever_they_need(method, beta):
    config = Config(method=method, num_generations=3, beta=beta)
    try_out(config, ROWS)
    try_out(config, Bandit(torch.tensor([1.0, 0.7, 0.0]).double(), 1, 4).draw(torch.Generator()))


@pytest.mark.parametrize("method", ["grpo", "ppo"])
def test_prompts_without_references_are_enough_for_methods_that_do_not_read_them(method):
    try_out(Config(method=method, beta=0.1), PROMPTS_ALONE)


@pytest.mark.parametrize(
    ("part", "function", "message"),
    [
        ("objective", lambda *_: Terms(torch.zeros(())), r"objective must have shape \(2,\), got shape \(\)"),
        ("objective", lambda *_: torch.zeros(2), "objective must return `Terms`, got Tensor"),
        ("objective", lambda *_: {}["absent"], "objective raised KeyError: 'absent'"),
        ("objective", lambda logprobs, batch, config: Terms(batch.critique.returns), "objective raised AttributeError"),
        ("advantages", lambda rewards, config: rewards.outputs, "advantages must return `Advantages`"),
        ("advantages", lambda r, c: Advantages(r.outputs[:, :1], r.reference), r"outputs must have shape \(2, 8\)"),
        ("denominator", lambda batch, config: None, "the denominator must be a finite number > 0, got None"),
        ("denominator", lambda batch, config: -1, "the denominator must be a finite number > 0, got -1"),
        (
            "needs",
            lambda config: Needs(samples=True, reference_model=("rejected",)),
            "ask for log-probabilities of rejected, and not for rejected themselves",
        ),
    ],
)
def test_what_a_method_returns_wrongly_is_found(part, function, message):
    name = register(replace(RLOO, name="wrong", **{part: function}))
    with pytest.raises(ValueError, match=message):
        try_out(Config(method=name), replace(ROWS, rejected=None))


def test_a_setup_tries_its_method():
    name = register(replace(RLOO, name="wrong", objective=lambda *_: None))
    for config in (replace(PRESETS["bandit"], method=name), Config(method=name)):
        with pytest.raises(ValueError, match="method 'wrong': objective must return `Terms`, got NoneType"):
            prepare(config)
