"""Asynchronous reward functions that block, exit, cancel or stop the loop: nothing hangs, and each is named."""

import asyncio
import gc
import os
import re
import signal
import sys
import threading

import pytest

from grao_ref.rewards.scorer import Scorer
from grao_ref.rewards.waiting import Waiter
from tests.processes import script

SCRIPT = """
import asyncio, sys, time
from grao_ref.rewards.scorer import Scorer

async def blocks(completions):
    print("waiting", flush=True)
    {wait}

try:
    Scorer({{"blocks": blocks}})(["p"], ["a"], references=["r"], columns={{}})
finally:
    print("left the call", flush=True)
"""
WAITS = {
    "a sleep that blocks the loop": "time.sleep(3600)",
    "a loop of its own": "while True: time.sleep(0.01)",
    "what never comes": "await asyncio.get_running_loop().create_future()",
    "a thread": "await asyncio.to_thread(time.sleep, 3600)",
    "what can't be cancelled": """
    while True:
        try:
            await asyncio.sleep(3600)
        except BaseException:
            pass""",
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_the_wait_and_the_process(wait):
    process = script(SCRIPT.format(wait=WAITS[wait]))
    try:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert said == "left the call\n"
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode in (1, -signal.SIGINT, 130)


def score(*functions, count=1):
    table = {function.__name__: function for function in functions}
    return Scorer(table)(["p"] * count, ["a"] * count, references=["r"] * count, columns={})


async def exits(completions):
    sys.exit("done")


async def exits_in_a_task(completions):
    await asyncio.create_task(exits(completions))


async def exits_in_a_thread(completions):
    await asyncio.to_thread(sys.exit, "done")


async def cancels(completions):
    raise asyncio.CancelledError


async def cancels_itself(completions):
    asyncio.current_task().cancel()
    await asyncio.sleep(3600)


async def closes_the_loop(completions):
    asyncio.get_running_loop().close()


async def runs_a_loop(completions):
    loop = asyncio.get_running_loop()
    loop.run_until_complete(loop.create_future())


async def good(completions):
    return [1.0] * len(completions)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (exits, "'exits' raised SystemExit: done"),
        (exits_in_a_task, "'exits_in_a_task' raised SystemExit: done"),
        (exits_in_a_thread, "'exits_in_a_thread' raised SystemExit: done"),
        (cancels, "'cancels' raised CancelledError: no message"),
        (cancels_itself, "'cancels_itself' raised CancelledError: no message"),
        (closes_the_loop, "'closes_the_loop' raised RuntimeError: Cannot close a running event loop"),
        (runs_a_loop, "'runs_a_loop' raised RuntimeError: This event loop is already running"),
    ],
)
def test_what_ends_a_function_is_said_with_its_name(function, message):
    with pytest.raises(ValueError, match=re.escape(f"reward function {message}")) as caught:
        score(good, function)
    assert "\n" not in str(caught.value)


def test_a_function_that_stops_the_loop_does_not_stop_it():
    async def stops(completions):
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return [2.0] * len(completions)

    assert score(good, stops).total == [3.0]


def test_a_task_that_exits_and_that_nobody_waits_for_ends_no_run():
    async def leaves_one(completions):
        kept.append(asyncio.create_task(exits(completions)))
        kept[-1].add_done_callback(lambda task: ended.set())
        return [1.0] * len(completions)

    kept, ended = [], threading.Event()
    scorer = Scorer({"leaves_one": leaves_one})
    for _ in range(3):
        ended.clear()
        assert scorer(["p"], ["a"], references=["r"], columns={}).total == [1.0]
        assert ended.wait(30)
    assert [type(task.exception()) for task in kept] == [SystemExit] * 3


def test_what_is_still_running_is_cancelled_when_the_scorer_is_gone():
    seen = threading.Event()

    async def works_on():
        try:
            await asyncio.sleep(3600)
        finally:
            seen.set()

    async def leaves_one(completions):
        kept.append(asyncio.create_task(works_on()))
        await asyncio.sleep(0)
        return [1.0] * len(completions)

    kept = []
    score(leaves_one)
    gc.collect()
    assert seen.wait(30)


def test_threads_of_a_function_are_as_many_as_a_pool_has():
    now, most, lock = 0, 0, threading.Lock()
    meeting = threading.Barrier(2)

    def work(number):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if number < 2:
            meeting.wait(30)  # two at the same time, or neither goes on
        with lock:
            now -= 1
        return float(number)

    async def grades(completions):
        return await asyncio.gather(*(asyncio.to_thread(work, number) for number in range(len(completions))))

    assert score(grades, count=200).total == [float(number) for number in range(200)]
    assert 2 <= most <= 32


def test_a_thread_that_raises_raises_where_it_is_waited_for():
    async def grades(completions):
        return [await asyncio.to_thread(int, "x")]

    with pytest.raises(ValueError, match="'grades' raised ValueError: invalid literal"):
        score(grades)


def test_an_interrupted_wait_leaves_a_waiter_that_works():
    waiter, begun, ended = Waiter(), threading.Event(), threading.Event()

    async def never():
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    def interrupt():
        begun.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        waiter.wait([never()])
    thread.join()
    assert ended.wait(30)  # what was waited for is given up
    assert waiter.wait([asyncio.sleep(0, "fine")]) == ["fine"]
