"""Several processes that train one policy, each on its own prompts: data parallelism, by torch.distributed.

    torchrun --nproc-per-node 2 -m grao_ref.train ...

Every process holds the whole policy. A step's prompts are shared out by rank. Its gradients are sums over the prompts
divided by the denominator of the whole batch (`equations/reduce.py`), so adding them up over the processes gives those
of one process that has all prompts. Ranks exchange nothing else that trains: they clip and step alike.
"""

import atexit
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import isclose

import torch
import torch.distributed as dist
from torch import Tensor

from grao_ref.records import Batch, join, move, split, take
from grao_ref.training.machine import ALONE, Machine, Value, command_of, rank_and_processes
from grao_ref.training.state import Training

# One process evaluates, and a judge or an upload may take long: the others wait for it. torch's default: half an hour.
PATIENCE = timedelta(days=1)


class ReportedError(ValueError):
    """An error that ends every process, and that the one that writes reports."""

    is_shared = True


class Ranks(Machine):
    """A process among several, which call the methods below in the same order."""

    def prompts(self, batch: Batch) -> Batch:
        """A consecutive share of the prompts. Raises `ValueError` where there are fewer prompts than processes."""
        if len(batch) < self.processes:
            raise ValueError(f"{self.processes} processes can't share {len(batch)} prompts of a step")
        return take(batch, split(len(batch), self.processes)[self.rank])

    def whole(self, batch: Batch) -> Batch:
        """The prompts of all processes behind each other, on the CPU."""
        return join(self.every(move(batch, torch.device("cpu"))))

    def total(self, count: int) -> int:
        """The sum over the processes."""
        found = torch.tensor(count)
        with _in_company():
            dist.all_reduce(found)
        return int(found)

    def add_up(self, parameters: Iterable[Tensor]) -> None:
        """Sum the gradients. One that is missing here and not elsewhere counts as zeros."""
        trained = list(parameters)
        reached = torch.tensor([parameter.grad is not None for parameter in trained], dtype=torch.int32)
        with _in_company():
            dist.all_reduce(reached)
            for parameter, is_reached in zip(trained, reached.tolist(), strict=True):
                if is_reached:  # an optimiser leaves alone what no process's objective reaches
                    if parameter.grad is None:
                        parameter.grad = torch.zeros_like(parameter)
                    dist.all_reduce(parameter.grad)

    def every(self, value: Value) -> list[Value]:
        """The values of all processes, which are pickled on their way."""
        values: list[Value | None] = [None] * self.processes
        with _in_company():
            dist.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def together(self, work: Callable[[], Value]) -> Value:
        """Where any process's `work` raised an error, all end: the one that writes with it, or with its words.

        Raises there the error itself or `ValueError`, and `ReportedError` in the other processes. Each is marked as
        `is_shared`: every process knows that all have stopped here.
        """
        failed: Exception | None = None
        try:
            result = work()
        except Exception as error:
            failed = error
        for rank, words in enumerate(self.every(None if failed is None else _words(failed))):
            if words is not None:
                if not self.writes:
                    raise ReportedError(words)
                reported = failed or ValueError(f"process {rank} of {self.processes}: {words}")
                setattr(reported, "is_shared", True)  # noqa: B010 no exception has it by itself
                raise reported
        return result

    def generators(self, seed: int, device: torch.device) -> tuple[torch.Generator, torch.Generator]:
        """The task's random generator, the same everywhere, and a sampler's with a seed for each rank.

        torch's own generator, which an adapter's dropout draws from, gets the rank's seed too.
        """
        seeds = torch.randint(2**62, (self.processes,), generator=torch.Generator().manual_seed(seed))
        own = int(seeds[self.rank])
        torch.manual_seed(own)
        return torch.Generator().manual_seed(seed), torch.Generator(device).manual_seed(own)


def this_machine(device: str = "auto") -> Machine:
    """Join the other processes, as torchrun or its like describes them; `ALONE` where there is none.

    device: as in a config; each process takes a GPU of its own, where GPUs are used. Raises `ValueError` where the
    description is incomplete, and on fewer GPUs than processes.
    """
    rank, processes = rank_and_processes()
    if processes == 1:
        return ALONE
    if not dist.is_initialized():
        if "MASTER_ADDR" not in os.environ:
            raise ValueError(
                f"this is process {rank} of {processes} (WORLD_SIZE), and MASTER_ADDR does not say where the others "
                f"are: start them with {command_of(processes)}"
            )
        has_gpu = torch.cuda.is_available() and device != "cpu"
        if has_gpu:
            torch.cuda.set_device(_own_gpu(rank))
        with _in_company():
            dist.init_process_group("cpu:gloo,cuda:nccl" if has_gpu else "gloo", timeout=PATIENCE)
        atexit.register(dist.destroy_process_group)
    return Ranks(rank, processes)


def require_alike(training: Training, sources: object = None) -> None:
    """Raise `ValueError` where processes would not train alike: each has loaded or drawn policy and data by itself.

    sources: the hashes of what the settings name (`runs/sources.py`).
    """
    machine = training.machine
    if machine.processes == 1:
        return
    sums = [parameter.detach().sum(dtype=torch.float64).item() for parameter in training.policy.parameters()]
    others = machine.every(sums)
    if not all(isclose(a, b, rel_tol=1e-6, abs_tol=1e-6) for each in others for a, b in zip(sums, each, strict=True)):
        raise ValueError("the processes of this run hold different weights: do they load the same model and settings?")
    if any(other != sources for other in machine.every(sources)):
        raise ValueError("the processes of this run read different data, or other code: are the same files on each?")


def _own_gpu(rank: int) -> int:
    local, count = int(os.environ.get("LOCAL_RANK", rank)), torch.cuda.device_count()
    if local >= count:
        raise ValueError(f"each process needs a GPU of its own: this is number {local} here, and there are {count}")
    return local


def _words(error: Exception) -> str:
    own = isinstance(error, ValueError | OSError)  # which say in their messages what to do
    return str(error) if own else f"{type(error).__name__}: {error}"


@contextmanager
def _in_company() -> Iterator[None]:
    """Raise `ConnectionError` where an exchange fails, because a process is gone."""
    try:
        yield
    except RuntimeError as error:
        words = str(error).lower()
        if isinstance(error, dist.DistError) or any(word in words for word in ("peer", "connection", "socket")):
            raise ConnectionError("another process of this run is gone") from error
        raise
