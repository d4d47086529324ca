"""A batch by hand, of which some samples and a reference could not be scored."""

import torch

from grao_ref.records import Advantages, Batch, Rewards, Samples, Scores, Tokens

BANDIT = {"model_name_or_path": "tabular", "dataset_name": "bandit", "max_grad_norm": 0.0, "optimizer": "sgd"}
NAMES = ["kind", "brief"]  # the two reward functions


def batch() -> Batch:
    """Two prompts, three samples: one of the first prompt's, and all but one of the second's, could not be scored."""
    ids = torch.tensor([[[1, 2, 3], [4, 0, 0], [5, 6, 0]], [[1, 1, 1], [2, 2, 0], [3, 0, 0]]])
    mask = torch.tensor([[[1, 1, 1], [1, 0, 0], [1, 1, 0]], [[1, 1, 1], [1, 1, 0], [1, 0, 0]]], dtype=torch.bool)
    outputs = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    scored = torch.tensor([[True, True, False], [False, True, False]])
    values = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]])
    could = torch.tensor([[[1, 0], [1, 1], [0, 0]], [[0, 0], [1, 1], [0, 0]]], dtype=torch.bool)
    ended = torch.tensor([[False, True, True], [False, True, True]])
    return Batch(
        Tokens(torch.tensor([[0, 7], [7, 7]]), torch.tensor([[True, True], [True, False]])),
        Tokens(torch.ones(2, 1, dtype=torch.long), torch.ones(2, 1, dtype=torch.bool)),
        samples=Samples(ids, mask, torch.full((2, 3, 3), -0.5) * mask, ended=ended),
        rewards=Rewards(
            outputs, torch.tensor([0.5, 0.0]), scored, torch.tensor([True, False]), parts=Scores(values, could)
        ),
        advantages=Advantages(torch.tensor([[1.0, -1.0, 0.0], [0.0, 0.0, 0.0]]), torch.tensor([0.25, 0.0])),
    )
