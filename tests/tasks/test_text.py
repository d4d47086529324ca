"""A text task: the order of its rows, whose row an answer is scored with, what could not be scored."""

import pytest
import torch

from grao_ref.data.examples import Example
from grao_ref.data.rows import Row
from grao_ref.rewards.scorer import Scorer
from grao_ref.tasks.interface import Task, weighted
from grao_ref.tasks.text import TextTask
from grao_ref.text.encoding import Encoder

ORDER = [[4, 2, 1, 3], [0, 1, 3, 0], [4, 2, 4, 1]]


class Letters:
    """Token 1 is "b", 2 is "c", and so on."""

    eos_token_id = chat_template = None
    name_or_path = "letters"

    def __call__(self, texts, add_special_tokens):
        raise ValueError("this tokenizer only decodes")

    def decode(self, ids, skip_special_tokens):
        return "".join("abcdefgh"[token] for token in ids)


def task_of(count=3, *, batch=2, seed=0, rejected=None, **functions):
    rows = [Row(f"p{n}", "xyz"[n % 3], columns={"number": n}) for n in range(count)]
    examples = [Example(row, [n] * (1 + n % 2), [1] * (n + 1), rejected) for n, row in enumerate(rows)]
    scorer = Scorer(functions or {"length": lambda completions: [float(len(text)) for text in completions]})
    return TextTask(examples, Encoder(Letters()), scorer, batch=batch, seed=seed)


def test_a_reward_sees_how_many_steps_are_done_when_a_step_s_answers_are_scored():
    seen = []

    def counting(completions, trainer_state):
        seen.append(trainer_state.global_step)
        return [1.0] * len(completions)

    task = task_of(count=5, counting=counting)
    for step in (1, 2, 7):
        batch = task.draw(torch.Generator(), step)
        task.reward(batch, torch.ones(2, 1, 1, dtype=torch.long), torch.ones(2, 1, 1, dtype=torch.bool))
    assert seen == [0, 1, 6]  # as in TRL: the first step's answers are scored before any is done


def test_every_answer_is_scored_with_its_own_row_by_each_function_in_its_place():
    def place(completions, number, **columns):
        return [10.0 * n for n in number]

    def length(completions, references, **columns):
        assert [r[0] for r in references] == ["x", "x", "x", "z", "z", "z"]
        return [float(len(text)) for text in completions]

    def first(prompts, completions, **columns):
        return [None if text[0] == "h" else float("abcdefgh".index(text[0])) for text in completions]

    task = task_of(place=place, length=length, first=first)
    ids = torch.tensor([[[1, 2], [3, 0], [4, 4]], [[5, 5], [6, 6], [7, 0]]])
    mask = torch.tensor([[[True, True], [True, False], [True, True]], [[True, True], [True, True], [True, False]]])
    scores = task.reward(task.rows([0, 2]), ids, mask)
    assert scores.values[..., 0].tolist() == [[0, 0, 0], [20, 20, 20]]
    assert scores.values[..., 1].tolist() == [[2, 1, 2], [2, 2, 1]]
    assert scores.values[..., 2].tolist() == [[1, 3, 4], [5, 6, 0]]
    assert scores.scored[..., 2].tolist() == [[True, True, True], [True, True, False]]
    assert scores.scored[..., :2].all()
    total, scored = weighted(scores, task.reward_weights)
    assert total.tolist() == [[3, 4, 6], [27, 28, 21]]
    assert scored.all()


def test_references_are_scored_as_the_data_set_writes_them_and_a_row_without_one_is_not_scored():
    seen, tokens = [], []

    def texts(completions, references, completion_ids):
        seen.extend(completions)
        tokens.extend(completion_ids)
        assert completions == references
        return [float(len(text)) for text in completions]

    task = task_of(texts=texts)
    long = Example(Row("q", "<think>a</think>b"), [1], [1, 1], None)
    task.examples += [long, Example(Row("q", None), [1], [], None)]
    scores = task.reward_references(task.rows([4, 3, 0]))
    assert scores.values.tolist() == [[[0.0]], [[17.0]], [[1.0]]]
    assert scores.scored.tolist() == [[[False]], [[True]], [[True]]]
    assert seen == ["<think>a</think>b", "x"]  # and not "bb", which its tokens read
    assert task.text(long.reference) == "bb"
    assert tokens == [[1, 1], [1]]  # of the same rows, in their order
    batch = task.rows([4])
    assert not batch.references.mask.any()
    assert task.reward_references(batch).scored.tolist() == [[[False]]]  # no function is asked
    assert len(seen) == 2


def test_what_no_function_can_score_is_0_and_marked():
    task = task_of(never=lambda completions: [None] * len(completions))
    ids = torch.ones(2, 4, 3, dtype=torch.long)
    scores = task.reward(task.rows([0, 1]), ids, torch.ones_like(ids, dtype=torch.bool))
    assert not scores.scored.any()
    assert (scores.values == 0).all()


def test_the_order_is_that_of_the_seed_and_the_step_alone():
    """Pinned: a resumed run, and a run of another version, sees the rows in this order."""
    order = [task_of(5, batch=4, seed=3).draw(torch.Generator(), step).rows.tolist() for step in (1, 2, 3)]
    assert order == ORDER
    task = task_of(5, batch=4, seed=3)
    assert [task.draw(torch.Generator().manual_seed(9), step).rows.tolist() for step in (3, 1, 2)] == [
        order[2],
        order[0],
        order[1],
    ]
    assert task_of(5, batch=4, seed=4).draw(torch.Generator(), 1).rows.tolist() != order[0]


def test_each_pass_sees_every_row_once():
    task = task_of(5, batch=3)
    seen = [row for step in range(1, 6) for row in task.draw(torch.Generator(), step).rows.tolist()]
    assert [sorted(seen[n : n + 5]) for n in (0, 5, 10)] == [list(range(5))] * 3


def test_a_batch_holds_the_rows_tokens_and_rejected_answers_where_every_row_has_one():
    batch = task_of(rejected=[5, 6]).rows([2, 1])
    assert batch.prompts.ids.tolist() == [[2, 0], [1, 1]]
    assert batch.prompts.mask.tolist() == [[True, False], [True, True]]
    assert batch.references.mask.sum(-1).tolist() == [3, 2]
    assert batch.rejected.ids.tolist() == [[5, 6]] * 2
    task = task_of(rejected=[5, 6])
    task.examples[1] = Example(task.examples[1].row, [1], [1], None)
    assert task.rows([2, 1]).rejected is None
    assert isinstance(task, Task)


def test_a_task_without_rows_is_refused():
    with pytest.raises(ValueError, match="no rows left to train on"):
        TextTask([], Encoder(Letters()), Scorer({"f": len}), batch=1, seed=0)
