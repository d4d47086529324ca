"""A model's linear layers by torch's own product and by oneDNN's, on this processor: what `products.py` gains.

`make bench ARGS="--only products"` writes tutorials/recorded/bench_products.json. Times are the processor's, in
milliseconds, medians of runs in turn, of all linear layers of SmolLM2-135M for a number of rows, in one thread.
"""

import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from grao_ref.policies import products

RECORD = Path(__file__).parents[2] / "tutorials" / "recorded" / "bench_products.json"
LAYERS = {(576, 576): 60, (192, 576): 60, (1536, 576): 60, (576, 1536): 30, (49_152, 576): 1}  # shapes, and how many
ROWS = (1, 4, 16, 64, 256, 1024)
DISTINCT = 2**26  # bytes of weights of a shape that take turns, so that a cache does not hold them
WAYS = ("forward, torch's", "forward, oneDNN's", "backward, torch's", "backward, oneDNN's")


def main(machine: dict[str, Any]) -> int:
    """Exit code 0."""
    torch.set_num_threads(1)
    rows = [{"rows": number, "ms": of_rows(number)} for number in ROWS]
    record = {"date": date.today().isoformat(), "machine": machine, "used": products.has_slow_products(), "rows": rows}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def of_rows(number: int, layers: dict[tuple[int, int], int] = LAYERS, repeats: int = 5) -> dict[str, float]:
    """Milliseconds for all layers, by way."""
    totals = dict.fromkeys(WAYS, 0.0)
    for shape, count in layers.items():
        for way, ms in of_layer(number, *shape, repeats=repeats).items():
            totals[way] += count * ms
    return {way: float(f"{ms:.4g}") for way, ms in totals.items()}


@torch.no_grad()
def of_layer(number: int, outputs: int, inputs: int, repeats: int) -> dict[str, float]:
    """Milliseconds for one layer, by way. Backward: the gradients of its input and of its weights."""
    weights = [torch.randn(outputs, inputs) for _ in range(max(1, DISTINCT // (4 * outputs * inputs)))]
    x, gradient = torch.randn(number, inputs), torch.randn(number, outputs)
    calls: list[Callable[[Tensor], object]] = [
        lambda weight: torch.nn.functional.linear(x, weight),
        lambda weight: products._product(x, weight),
        lambda weight: (gradient @ weight, gradient.T @ x),
        lambda weight: (products._product(gradient, weight.T), products._product(gradient.T, x.T)),
    ]
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats + 1):
        for call, found in zip(calls, times, strict=True):
            began = time.thread_time()
            for weight in weights:
                call(weight)
            found.append(1000 * (time.thread_time() - began) / len(weights))
    return {way: median(found[1:]) for way, found in zip(WAYS, times, strict=True)}
