"""The weighted sum over the functions that count and could score an answer."""

import pytest
import torch

from grao_ref.records import Scores
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.interface import Task, weighted
from tests.sorting_twin import Sorting


def test_weighted_by_hand():
    values = torch.tensor([[[1.0, 10.0, 5.0], [2.0, 0.0, 5.0], [0.0, 0.0, 5.0], [0.0, 0.0, 0.0]]])
    scored = torch.tensor([[[True, True, True], [True, False, True], [False, False, True], [False, False, False]]])
    total, any_scored = weighted(Scores(values, scored), {"f": 2.0, "g": -0.5, "watched": 0.0})
    assert total.tolist() == [[-3.0, 4.0, 0.0, 0.0]]
    assert any_scored.tolist() == [[True, True, False, False]]


def test_a_negative_sum_of_unscored_answers_is_plain_0():
    total, _ = weighted(Scores(torch.zeros(1, 2, 1), torch.zeros(1, 2, 1, dtype=torch.bool)), {"f": -1.0})
    assert total.tolist() == [[0, 0]]


def test_complete_scores_are_all_scored():
    scores = Scores.complete(torch.ones(2, 3, 1).double())
    total, scored = weighted(scores, {"f": 3.0})
    assert (total.dtype, scored.all().item()) == (torch.float64, True)
    assert (total == 3).all()


@pytest.mark.usefixtures("without_shape_checks")
def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"scored must have the shape of values, \(1, 2, 1\), got \(1, 2\)"):
        Scores(torch.zeros(1, 2, 1), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"values must have 3 dimensions, got shape \(2,\)"):
        Scores.complete(torch.zeros(2))


def test_tasks_keep_to_the_interface():
    bandit = Bandit(torch.tensor([1.0, 0.5, 0.0]), 1, copies=2)
    for task in (bandit, Sorting(2)):
        assert isinstance(task, Task)
        batch = task.draw(torch.Generator().manual_seed(0))
        scores = task.reward(batch, batch.references.ids[:, None], batch.references.mask[:, None])
        assert scores.values.shape == (2, 1, len(task.reward_weights))
        assert scores.scored.all()
    ids = torch.tensor([[[0], [2]], [[1], [0]]])
    scores = bandit.reward(bandit.draw(torch.Generator()), ids, torch.ones_like(ids, dtype=torch.bool))
    assert scores.values.tolist() == [[[1], [0]], [[0.5], [1]]]
