"""What libraries log while something is loaded: shown where it succeeds, left out where an error says it in a line."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from grao_ref.plugins.blame import TRACEBACK, expected

LOGGERS = ("transformers", "huggingface_hub", "peft", "datasets")


class _Keeper(logging.Handler):
    """A handler that keeps its records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def held_back() -> Iterator[None]:
    """Keep what the libraries log inside, and log it when the block has ended; nothing of it where the block raises.

    A `ValueError` then says that there was something. With the environment variable `GRAO_TRACEBACK` they log as ever.
    """
    if os.environ.get(TRACEBACK):
        yield
        return
    keeper, loggers = _Keeper(), [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, list(logger.handlers), logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [keeper], False
    try:
        yield
    except BaseException as error:
        if keeper.records and isinstance(error, ValueError) and expected(error):
            told = ", ".join(sorted({record.name.partition(".")[0] for record in keeper.records}))
            keeper.records.clear()
            raise ValueError(f"{error}; {TRACEBACK}=1 shows what {told} logged") from error
        keeper.records.clear()
        raise
    finally:
        for logger, handlers, propagate in before:  # a library that was imported inside has added a handler
            added = [handler for handler in logger.handlers if handler is not keeper]
            logger.handlers, logger.propagate = handlers + added, propagate
        for record in keeper.records:
            logging.getLogger(record.name).handle(record)
