"""A task made of a data set's rows, a tokenizer and reward functions."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from grao_ref.data.examples import Example
from grao_ref.data.rows import Row, columns_of
from grao_ref.records import Batch, Scores
from grao_ref.rewards.scorer import ScoreLists, Scorer
from grao_ref.rewards.trl import TrainerState, standing_at
from grao_ref.tasks.interface import Logged
from grao_ref.text.encoding import Encoder
from grao_ref.text.padding import padded


class TextTask:
    """Prompts from a data set, and the rewards of decoded answers.

    `encoder`: the one that made the examples. `scorer`: None where nothing scores an answer: a method that samples
    nothing needs none. `batch`: prompts of a step. `seed` shuffles the rows anew for each pass through the data. The
    order depends on the seed and the step alone, so a resumed run sees the same rows as one that was not interrupted.
    `state`: what reward functions see of the training after so many steps.
    """

    independent_prompts = False

    def __init__(
        self,
        examples: Sequence[Example],
        encoder: Encoder,
        scorer: Scorer | None,
        *,
        batch: int,
        seed: int,
        state: Callable[[int], TrainerState] = standing_at,
    ) -> None:
        if not examples:
            raise ValueError("the data set has no rows left to train on")
        self.examples, self.encoder, self.scorer = examples, encoder, scorer
        self.batch, self.seed, self.state_at = batch, seed, state
        self.reward_weights = {} if scorer is None else dict(scorer.weights)
        self.at(0)

    def draw(self, rng: torch.Generator, step: int = 1) -> Batch:
        """The `batch` rows of this step; steps count from 1."""
        self.at(step - 1)
        return self.rows([self._row(index) for index in range((step - 1) * self.batch, step * self.batch)])

    def at(self, step: int) -> None:
        """Take note that this many optimiser steps are done: `trainer_state.global_step`."""
        self.state = self.state_at(step)
        self.logged = Logged()

    def rows(self, indices: Sequence[int]) -> Batch:
        """The rows at the given places of `examples`, as a batch; a row without a reference has one without tokens."""
        chosen = [self.examples[index] for index in indices]
        rejected = [example.rejected for example in chosen if example.rejected is not None]
        return Batch(
            padded([example.prompt for example in chosen]),
            padded([example.reference for example in chosen]),  # no token of a row that is a prompt alone
            rejected=padded(rejected) if len(rejected) == len(chosen) else None,
            rows=torch.tensor(list(indices)),
        )

    def reward(self, batch: Batch, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Scores:
        """Every reward function on the text of every answer.

        What the functions log is in `logged` until the next call, or the next step.
        """
        group = ids.shape[1]
        rows = [row for row in self._rows(batch) for _ in range(group)]
        pairs = zip(
            ids.flatten(0, 1).tolist(), mask.flatten(0, 1).tolist(), strict=True
        )  # two transfers from a GPU, not N·G
        answers = [[token for token, kept in zip(*pair, strict=True) if kept] for pair in pairs]
        texts = [self.encoder.text(answer, row.prompt) for answer, row in zip(answers, rows, strict=True)]
        scores = self._score(rows, texts, answers)
        self.logged = Logged(scores.metrics, {name: _by(group, column) for name, column in scores.columns.items()})
        return _scores(scores.parts, group, ids.device)

    def reward_references(self, batch: Batch) -> Scores:
        """Every reward function on the references as the data set writes them; a row without one is not scored.

        A decoded reference may be another text: special tokens in it vanish, and a template may strip blanks.
        """
        rows = self._rows(batch)
        given = [place for place, row in enumerate(rows) if row.reference is not None]
        texts = [row.reference for row in rows if row.reference is not None]
        examples = [self.examples[index] for index in self._places(batch)]
        answers = [examples[place].reference for place in given]
        found = self._score([rows[place] for place in given], texts, answers).parts if given else {}
        scores: dict[str, list[float | None]] = {name: [None] * len(rows) for name in self.reward_weights}
        for name, part in found.items():
            for place, value in zip(given, part, strict=True):
                scores[name][place] = value
        return _scores(scores, 1, batch.prompts.ids.device)

    def text(self, ids: list[int]) -> str:
        """The text of a sequence of tokens, as the encoder decodes it."""
        return self.encoder.text(ids)

    def _score(self, rows: Sequence[Row], texts: Sequence[str], ids: Sequence[list[int]]) -> ScoreLists:
        assert self.scorer is not None, "nothing scores an answer: the method samples nothing"
        return self.scorer(
            [row.prompt for row in rows],
            texts,
            references=[row.reference for row in rows],
            completion_ids=ids,
            columns=columns_of(rows),
            state=self.state,
        )

    def _places(self, batch: Batch) -> list[int]:
        assert batch.rows is not None
        return list(batch.rows.tolist())

    def _rows(self, batch: Batch) -> list[Row]:
        return [self.examples[index].row for index in self._places(batch)]

    def _row(self, index: int) -> int:
        """The place in `examples` of the run's `index`-th prompt: each pass has its own permutation."""
        epoch, place = divmod(index, len(self.examples))
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return int(torch.randperm(len(self.examples), generator=rng)[place])


def _by(group: int, column: Sequence[Any]) -> list[list[Any]]:
    """One value for each answer, as a list of `group` values for each prompt."""
    return [list(column[first : first + group]) for first in range(0, len(column), group)]


def _scores(parts: dict[str, list[float | None]], group: int, device: torch.device) -> Scores:
    """The functions' lists as tensors (N, G, F)."""
    by_function = list(parts.values())
    values = [[0.0 if value is None else value for value in part] for part in by_function]
    scored = [[value is not None for value in part] for part in by_function]
    shape = (-1, group, len(by_function))
    return Scores(
        torch.tensor(values, device=device).T.reshape(shape),
        torch.tensor(scored, device=device).T.reshape(shape),
    )
