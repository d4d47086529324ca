"""The strict wrapper around reasoning-gym: every task of the library, its traps, its seeds."""

import inspect
import re
from pathlib import Path

import pytest

from grao_ref.data.load import load_rows
from grao_ref.data.reasoning import LETTERS, REFUSED, SEEDS, score

# One task's library leaves its data file open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
factory = pytest.importorskip("reasoning_gym.factory", reason="the extra reasoning is not installed")


def scores(row, *answers: str) -> list[float]:
    """Of completions, for one row: as the trainer calls it, with more columns than it asks for."""
    columns = {name: [value] * len(answers) for name, value in row.columns.items()}
    return score(prompts=[row.prompt] * len(answers), completions=list(answers), **columns, references=["y"])


def tagged(answer: str) -> str:
    return f"<answer>{answer}</answer>"


def refuses(message: str, name: str, **asked) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_rows(name, **asked)


@pytest.mark.parametrize("task", sorted(set(factory.DATASETS) - set(REFUSED)))
def test_every_task_s_reference_earns_1_and_nothing_else_does(task):
    for row in load_rows(f"reasoning-gym:{task}", config="size=2"):
        gold = row.columns["entry"]["answer"]
        assert row.reference == tagged(gold)
        assert "<answer> and </answer>" in row.prompt[0]["content"]
        junk = [gold, tagged("zzz"), tagged("(("), "", tagged(gold) + tagged("zzz"), f"The answer is {gold}."]
        assert scores(row, row.reference, *junk) == [1.0] + [0.0] * len(junk)
        assert scores(row, f"Let me see.\n{tagged('zzz')} No: {tagged(gold)} So!") == [1.0]


def test_every_task_without_a_gold_answer_is_refused_and_only_those_by_that_reason():
    for task in sorted(set(factory.DATASETS) - {"composite"}):
        item = factory.create_dataset(task, seed=5, size=1)[0]
        assert (not isinstance(item["answer"], str)) == ("no gold answer" in REFUSED.get(task, "")), task


def test_every_scorer_that_runs_answers_as_code_is_refused_or_guarded():
    runs = {
        task
        for task, (kind, _) in factory.DATASETS.items()
        if re.search(r"\b(eval|exec|parse_expr|sympify)\(answer", Path(inspect.getfile(kind)).read_text())
    }
    refused = {task for task, reason in REFUSED.items() if "code" in reason}
    assert runs == refused | set(LETTERS) | {"puzzle24"}
    assert not refused & set(LETTERS)


@pytest.mark.parametrize("task", sorted(LETTERS))
def test_an_answer_is_never_run(task, tmp_path):
    (row, *_) = load_rows(f"reasoning-gym:{task}", config="size=2")
    mark = tmp_path / "mark"
    code = f"__import__('pathlib').Path({str(mark)!r}).touch() or 'x'"
    dataset = factory.create_dataset(task, seed=0, size=2)
    assert scores(row, tagged(code)) == [0.0]
    assert not mark.exists()
    assert scores(row, tagged("9**9**9**9"), tagged("9* *9**9**9")) == [0.0, 0.0]  # would never end
    dataset.score_answer(code, row.columns["entry"])
    assert mark.exists()  # control: the library runs it


def test_control_the_reasons_for_refusal_are_true():
    halting = factory.create_dataset("game_of_life_halting", seed=0, size=20)
    assert any(item["answer"] == "False" and halting.score_answer("True", item) == 1 for item in halting)
    twenty_four = factory.create_dataset("puzzle24", seed=0, size=5)
    assert [twenty_four.score_answer("6 * 4 * 1 * 1", item) for item in twenty_four] == [1.0] * 5


def test_spell_backward_s_tail_is_no_rounding_error():
    loose = factory.get_score_answer_fn("spell_backward")
    rows = load_rows("reasoning-gym:spell_backward", config="size=50")
    tails = [(row, row.columns["entry"]["answer"] + "zzz") for row in rows]
    assert any(1 > loose(tail, row.columns["entry"]) > 1 - 1e-9 for row, tail in tails)  # the trap is there
    assert {scores(row, tagged(tail))[0] for row, tail in tails} == {0.0}


def test_partial_credit_is_none():
    (row, *_) = load_rows("reasoning-gym:chain_sum", config="size=1")
    gold, loose = row.columns["entry"]["answer"], factory.get_score_answer_fn("chain_sum")
    assert 0 < loose(gold + " apples", row.columns["entry"]) < 1
    assert scores(row, tagged(gold + " apples"), tagged(f" {gold}\n")) == [0.0, 1.0]


def test_completions_may_be_messages():
    (row,) = load_rows("reasoning-gym:chain_sum", config="size=1")
    columns = {name: [value] for name, value in row.columns.items()}
    right = [[{"role": "assistant", "content": row.reference}]]
    assert score(completions=right, **columns) == [1.0]
    with pytest.raises(ValueError, match="zip"):
        score(completions=right * 2, **columns)


def test_train_and_test_share_no_question_and_no_seed():
    train, test = (load_rows("reasoning-gym:chain_sum", split=split) for split in SEEDS)
    assert len(train) == len(test) + len(test.skipped) == 500
    assert len(test.skipped) < 5
    assert SEEDS["test"] - SEEDS["train"] >= 500
    assert not {row.prompt[0]["content"] for row in train} & {row.prompt[0]["content"] for row in test}
    neighbour = factory.create_dataset("chain_sum", seed=SEEDS["train"] + 1, size=500)  # control: one seed further
    questions = {row.columns["entry"]["question"] for row in train}
    assert sum(item["question"] in questions for item in neighbour) >= 499


def test_questions_that_come_up_again_are_left_out_of_test():
    train, test = (load_rows("reasoning-gym:tower_of_hanoi", split=split, config="size=60") for split in SEEDS)
    assert train.skipped == ()
    assert len(test.skipped) == 60 - len(test) > 0
    assert re.fullmatch(r"row \d+: its question is in the split train", test.skipped[0])
    assert not {row.prompt[0]["content"] for row in train} & {row.prompt[0]["content"] for row in test}


def test_the_same_rows_every_time_in_the_same_order():
    first, second, longer = (load_rows("reasoning-gym:gcd", config=f"size={size}") for size in (20, 20, 30))
    assert first == second
    assert [row.columns["entry"] for row in longer[:20]] == [row.columns["entry"] for row in first]


def test_settings_reach_the_task():
    rows = load_rows("reasoning-gym:chain_sum", config="size=30, min_terms=2, max_terms=2, max_digits=1")
    assert len(rows) == 30
    assert {row.columns["entry"]["metadata"]["num_terms"] for row in rows} == {2}
    assert {scores(row, row.reference)[0] for row in rows} == {1.0}


@pytest.mark.parametrize(
    ("task", "asked", "message"),
    [
        ("chain_sm", {}, "reasoning-gym has no task 'chain_sm'; did you mean chain_sum?"),
        (
            "",
            {},
            "reasoning-gym has no task ''; it has chain_sum, spell_backward, countdown and others, listed in "
            "reasoning_gym.factory.DATASETS",
        ),
        (
            "graph_color",
            {},
            "reasoning-gym:graph_color can't be trained on: it has no gold answer, so there is no reference y",
        ),
        ("gcd", {"split": "val"}, "reasoning-gym:gcd has the splits train, test; there is no split 'val'"),
        ("gcd", {"config": "min_number=3"}, "reasoning-gym:gcd has no setting 'min_number'; did you mean min_numbers?"),
        (
            "gcd",
            {"config": "seed=3"},
            "reasoning-gym:gcd has no setting 'seed'; it has min_numbers, max_numbers, min_value, max_value, size",
        ),
        ("gcd", {"config": "size"}, "a config of reasoning-gym is NAME=VALUE,NAME=VALUE, got 'size'"),
        ("gcd", {"config": "size=0"}, "size must be a whole number from 1 to 1000000, got 0"),
        ("gcd", {"config": "size=many"}, "size must be a whole number from 1 to 1000000, got 'many'"),
        (
            "gcd",
            {"config": "min_numbers=0"},
            "reasoning-gym:gcd refuses the config 'min_numbers=0': min_numbers must be at least 2",
        ),
    ],
)
def test_bad_names_and_settings_are_named(task, asked, message):
    refuses(message, f"reasoning-gym:{task}", **asked)
