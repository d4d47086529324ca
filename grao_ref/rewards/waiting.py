"""One event loop for the whole run, in its own thread, so a client that is opened in it stays open between steps."""

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

PATIENCE = 1.0  # seconds that a loop has to end in; one that is blocked never does
WAKE = 0.2  # seconds between two looks for a signal: one that comes as a wait begins does not end the wait


class Waiter:
    """Waits for asynchronous functions, all at once. It also works inside a running loop (a notebook's).

    An interruption ends the wait at once, and the interpreter's exit does not wait for what is still running: every
    thread here is a daemon.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait(self, awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
        """Their results in order. Where one raised, its exception takes the place of its result."""
        if not awaitables:
            return []
        loop = self._running()
        try:
            future = asyncio.run_coroutine_threadsafe(_gather(awaitables), loop)
            while True:
                with suppress(TimeoutError):
                    return future.result(WAKE)
        except BaseException:  # Ctrl-C, perhaps before there was a future: what was waited for is given up
            loop.call_soon_threadsafe(_give_up, loop)
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop, over = asyncio.new_event_loop(), threading.Event()
            self._loop.set_default_executor(_Daemons())
            thread = threading.Thread(target=_run, args=(self._loop, over), name="reward functions", daemon=True)
            thread.start()
            weakref.finalize(self, _stop, self._loop, over, thread)
        return self._loop


class _Daemons(ThreadPoolExecutor):
    """Where a loop runs `asyncio.to_thread`: in daemon threads. The interpreter's exit waits for a pool's own ones."""

    def __init__(self) -> None:
        super().__init__()
        self._room = threading.Semaphore(min(32, (os.cpu_count() or 1) + 4))  # calls at the same time, as in a pool

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The call's future; the call waits in its thread until there is room."""
        future: Future[Any] = Future()

        def run() -> None:
            with self._room:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    result = function(*args, **kwargs)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)

        threading.Thread(target=run, daemon=True).start()
        return future


def _give_up(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


async def _gather(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*map(_result, awaitables))


async def _result(awaitable: Awaitable[Any]) -> Any:
    """The result, or what was raised: a `SystemExit` that left the coroutine would stop the loop."""
    try:
        return await awaitable
    except BaseException as error:
        return error


def _run(loop: asyncio.AbstractEventLoop, over: threading.Event) -> None:
    """Run the loop until it is over. A function that stops it, or whose own task exits, does not: it goes on."""
    asyncio.set_event_loop(loop)
    while not over.is_set():
        with suppress(BaseException):  # a task's exit: whoever waits for the task is told
            loop.run_forever()
    with suppress(BaseException):
        for task in (tasks := asyncio.all_tasks(loop)):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.close()


def _stop(loop: asyncio.AbstractEventLoop, over: threading.Event, thread: threading.Thread) -> None:
    over.set()
    with suppress(RuntimeError):  # the loop is closed already, or this is its thread
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
