"""One event loop for the whole run, in its own thread, so a client that is opened in it stays open between steps."""

import asyncio
import threading
import weakref
from collections.abc import Awaitable, Sequence
from typing import Any


class Waiter:
    """Waits for asynchronous reward functions, all at once. It also works inside a running loop (a notebook's)."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait(self, awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
        """Their results in order. Where one raised, its exception takes the place of its result."""
        if not awaitables:
            return []
        return asyncio.run_coroutine_threadsafe(_gather(awaitables), self._running()).result()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            thread = threading.Thread(target=self._loop.run_forever, name="reward functions", daemon=True)
            thread.start()
            weakref.finalize(self, _stop, self._loop, thread)
        return self._loop


async def _gather(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*map(_result, awaitables))


async def _result(awaitable: Awaitable[Any]) -> Any:
    """The result, or what was raised: a `SystemExit` that left the loop would end its thread, and be waited for."""
    try:
        return await awaitable
    except BaseException as error:
        return error


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
