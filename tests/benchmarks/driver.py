"""Runs the sides of a scenario in processes of their own, a step at a time, in turn."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import Empty, Queue
from tempfile import TemporaryFile
from threading import Thread
from typing import Any

from tests.benchmarks.points import joined, label, numbers, ratios, short
from tests.benchmarks.workload import PARTS, Scenario, Workload

PATIENCE = 3600.0  # seconds for one answer
Command = Callable[[str, tuple[Workload, ...]], list[str]]


class SideError(Exception):
    """A side that ended, answered nothing, or answered what it must not."""


def command_of(side: str, workloads: tuple[Workload, ...]) -> list[str]:
    """How a side is started."""
    return [sys.executable, "-m", "tests.benchmarks.side", side, json.dumps([each.as_dict() for each in workloads])]


class Process:
    """A side's process. Orders go to its standard input; each is answered by a line of JSON."""

    def __init__(self, command: list[str], threads: int) -> None:
        self._errors = TemporaryFile("w+")  # noqa: SIM115 closed by `stop`
        threaded = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | threaded,
        )
        self._lines: Queue[str] = Queue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def ask(self, **order: Any) -> dict[str, Any]:
        """Send an order, wait for its answer. Raises `SideError` with the end of what the process said."""
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=PATIENCE)
        except Empty:
            raise SideError(f"no answer within {PATIENCE:.0f} s") from None
        except OSError:
            line = ""
        if not line:
            raise SideError(self._last_words())
        return json.loads(line)

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        return f"ended with exit code {code}: {self._errors.read()[-1500:].strip() or 'it said nothing'}"

    def stop(self) -> None:
        """End the process, by closing its input or else by force."""
        with suppress(OSError):  # it has ended already, with an order unread
            self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def race(scenario: Scenario, command: Command = command_of, say: Callable[[str], None] = print) -> list[dict[str, Any]]:
    """One point of the record for each workload: seconds, parts, memory and ratios of every side.

    A side that fails has `failed` with the reason in place of its numbers, at this workload and those after it; the
    others go on. The side that begins a round changes from round to round. Sides that are not measured
    `together` follow each other, because the machine's memory may not hold all of them.
    """
    if not scenario.together:
        alone = [race(replace(scenario, sides=(side,), together=True), command, say) for side in scenario.sides]
        return [joined(points) for points in zip(*alone, strict=True)]
    threads = max(workload.threads for workload in scenario.workloads)
    processes = {side: Process(command(side, scenario.workloads), threads) for side in scenario.sides}
    failed: dict[str, str] = {}
    try:
        points = []
        for index, workload in enumerate(scenario.workloads):
            points.append(_point(scenario, index, processes, failed))
            say(f"{scenario.name} {label(scenario, workload)}: {short(points[-1])}")
        return points
    finally:
        for process in processes.values():
            process.stop()


def _point(scenario: Scenario, index: int, processes: dict[str, Process], failed: dict[str, str]) -> dict[str, Any]:
    workload, made = scenario.workloads[index], {side: [] for side in scenario.sides}
    memory: dict[str, dict[str, Any]] = {}

    def ask(side: str, **order: Any) -> dict[str, Any] | None:
        if side in failed:
            return None
        try:
            answer = processes[side].ask(**order)
            require_same_work(workload, answer)
        except SideError as error:
            failed[side] = str(error)
            return None
        return answer

    for side in scenario.sides:
        ask(side, do="load", index=index)
    for number in range(scenario.warmup + scenario.rounds):
        first = number % len(scenario.sides)
        for side in (*scenario.sides[first:], *scenario.sides[:first]):
            step = ask(side, do="step")
            if step is not None and number >= scenario.warmup:
                made[side].append(step)
    parts = {side: [ask(side, do="parts")] for side in scenario.sides} if workload.device == "cuda" else made
    for side in scenario.sides:
        memory[side] = ask(side, do="finish") or {}
    sides = {
        side: {"failed": failed[side]} if side in failed else numbers(workload, made[side], parts[side], memory[side])
        for side in scenario.sides
    }
    return {"workload": workload.as_dict(), "sides": sides, "ratios": ratios(sides)}


def require_same_work(workload: Workload, answer: dict[str, Any]) -> None:
    """Raise `SideError` on a step with another number of sampled tokens or threads, or a part that took no time."""
    if "seconds" not in answer:
        return
    if answer["tokens"] != workload.tokens:
        raise SideError(f"it trained on {answer['tokens']} sampled tokens, and {workload.tokens} were asked for")
    if answer["threads"] != workload.threads:
        raise SideError(f"it ran with {answer['threads']} threads, and {workload.threads} were asked for")
    missing = [part for part in PARTS if answer["parts"] and not answer["parts"].get(part)]
    if missing:
        raise SideError(f"no time was measured for {', '.join(missing)}")
