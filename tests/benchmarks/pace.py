"""How a side's process talks to the driver: a step when it is told to, then a line of JSON.

Driver: {"do": "load", "index": 0} | {"do": "step"} | {"do": "parts"} | {"do": "finish"}, or the end of its stream.
Side: {"ready": true} | {"seconds": ..., "cpu_seconds": ..., "parts": {...}, "tokens": ..., "threads": ...} |
{"peak_mib": ...}. The processor's seconds count those that the process worked, on all of its threads: with one thread,
other work on the machine hardly changes them.
"""

import json
import time
from typing import Any, TextIO

import torch

from tests.benchmarks.clock import Clock
from tests.benchmarks.memory import Peak
from tests.benchmarks.workload import Workload


class Pace:
    """`wait`, a step, `done`, until `wait` says False. A trainer that can't be left in between calls them by itself."""

    def __init__(self, orders: TextIO, answers: TextIO, workload: Workload) -> None:
        self._orders, self._answers, self.workload = orders, answers, workload
        self.clock, self.peak = Clock(workload.device), Peak(workload.device)
        self._began = self._worked = 0.0
        self.answer({"ready": True})

    def wait(self) -> bool:
        """Wait for the next order; True if it is a step, whose time begins now."""
        order = json.loads(self._orders.readline() or '{"do": "finish"}')["do"]
        self.clock.on = order == "parts" or not self.clock.cuda
        self.clock.take()
        self._began, self._worked = self.clock.now(), time.process_time()
        return order in ("step", "parts")

    def done(self, tokens: int) -> None:
        """The step has been made, with so many sampled tokens that were trained on."""
        seconds = self.clock.now() - self._began
        cpu = time.process_time() - self._worked
        said = {"seconds": seconds, "cpu_seconds": cpu, "parts": self.clock.take(), "tokens": tokens}
        self.answer(said | {"threads": torch.get_num_threads()})

    def finish(self) -> None:
        """Say how much memory the steps needed."""
        self.clock.close()
        self.answer(self.peak.mib())

    def answer(self, said: dict[str, Any]) -> None:
        """One line to the driver."""
        self._answers.write(json.dumps(said) + "\n")
        self._answers.flush()
