"""Every bad input of every public equation is refused, and the message names the argument.

One table states what each argument is; from it the bad values are made: another kind, another shape, NaN, a group of
one, a number out of range, an unknown word. All arguments but the bad one are as they should be.
"""

import ast
import importlib
import inspect
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import config
from torch import Tensor

import grao_ref
from grao_ref.equations.checks import require_nonnegative
from tests.strategies import noise, seeds

EQUATIONS = Path(grao_ref.__file__).parent / "equations"
# What an argument is: a tensor by its dimensions (B: one or two leading ones), or a number, or a word.
ESTIMATOR = {"logprobs": "B T", "ref_logprobs": "B T", "mask": "bool B T"}
LOGLIK = {"token_logprobs": "B T", "mask": "bool B T"}
PAIR = {"chosen": "B", "rejected": "B", "ref_chosen": "B", "ref_rejected": "B"}
CLIPPED = {"epsilon_low": "in [0, 1]", "epsilon_high": ">= 0"}
LOGITS = {"logits": "B T V", "ids": "int B T", "mask": "bool B T", "temperature": "> 0"}
WEIGHTS = {"advantages": "finite B G", "reference_advantage": "finite B", "beta": ">= 0", "lam": ">= 0"}
GRAO = {"output_loglik": "B G", "reference_loglik": "B"} | WEIGHTS
TABLE = {
    "advantage.group_advantages": {"rewards": "finite B G", "reference_reward": "finite B", "pool": "outputs"},
    "advantage.scored_advantages": {
        "rewards": "finite B G",
        "reference_reward": "finite B",
        "scored": "bool B G",
        "reference_scored": "bool B",
        "pool": "outputs",
    },
    "advantage.standardize": {"values": "B M", "pool": "B P"},
    "divergence.exact_kl": {"logprobs": "B K", "ref_logprobs": "B K"},
    "divergence.k1": ESTIMATOR,
    "divergence.k2": ESTIMATOR,
    "divergence.k3": ESTIMATOR,
    "divergence.importance_corrected": {
        "divergence": "B T",
        "logprobs": "B T",
        "old_logprobs": "B T",
        "mask": "bool B T",
    },
    "dpo.preference_margin": PAIR,
    "dpo.dpo_objective": PAIR | {"kl_coef": "> 0"},
    "dpo.ipo_objective": PAIR | {"kl_coef": "> 0"},
    "grao.grao_objective": GRAO,
    "grao.grao_objective_while_ahead": GRAO,
    "grao.likelihood_weights": WEIGHTS,
    "grao.likelihood_weights_while_ahead": WEIGHTS,
    "grao.imitate_while_ahead": {"reference_advantage": "finite B"},
    "grpo.grpo_advantages": {"rewards": "finite B G"},
    "grpo.grpo_objective": {"logprobs": "B T", "old_logprobs": "B T", "advantages": "B", "mask": "bool B T"} | CLIPPED,
    "logprob.token_logprobs": LOGITS,
    "logprob.next_token_logprobs": LOGITS,
    "logprob.probability_ratio": {"logprobs": "B T", "old_logprobs": "B T", "mask": "bool B T"},
    "logprob.sum_log_likelihood": LOGLIK,
    "logprob.mean_log_likelihood": LOGLIK,
    "masked.hide": {"values": "B T", "mask": "bool B T"},
    "masked.masked_sum": {"values": "B T", "mask": "bool B T"},
    "masked.masked_mean": {"values": "B T", "mask": "bool B T"},
    "masked.over_scored": {"values": "B G", "scored": "bool B G"},
    "metrics.relative_adversarial_score": {"scores": "real N", "ties": "half"},
    "metrics.normalized_alignment_gain": {"after": "real N", "before": "real N", "signed": "flag"},
    "ppo.token_rewards": {"scores": "B"} | ESTIMATOR | {"kl_coef": ">= 0"},
    "ppo.generalized_advantages": {
        "rewards": "B T",
        "values": "B T",
        "mask": "bool B T",
        "gamma": "in [0, 1]",
        "gae_lambda": "in [0, 1]",
    },
    "ppo.whiten": {"advantages": "finite B T", "mask": "bool B T"},
    "ppo.ppo_objective": {"logprobs": "B T", "old_logprobs": "B T", "advantages": "B T", "mask": "bool B T"} | CLIPPED,
    "ppo.value_error": {
        "values": "B T",
        "old_values": "B T",
        "returns": "B T",
        "mask": "bool B T",
        "clip_range": ">= 0",
    },
    "reduce.batch_loss": {"terms": "B", "denominator": "> 0"},
    "reduce.sequence_count": {"mask": "bool B T"},
    "reduce.token_count": {"mask": "bool B T"},
    "reduce.token_budget": {"mask": "bool B T", "max_completion_length": "> 0"},
    "sft.sft_objective": LOGLIK,
}
WORDS, FLAGS = ("outputs", "half"), ("flag",)
RANGES = {">= 0": [-0.1], "> 0": [0, -0.1], "in [0, 1]": [-0.1, 1.1]}


@pytest.fixture(scope="module", autouse=True)
def only_the_package_s_own_checks():
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)


def is_tensor(what: str) -> bool:
    return what not in RANGES and what not in WORDS and what not in FLAGS


def good(what: str, shape: tuple[int, ...], seed: int) -> object:
    """What the argument should be."""
    if what in WORDS:
        return what
    if not is_tensor(what):
        return 0.5
    values = noise(shape, seed)
    if what.startswith("int"):
        return torch.zeros(shape, dtype=torch.int64)
    if what.startswith("bool"):
        return torch.arange(values.numel()).view(shape) < values.numel() - 1  # all count but the last
    return values


def bad(what: str, value: object, others: list[str]) -> Iterator[tuple[str, object]]:
    """(kind of badness, bad value); `others` is what the function's other tensors are, which this one has to fit."""
    if what in WORDS:
        yield "word", "no such word"
    if what in RANGES:
        numbers = [*RANGES[what], math.nan, math.inf, "0.5", None, torch.tensor([0.5])]
        yield from (("number", number) for number in numbers)
    if not isinstance(value, Tensor):
        return
    yield from (("kind", other) for other in (value.tolist(), None, 1.0))
    if not what.startswith("real"):
        wrong = value.float() if what.startswith(("bool", "int")) else value.long()
        yield from (("kind", other) for other in (wrong, value.to(torch.complex64)))
    if what.startswith(("finite", "real")):
        for number in (math.nan, math.inf, -math.inf):
            spoilt = value.clone()
            spoilt.view(-1)[0] = number
            yield "finite", spoilt
    if what.startswith("real"):
        yield from (("kind", other) for other in (value[:0], value[None], value[0]))
    if what.endswith("G"):
        yield from (("group", other) for other in (value[..., :1], value[..., :0], value.flatten()[0]))
    if others and not what.startswith("real"):
        yield from (("shape", other) for other in (value[None], value[0]))
    if any(what[-1] in other for other in others):  # else any size of the last dimension is right
        yield from (("shape", other) for other in (value[..., :1], torch.cat([value, value], dim=-1)))


def call(name: str, arguments: dict[str, object]) -> object:
    """The equation, given its arguments by name."""
    module, function = name.split(".")
    return getattr(importlib.import_module(f"grao_ref.equations.{module}"), function)(**arguments)


sizes = st.fixed_dictionaries({letter: st.integers(2, 4) for letter in "GTVMPKN"})
leading = st.lists(st.integers(2, 3), min_size=1, max_size=2)


@pytest.mark.parametrize("name", TABLE)
@settings(max_examples=5)
@given(sizes, leading, seeds)
def test_bad_input_is_refused_by_name(name, sizes, leading, seed):
    what_of = TABLE[name]
    shapes = {
        argument: tuple(n for d in what.split() for n in (leading if d == "B" else [sizes[d]] if d in sizes else []))
        for argument, what in what_of.items()
    }
    right = {argument: good(what, shapes[argument], seed) for argument, what in what_of.items()}
    call(name, right)  # control: as they should be, they are accepted
    tensors = [argument for argument, what in what_of.items() if is_tensor(what)]
    for argument, what in what_of.items():
        for badness, value in bad(what, right[argument], [what_of[other] for other in tensors if other != argument]):
            with pytest.raises(ValueError) as error:  # noqa: PT011 compared below
                call(name, right | {argument: value})
            message = str(error.value)
            named = message.split(" must ")[0]
            assert named in tensors if badness in ("shape", "group") else named == argument, (badness, value, message)
            assert " got " in message
            assert badness != "finite" or "must be finite" in message
            assert badness != "shape" or "shape" in message


@pytest.mark.parametrize("name", [name for name, what_of in TABLE.items() if any("G" in w for w in what_of.values())])
@pytest.mark.parametrize("size", [0, 1])
def test_a_group_of_one_is_refused_where_all_tensors_have_one(name, size):
    sizes = {"B": 3, "G": size}
    shapes = {argument: tuple(sizes[d] for d in what.split() if d in sizes) for argument, what in TABLE[name].items()}
    arguments = {argument: good(what, shapes[argument], 0) for argument, what in TABLE[name].items()}
    with pytest.raises(ValueError, match=r"must end in a group of at least 2 samples, got shape \(3, "):
        call(name, arguments)


def test_the_largest_float_is_a_number_and_nothing_above_it():
    require_nonnegative(x=sys.float_info.max)
    for above in (math.inf, 10**309):
        with pytest.raises(ValueError, match="x must be a finite number >= 0"):
            require_nonnegative(x=above)


def test_ids_outside_the_vocabulary_are_refused():
    for name in ("logprob.token_logprobs", "logprob.next_token_logprobs"):
        for id_ in (-1, 4):
            arguments = {"logits": noise((3, 4), 0), "ids": torch.tensor([0, 0, id_]), "mask": torch.ones(3).bool()}
            with pytest.raises(ValueError, match=rf"^ids must lie in \[0, 4\), got {id_}$"):
                call(name, arguments)


def test_the_table_has_every_argument_of_every_public_equation():
    functions = {
        f"{path.stem}.{node.name}"
        for path in EQUATIONS.glob("*.py")
        if path.stem not in ("checks", "ranges")  # what refuses, and is no equation
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert functions == set(TABLE)
    for name, what_of in TABLE.items():
        module, function = name.split(".")
        equation = getattr(importlib.import_module(f"grao_ref.equations.{module}"), function)
        assert list(inspect.signature(equation).parameters) == list(what_of), name
