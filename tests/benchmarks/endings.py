"""Answers of given lengths, on every side by the same means: the model's own logits say when a row ends.

The id 0 ends an answer and pads it. A hook on the embedding sees which rows of a decoding step are still going (their
last token is not 0), whether a sampler keeps ended rows in its batch or not. A hook on the output head forbids the id 0
to all of them but as many as have to end at this token, which get no other. So the lengths of a step are the same
multiset on every side, and the rows that end at a token are chosen by the same random permutation.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

END = 0


class Endings:
    """`lengths`: tokens of each row, the last of which is END; a row as long as the longest is cut off instead."""

    def __init__(self, model: PreTrainedModel, lengths: Sequence[int]) -> None:
        self.lengths, self.longest = lengths, max(lengths)
        self.on, self.drawn = False, 0  # tokens of each row that are drawn, in this round of sampling
        self.last: Tensor | None = None
        model.get_input_embeddings().register_forward_pre_hook(self._sees)
        model.get_output_embeddings().register_forward_hook(self._forces)

    def around(self, sample: Callable[..., Any]) -> Callable[..., Any]:
        """The sampling function; outside of it the model's logits are left alone."""

        def call(*arguments: Any, **keywords: Any) -> Any:
            self.on, self.drawn = True, 0
            try:
                return sample(*arguments, **keywords)
            finally:
                self.on = False

        return call

    def _sees(self, module: Any, arguments: tuple[Tensor, ...]) -> None:
        self.last = arguments[0]

    def _forces(self, module: Any, arguments: Any, logits: Tensor) -> Tensor | None:
        if not self.on:
            return None
        assert self.last is not None
        prefill = self.last.shape[1] > 1
        self.drawn = 1 if prefill else self.drawn + 1
        logits[..., END] = -torch.inf
        if not prefill:  # a row that has ended goes on with END until it leaves the batch, so that it is known by that
            ended = self.last[:, -1] == END
            logits[ended] = -torch.inf
            logits[ended, :, END] = 0.0
        ends = sum(length == self.drawn for length in self.lengths) if self.drawn < self.longest else 0
        if prefill or not ends:
            return logits
        going = (self.last[:, -1] != END).nonzero()[:, 0]
        left = sum(length >= self.drawn for length in self.lengths)
        assert len(going) == left, f"{len(going)} rows are going at token {self.drawn}, {left} should be"
        order = torch.randperm(left, generator=torch.Generator().manual_seed(self.drawn))
        rows = going[order[:ends].to(going.device)]
        logits[rows] = -torch.inf
        logits[rows, :, END] = 0.0
        return logits
