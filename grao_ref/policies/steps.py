"""A step of decoding: the next token of each row in the batch. On a GPU it can be captured and replayed.

A step starts a thousand small kernels or more, and a GPU waits for Python to start them. A captured graph starts all of
them at once. For that, every tensor has to stay where it is from one token to the next: the cache has its whole width
from the start (`cache.FixedLayer`), and a mask of four dimensions hides what is not written yet.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache as remembered

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from grao_ref.policies.cache import fix

PAYS = 8  # tokens that must be left: to capture a step takes as long as a few of them
Step = Callable[[Int[Tensor, "B"], int], Float[Tensor, "B V"]]
"""The answers' token t, and t -> the logits of token t + 1."""


class Rows:
    """The rows in the batch: which answers they are, what of them is attended to, and which of them go on."""

    def __init__(self, attended: Bool[Tensor, "B P"], max_length: int, *, padded: bool) -> None:
        self.answers = torch.arange(len(attended), device=attended.device)
        self.going = torch.ones_like(attended[:, 0])
        self.positions = attended.sum(dim=-1)  # of an answer's first token
        self.prompt_length = attended.shape[-1]
        self.padded = padded
        self.attended = torch.nn.functional.pad(attended, (0, max_length), value=True)

    def keep(self, kept: Int[Tensor, "K"]) -> None:
        """Let the other rows leave the batch."""
        self.answers, self.going, self.positions = self.answers[kept], self.going[kept], self.positions[kept]
        self.attended = self.attended[kept]


def step_of(model: PreTrainedModel, cache: DynamicCache, rows: Rows, left: int, *, replayed: bool) -> Step:
    """How these rows go on. `left`: tokens that may follow; `replayed`: with fixed tensors where the cache allows it.

    It holds until rows leave the batch.
    """
    if replayed and fix(cache, place := torch.zeros(1, dtype=torch.long, device=model.device)):
        return FixedStep(model, cache, rows, place, captured=model.device.type == "cuda" and left >= PAYS)

    def plain(token: Tensor, t: int) -> Tensor:
        inputs = {"input_ids": token[:, None], "position_ids": (rows.positions + t)[:, None]}
        if rows.padded:
            inputs["attention_mask"] = rows.attended[:, : rows.prompt_length + t + 1].long()
        return forward(model, cache, inputs)

    return plain


class FixedStep:
    """A step whose tensors stay where they are, and whose kernels are started as one if it is `captured`."""

    def __init__(
        self, model: PreTrainedModel, cache: DynamicCache, rows: Rows, place: Int[Tensor, "1"], *, captured: bool
    ) -> None:
        self.model, self.cache, self.rows, self.place, self.captured = model, cache, rows, place, captured
        self.open, self.mask = _mask(model, rows)
        self.token, self.position = rows.positions[:, None].clone(), rows.positions[:, None].clone()
        self.graph: torch.cuda.CUDAGraph | None = None
        self.logits: Tensor | None = None
        self.opened = rows.prompt_length  # columns of the mask

    def __call__(self, token: Int[Tensor, "B"], t: int) -> Float[Tensor, "B V"]:
        """The logits. They are overwritten by the next call where the step is captured."""
        at = self.rows.prompt_length + t
        self.token[:, 0] = token
        self.position[:, 0] = self.rows.positions + t
        self.place.fill_(at)
        self.mask[..., self.opened : at + 1] = self.open
        self.opened = at + 1
        if not self.captured:
            return self._forward()
        if self.graph is None:
            self.graph = self._capture()
        self.graph.replay()
        assert self.logits is not None
        return self.logits

    def _forward(self) -> Tensor:
        inputs = {"input_ids": self.token, "position_ids": self.position, "attention_mask": self.mask}
        return forward(self.model, self.cache, inputs)

    def _capture(self) -> torch.cuda.CUDAGraph:
        """The step is made once before, on the stream that captures: kernels are loaded, and their workspaces made.

        It writes what the replay writes again. Raises `RuntimeError` on a model that waits for the GPU in its forward
        pass, because what it asks there may have another answer for another token.
        """
        stream = _stream(self.token.device)
        stream.wait_stream(torch.cuda.current_stream(self.token.device))
        with torch.cuda.stream(stream):  # `torch.cuda.graph` does not go back to the other one where the capture fails
            with _refusing_to_wait():
                self._forward()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self.logits = self._forward()
        return graph


def forward(model: PreTrainedModel, cache: DynamicCache, inputs: dict[str, Tensor]) -> Float[Tensor, "B V"]:
    """The logits behind the last token of each row."""
    logits: Tensor = model(**inputs, past_key_values=cache, use_cache=True).logits[:, -1]
    return logits


def _mask(model: PreTrainedModel, rows: Rows) -> tuple[float | bool, Tensor]:
    """What an open place has in the mask, and the mask: the prompts' places are open, those behind them hidden.

    torch's attention takes truth values; transformers' own (eager) adds the mask to the scores.
    """
    seen = rows.attended.clone()
    seen[:, rows.prompt_length :] = False
    if getattr(model.config.get_text_config(), "_attn_implementation", None) == "sdpa":
        return True, seen[:, None, None]
    added = torch.zeros(seen.shape, dtype=model.dtype, device=seen.device)
    return 0.0, added.masked_fill(~seen, torch.finfo(model.dtype).min)[:, None, None]


@remembered
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all captures: cuBLAS keeps a workspace for each stream that it has worked on."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@contextmanager
def _refusing_to_wait() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this mode is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
