"""Sums by hand, and a one-line error for every mistake of a user's reward function."""

import asyncio
import gc
import math
import re
from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch

from grao_ref.rewards.checkers import exact
from grao_ref.rewards.scorer import ScoreLists, Scorer, name_of, named
from grao_ref.rewards.trl import TrainerState

PROMPTS, SAID, REFERENCES = ["p", "q", "r"], ["a", "bb", "ccc"], ["x", "y", "z"]
TALK = [{"role": "user", "content": "hi"}]


def length(completions, **columns):
    return [len(completion) for completion in completions]


def score(functions, weights=None, **changes):
    arguments = {"references": REFERENCES, "columns": {}} | changes
    return Scorer(functions, weights)(PROMPTS, SAID, **arguments)


def constant(*rewards):
    return lambda **columns: list(rewards)


def test_total_is_the_weighted_sum_over_those_that_could_score():
    scores = score({"f": constant(1, None, None), "g": constant(10, 20, None)}, [2.0, 0.5])
    assert scores == ScoreLists([7.0, 10.0, None], {"f": [1.0, None, None], "g": [10.0, 20.0, None]})


def test_weights_are_1_if_left():
    assert score({"f": constant(1, 2, 3), "g": constant(1, 1, None)}).total == [2.0, 3.0, 3.0]


def test_a_function_of_weight_0_is_watched_and_never_counted():
    scores = score({"f": constant(1, None, 3), "g": constant(9, 9, 9)}, [1.0, 0.0])
    assert scores.total == [1.0, None, 3.0]
    assert scores.parts["g"] == [9.0, 9.0, 9.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"2 reward functions \(f, g\) got 1 weights"),
        ([1.0, math.nan], "weight of reward function 'g' must be a finite number, got nan"),
        ([1.0, math.inf], "weight of reward function 'g'"),
        ([1.0, "2"], "weight of reward function 'g' must be a finite number, got '2'"),
        ([0.0, 0.0], "at least one reward function needs a weight other than 0"),
    ],
)
@pytest.mark.usefixtures("without_shape_checks")
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        Scorer({"f": length, "g": length}, weights)


def test_no_function():
    with pytest.raises(ValueError, match="at least one reward function is needed"):
        Scorer({})


def test_texts_stay_texts_and_messages_come_as_messages():
    seen = []

    def look(prompts, completions):
        seen.append((prompts, completions))
        return [0.0] * len(prompts)

    Scorer({"look": look})(["p"], ["a"], references=["x"], columns={})
    Scorer({"look": look})([TALK], ["a"], references=["x"], columns={})
    assert seen == [(["p"], ["a"]), ([TALK], [[{"role": "assistant", "content": "a"}]])]


def test_functions_get_what_they_name_and_with_kwargs_everything():
    columns = {
        "solution": [1, 2, 3],
        "level": [4, 5, 6],
        "prompt": PROMPTS,
        "completion": SAID,
        "completion_ids": "xyz",
    }
    seen = {}

    def some(solution, references):
        seen["some"] = (solution, references)
        return solution

    def everything(**columns):
        seen["everything"] = columns
        return columns["level"]

    score({"some": some, "everything": everything}, columns=columns, completion_ids=[[1], [2], [3]])
    assert seen["some"] == ([1, 2, 3], REFERENCES)
    lists = {"prompts", "completions", "references", "completion_ids", "solution", "level"}
    assert set(seen["everything"]) == lists | {"trainer_state", "log_metric", "log_extra"}
    assert seen["everything"]["completion_ids"] == [[1], [2], [3]]


def test_an_argument_that_nobody_can_fill_is_named():
    def greedy(completions, gold):
        return completions

    with pytest.raises(ValueError, match=r"'greedy' asks for 'gold', and there is only .*completions.*solution"):
        score({"greedy": greedy}, columns={"solution": [1, 2, 3]})
    with pytest.raises(ValueError, match="'late' asks for 'completion_ids'"):
        score({"late": lambda completion_ids: completion_ids})


def test_a_default_is_left_alone_and_a_column_replaces_it():
    def fussy(completions, bonus=None, log_metric=None):
        return [0.0] * len(completions) if bonus is None else bonus

    assert score({"fussy": fussy}).total == [0.0, 0.0, 0.0]
    assert score({"fussy": fussy}, columns={"bonus": [1, 2, 3]}).total == [1.0, 2.0, 3.0]


def test_columns_that_do_not_fit():
    with pytest.raises(ValueError, match="solution must have one entry for each of 3 prompts, got 2"):
        score({"f": length}, columns={"solution": [1, 2]})
    with pytest.raises(ValueError, match="column 'references' has the name of a reward function's argument"):
        score({"f": length}, columns={"references": REFERENCES})
    with pytest.raises(ValueError, match="references must have one entry for each of 3 prompts, got 1"):
        score({"f": length}, references=["x"])


def test_a_function_that_raises_is_named_with_its_error():
    def broken(completions):
        return [1 / 0]

    with pytest.raises(ValueError, match="'broken' raised ZeroDivisionError: division by zero") as caught:
        score({"good": length, "broken": broken})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1.0, 2.0], "'f' returned 2 rewards for 3 completions"),
        ([1.0] * 4, "'f' returned 4 rewards for 3 completions"),
        (1.0, "'f' must return a list of 3 rewards, got float"),
        ("123", "'f' must return a list of 3 rewards, got str"),
        (None, "'f' must return a list of 3 rewards, got NoneType"),
        ({"a": 1, "b": 2, "c": 3}, "'f' must return a list of 3 rewards, got dict"),
        (np.array(1.0), "'f' must return a list of 3 rewards, got ndarray"),
        (torch.tensor(1.0), "'f' must return a list of 3 rewards, got Tensor"),
        ([0.0, math.nan, 0.0], r"'f' gave completions\[1\] nan"),
        ([0.0, 0.0, -math.inf], r"'f' gave completions\[2\] -inf"),
        ([0.0, "1.0", 0.0], r"'f' gave completions\[1\] '1.0'"),
        (torch.tensor([0.0, math.nan, 0.0]), r"'f' gave completions\[1\] nan"),
        ([[1.0], [2.0], [3.0]], re.escape("'f' gave completions[0] [1.0]")),
        (torch.ones(3, 2), r"'f' gave completions\[0\] tensor"),
        (np.array([True, False]), "'f' returned 2 rewards for 3 completions"),
        ([np.float64("nan"), 0, 0], r"'f' gave completions\[0\]"),
        ([1j, 0, 0], r"'f' gave completions\[0\] 1j"),
    ],
)
def test_bad_rewards_name_the_function_and_the_completion(result, message):
    with pytest.raises(ValueError, match=f"reward function {message}"):
        score({"f": lambda **columns: result})


@pytest.mark.parametrize(
    "result",
    [
        (1, 2.0, True),
        torch.tensor([1.0, 2.0, 1.0]),
        torch.tensor([1.0, 2.0, 1.0], dtype=torch.bfloat16),
        np.array([1, 2, 1], dtype=np.float32),
        iter([1, 2, 1]),
        [np.bool_(True), np.float16(2), np.int64(1)],
        [torch.tensor(1), torch.tensor([2.0]), np.array(1.0)],  # TRL takes a tensor of one element too
        [Decimal("1"), Fraction(2), torch.tensor(True)],
        (number for number in (1, 2, 1)),
    ],
)
def test_numbers_of_every_kind_become_floats(result):
    rewards = score({"f": lambda **columns: result}).parts["f"]
    assert rewards == [1.0, 2.0, 1.0]
    assert {type(reward) for reward in rewards} == {float}


def test_asynchronous_functions_run_side_by_side_in_one_loop_that_lives_on():
    loops = []
    met = None

    async def first(completions):
        nonlocal met
        met = asyncio.Event()
        loops.append(asyncio.get_running_loop())
        await asyncio.wait_for(met.wait(), 30)  # set by the other function: in turn, both would wait
        return [1.0] * len(completions)

    async def second(completions):
        met.set()
        return [2.0] * len(completions)

    scorer = Scorer({"first": first, "second": second})
    for _ in range(2):
        assert scorer(PROMPTS, SAID, references=REFERENCES, columns={}).total == [3.0, 3.0, 3.0]
    assert loops[0] is loops[1]
    del scorer
    gc.collect()
    assert loops[0].is_closed()


def test_an_asynchronous_function_works_inside_a_running_loop():
    async def waits(completions):
        await asyncio.sleep(0)
        return [1.0] * len(completions)

    async def notebook():
        return score({"waits": waits}).total

    assert asyncio.run(notebook()) == [1.0, 1.0, 1.0]


def test_an_asynchronous_function_that_raises_is_named():
    async def broken(completions):
        raise KeyError("gold")

    with pytest.raises(ValueError, match="'broken' raised KeyError: 'gold'"):
        score({"good": length, "broken": broken})


def test_a_probe_finds_a_function_that_can_score_nothing():
    scorer = Scorer({"good": length, "mute": constant(None, None, None)})
    with pytest.raises(ValueError, match="'mute' could score none of the 3 references"):
        scorer.probe(PROMPTS, REFERENCES, {})
    scorer = Scorer({"good": length, "shy": constant(None, 1.0, None)})
    assert scorer.probe(PROMPTS, ["x", "yy", "zzz"], {}).parts["good"] == [1.0, 2.0, 3.0]


def test_a_probe_leaves_out_a_function_that_reads_tokens_and_no_other():
    """There is no tokenizer yet. Before, such a function was refused, though every later call has the tokens."""

    def named(completion_ids):
        raise AssertionError("never called")

    def by_key(completions, **columns):
        return [float(len(ids)) for ids in columns["completion_ids"]]

    async def late(completions, **columns):
        return [float(len(ids)) for ids in columns["completion_ids"]]

    scorer = Scorer({"good": length, "named": named, "by_key": by_key, "late": late})
    found = scorer.probe(PROMPTS, ["x", "yy", "zzz"], {})
    assert found.total == [1.0, 2.0, 3.0]
    assert found.parts["named"] == found.parts["by_key"] == found.parts["late"] == [None] * 3
    with pytest.raises(ValueError, match="'named' asks for 'completion_ids'"):  # control: a call is no probe
        scorer(PROMPTS, SAID, references=REFERENCES, columns={})

    def lacks(completion_ids, gold):
        raise AssertionError("never called")

    with pytest.raises(ValueError, match="'lacks' asks for 'gold'"):
        Scorer({"lacks": lacks}).probe(PROMPTS, REFERENCES, {})
    with pytest.raises(ValueError, match="'wrong' raised KeyError: 'gold'"):
        Scorer({"wrong": lambda completions, **columns: columns["gold"]}).probe(PROMPTS, REFERENCES, {})


def test_a_probe_runs_the_functions_own_checks_first():
    class Down:
        def check(self):
            raise ValueError("the judge at http://127.0.0.1:1 can't be reached")

        def __call__(self, completions):
            raise AssertionError("never asked")

    with pytest.raises(ValueError, match=r"the judge at http://127\.0\.0\.1:1 can't be reached"):
        Scorer({"down": Down()}).probe(PROMPTS, REFERENCES, {})


def test_every_callable_has_a_name():
    class Grader:
        def __call__(self, completions):
            return completions

    assert name_of(length) == "length"
    assert name_of(partial(partial(length, prompts=[]), extra=1)) == "length"
    assert name_of(Grader()) == "Grader"
    assert list(named([length, Grader(), partial(length), length])) == ["length", "Grader", "length_2", "length_3"]


def test_partials_and_callable_objects_are_filtered_like_functions():
    def scaled(completions, scale):
        return [scale * len(completion) for completion in completions]

    class Grader:
        def __call__(self, completions):
            return [1.0] * len(completions)

    scores = score(named([partial(scaled, scale=2), Grader()]), columns={"unasked": [0, 0, 0]})
    assert scores.parts == {"scaled": [2.0, 4.0, 6.0], "Grader": [1.0, 1.0, 1.0]}


def test_a_function_that_must_have_the_trainer_s_state_gets_it_and_can_not_change_it_for_others():
    def annealed(completions, trainer_state):
        trainer_state.global_step += 1  # TRL hands every function the same object
        trainer_state.log_history.append({"seen": 1.0})
        return [trainer_state.global_step / trainer_state.max_steps] * len(completions)

    state = TrainerState(global_step=4, max_steps=10)
    scorer = Scorer({"annealed": annealed, "again": annealed})
    scores = scorer(PROMPTS, SAID, references=REFERENCES, columns={}, state=state)
    assert scores.parts == {"annealed": [0.5] * 3, "again": [0.5] * 3}
    assert (state.global_step, state.log_history) == (4, [])
    assert score({"annealed": lambda completions, trainer_state: [trainer_state.epoch] * 3}).total == [0.0] * 3


def test_the_state_has_every_attribute_of_transformers():
    from transformers import TrainerState as Theirs

    assert {field.name for field in fields(Theirs)} == {field.name for field in fields(TrainerState)}


def test_what_functions_log_comes_with_the_scores():
    def logs(completions, log_metric, log_extra):
        log_metric("long", np.float32(0.25))
        log_metric("long", torch.tensor(0.75))
        log_metric("undefined", math.nan)  # TRL would log it; a metric that is not defined is left out here
        log_extra("length", (len(completion) for completion in completions))
        return [0.0] * len(completions)

    def by_row(completions, log_extra=None):
        for completion in completions:
            log_extra("first", [completion[:1]])  # in TRL too, further calls append
        return [0.0] * len(completions)

    scores = score({"logs": logs, "by_row": by_row})
    assert scores.metrics == {"long": 0.5}
    assert scores.columns == {"length": [1, 2, 3], "first": ["a", "b", "c"]}
    assert score({"f": length}).metrics == score({"f": length}).columns == {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda log_metric: log_metric("x", "1.0"), "'f' raised ValueError: log_metric needs a finite number for 'x'"),
        (lambda log_metric: log_metric("x", math.inf), "'f' raised ValueError: log_metric needs a finite number"),
        (lambda log_metric: log_metric("step", 1.0), "'f' raised ValueError: log_metric needs a name of its own"),
        (lambda log_extra: log_extra("prompt", "abc"), "'f' raised ValueError: log_extra needs a name of its own"),
        (lambda log_extra: log_extra("f", "abc"), "'f' raised ValueError: log_extra needs a name of its own"),
        (lambda log_extra: log_extra("x", [1]), "log_extra got 1 values for the column 'x' and 3 completions"),
    ],
)
def test_what_can_not_be_logged_is_one_line(call, message):
    def f(completions, log_metric, log_extra):
        call(log_extra if call.__code__.co_varnames[0] == "log_extra" else log_metric)
        return [0.0] * len(completions)

    with pytest.raises(ValueError, match=re.escape(message)):
        score({"f": f})


def spoiled(prompts, completions, references, completion_ids, tests):
    """Whatever can be changed in place is."""
    prompts[0][0]["content"] = "spoiled"
    completions[0][0]["content"] = "spoiled"
    completion_ids[0].clear()
    tests[0]["cases"].append("spoiled")
    for values in (prompts, completions, references, completion_ids, tests):
        values.clear()
    return [0.0]


@pytest.mark.parametrize("spoils", [spoiled, "async"])
def test_no_function_can_spoil_another_s_inputs_or_the_data_set_s(spoils):
    seen, kept = [], []

    async def later(**columns):
        return spoiled(**{name: values for name, values in columns.items() if isinstance(values, list)})

    def looks(**columns):
        seen.append({name: values for name, values in columns.items() if isinstance(values, list)})
        kept.append(columns["tests"])
        return [1.0]

    prompts, ids, tests = [[{"role": "user", "content": "hi"}]], [[1, 2]], [{"cases": [1], "size": (1, [2])}]
    whole = {
        "prompts": [[{"role": "user", "content": "hi"}]],
        "completions": [[{"role": "assistant", "content": "a"}]],
        "references": ["y"],
        "completion_ids": [[1, 2]],
        "tests": [{"cases": [1], "size": (1, [2])}],
    }
    scorer = Scorer({"spoils": later if spoils == "async" else spoils, "looks": looks})
    for _ in range(2):
        scorer(prompts, ["a"], references=["y"], columns={"tests": tests}, completion_ids=ids)
    assert seen == [whole, whole]
    assert (prompts, ids, tests) == (whole["prompts"], whole["completion_ids"], whole["tests"])
    tests[0]["cases"].append("later")
    assert kept[0][0]["cases"] == [1]  # a function that keeps its inputs sees no later change


def test_control_the_spoiling_function_does_spoil():
    lists = [[[{"content": "hi"}]], [[{"content": "a"}]], ["y"], [[1]], [{"cases": []}]]
    first = lists[4][0]
    spoiled(*lists)
    assert lists == [[], [], [], [], []]
    assert first == {"cases": ["spoiled"]}


def test_a_generator_that_raises_is_named_and_no_coroutine_is_left_open():
    def broken(completions):
        yield 1.0
        raise KeyError("gold")

    async def waits(completions):
        raise AssertionError("never awaited")

    with pytest.raises(ValueError, match="'broken' raised KeyError: 'gold'"):
        score({"waits": waits, "broken": broken})
    gc.collect()  # Python would warn of a coroutine that nobody awaited, and warnings are errors here


def test_prompts_without_a_reference_are_scored_by_functions_that_need_none():
    nobody, seen = [None, None, None], []

    def look(completions, references="none"):
        seen.append((completions, references))
        return [0.0] * len(completions)

    Scorer({"look": look})(PROMPTS, SAID, references=nobody, columns={})
    Scorer({"look": look}).probe(PROMPTS, nobody, {})
    assert seen == [(SAID, "none"), (["", "", ""], "none")]
    Scorer({"look": look})(PROMPTS, SAID, references=[None, "y", None], columns={})
    assert seen[-1] == (SAID, [None, "y", None])  # control: one row has one
    with pytest.raises(ValueError, match=r"'exact' raised .*exact compares with a column solution or answer"):
        Scorer({"exact": exact})(PROMPTS, SAID, references=nobody, columns={})
    mute = Scorer({"mute": constant(None, None, None)})
    assert mute.probe(PROMPTS, nobody, {}).total == nobody  # of an empty answer, a function may think as it likes
    with pytest.raises(ValueError, match="'mute' could score none of the 1 references"):
        mute.probe(PROMPTS, [None, "y", None], {})
