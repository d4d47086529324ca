"""A method whose objective fails in some of its calls: it overflows, or raises."""

import itertools
from collections.abc import Collection
from dataclasses import replace

from grao_ref.methods.interface import Method, Terms
from grao_ref.methods.registry import BUILT_IN
from grao_ref.records import Batch, LogProbs
from grao_ref.settings.config import Config


def overflowing(
    calls: Collection[int], of: str = "sft", *, raised: BaseException | None = None, by: float = float("inf")
) -> Method:
    """The method `of`, whose objective is multiplied with `by`, or raises, in the calls of these numbers, from 1."""
    method, numbers = BUILT_IN[of], itertools.count(1)

    def objective(logprobs: LogProbs, batch: Batch, config: Config) -> Terms:
        terms = method.objective(logprobs, batch, config)
        if not terms.objective.requires_grad or next(numbers) not in calls:  # without gradient: an evaluation
            return terms
        if raised is not None:
            raise raised
        return replace(terms, objective=terms.objective * by)

    return replace(method, name=f"overflowing {of}", objective=objective)
