"""What a step has to do, and the scenarios that `make bench` measures. Nothing here imports torch."""

from dataclasses import asdict, dataclass, replace
from math import log
from typing import Any

TINY, SMOLLM2 = "tiny", "smollm2"
PARTS = ("generation", "forward", "backward", "optimizer")  # of a step; all else is the rest
OURS = ("grao", "grpo")  # sides that are this package; every other side is compared with them


@dataclass(frozen=True)
class Workload:
    """One step: `prompts` prompts, `group` answers to each, `length` sampled tokens of each answer."""

    model: str = SMOLLM2  # tiny, smollm2, or random-V: a random model with a vocabulary of V
    prompts: int = 2
    prompt_length: int = 48
    group: int = 8
    length: int = 64
    bf16: bool = False  # autocast; the weights stay float32
    ragged: bool = False  # answers of 2 to `length` tokens, a third of it in the mean; else all are equally long
    device: str = "cpu"
    threads: int = 1

    @property
    def rows(self) -> int:
        """N·G, the sampled answers of a step."""
        return self.prompts * self.group

    @property
    def tokens(self) -> int:
        """The sampled tokens of a step: the same on every side."""
        return sum(lengths_of(self))

    def as_dict(self) -> dict[str, Any]:
        """For the record, and for a side's command line."""
        return asdict(self)


def lengths_of(workload: Workload) -> list[int]:
    """How many tokens each of the N·G answers has, from the shortest to the longest.

    Ragged: the quantiles of an exponential distribution, cut off at `length`, whose mean is a third of `length`.
    """
    rows, longest = workload.rows, workload.length
    if not workload.ragged:
        return [longest] * rows
    quantiles = [-log(1 - (row + 0.5) / rows) for row in range(rows)]

    def at(scale: float) -> list[int]:
        return [min(longest, max(2, round(scale * quantile))) for quantile in quantiles]

    scales = [longest * step / 200 for step in range(1, 401)]
    found = min(scales, key=lambda scale: abs(sum(at(scale)) / rows - longest / 3))
    return [*at(found)[:-1], longest]  # one answer is as long as it may be, as usual


@dataclass(frozen=True)
class Scenario:
    """Workloads that one set of processes goes through, one after the other. Three of SmolLM2's sides fill 17 GiB."""

    name: str
    sides: tuple[str, ...]
    workloads: tuple[Workload, ...]
    rounds: int  # timed steps of each side, taken in turn
    warmup: int = 1  # steps before them: the optimiser's state is made, kernels are chosen
    together: bool = True  # a step of each side in turn; else one side after the other, for want of memory


ALL = ("grao", "grpo", "floor", "floor-grpo", "trl", "trl-defaults")
FEW = ("grao", "floor", "trl")
SHORT = Scenario("short", ("grao", "slowed", "floor", "trl"), (Workload(TINY, 16, 6, 8, 6),), rounds=9, warmup=3)


def scenarios(threads: int, cuda: bool) -> list[Scenario]:
    """Everything that `make bench` measures on a machine, the quick ones first.

    `threads`: of every side. The small models have one, with which they are fastest. `cuda`: whether torch sees a GPU.
    """
    tiny = Workload(TINY, 16, 6, 8, 6)
    lm = Workload(threads=threads)
    small = Workload("random-8192", length=32)
    curves = {
        "group": [replace(small, group=size) for size in (2, 4, 8, 16, 32)],
        "prompt": [replace(small, prompt_length=size) for size in (16, 64, 256, 768)],
        "completion": [replace(small, length=size) for size in (16, 32, 64, 128)],
        "vocabulary": [replace(small, model=f"random-{size}") for size in (1024, 8192, 49152, 151936)],
    }
    found = [
        Scenario("step/tiny", ALL, (tiny,), rounds=15, warmup=3),
        *(Scenario(f"growth/{name}", FEW, tuple(points), rounds=5) for name, points in curves.items()),
        Scenario("sampler/random", ("grao", "paged"), (replace(small, group=32),), rounds=5),
        Scenario("memory/random", FEW, (replace(small, model="random-49152", prompts=1, length=512),), rounds=2),
        Scenario("step/smollm2", FEW, (lm,), rounds=4),
        Scenario("step/smollm2-grpo", ("grpo", "trl", "trl-defaults"), (lm,), rounds=2),
        Scenario("step/smollm2-products", ("grao", "grpo", "trl-products"), (lm,), rounds=2),
        Scenario("bf16/smollm2", FEW, (replace(lm, bf16=True),), rounds=2),
        Scenario("ragged/smollm2", FEW, (replace(lm, ragged=True),), rounds=3),
        Scenario("memory/smollm2", FEW, (replace(lm, prompts=1, group=4, length=512),), 1, together=False),
    ]
    if cuda:
        card = replace(lm, device="cuda", prompts=16)
        found += [
            Scenario("cuda-float32/smollm2", ALL, (card,), rounds=5, warmup=2),
            Scenario("cuda-bf16/smollm2", ALL, (replace(card, bf16=True),), rounds=5, warmup=2),
            Scenario("cuda-ragged/smollm2", FEW, (replace(card, bf16=True, ragged=True),), rounds=5, warmup=2),
            Scenario("cuda-sampler/smollm2", ("grao", "paged"), (replace(card, group=32),), rounds=5, warmup=2),
            Scenario("cuda-memory/smollm2", FEW, (replace(card, bf16=True, prompts=2, length=512),), rounds=2),
        ]
    return found
