"""The checkpoints of one run: when they are written, and what of that is done beside the steps that follow."""

import json
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from grao_ref.plugins.blame import message_of
from grao_ref.runs.folder import METRICS
from grao_ref.runs.log import Log
from grao_ref.runs.sources import Sources
from grao_ref.settings.config import Config
from grao_ref.setups import Setup
from grao_ref.training.checkpoint import begin_checkpoint, finish_checkpoint
from grao_ref.training.generators import are_noted
from grao_ref.training.state import Training


class Keeper:
    """Saves a run in its folder.

    What the next step changes is written at once. Hashing it and bringing it to the disk takes longer than that, needs
    nothing of the run, and is done in a thread: `save` waits for the checkpoint before, and `wait` for the last one.
    Until then it has no name under which a run could go on from it.
    """

    def __init__(self, config: Config, setup: Setup, log: Log, sources: Sources) -> None:
        self.config, self.setup, self.log, self.sources = config, setup, log, sources
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._unfinished: Future[Path] | None = None
        self._step: int | None = None  # of the newest checkpoint

    def save(self, training: Training) -> None:
        """Write a checkpoint of where the run stands. Raises what went wrong with this one or the one before."""
        self.wait()
        self.log.output.require_own()
        begun = begin_checkpoint(self.log.folder, training, self.config, self._beside, self.sources)
        limit = self.config.save_total_limit
        self._unfinished, self._step = self._thread.submit(finish_checkpoint, *begun, limit), training.step

    def wait(self) -> None:
        """Until the checkpoint is whole. Raises what went wrong with it."""
        unfinished, self._unfinished = self._unfinished, None
        if unfinished is not None:
            try:
                unfinished.result()
            except BaseException:
                self._step = None
                raise

    def look(self) -> None:
        """Raise what went wrong with the last checkpoint, if that is known by now."""
        if self._unfinished is not None and self._unfinished.done():
            self.wait()

    def rescue(self, training: Training) -> str | None:
        """Save the last whole step of a run that stops, unless that is done; why it could not be, in words."""
        with suppress(Exception):  # a full disk: it may have room by now
            self.wait()
        if training.step == (self._step or 0) or not self.log.output.opened:
            return None
        if not are_noted(training):
            return f"step {training.step} could not be saved: another process is gone, and its random numbers with it"
        try:
            self.log.output.restore()
            self.save(training)
            self.wait()
        except Exception as error:  # whatever the machine does
            return f"step {training.step} could not be saved: {message_of(error)}"
        return None

    def stands_at(self, step: int) -> None:
        """The run goes on from a checkpoint of this step in its own folder."""
        self._step = step

    def _beside(self, folder: Path) -> None:
        if self.setup.save is not None:
            self.setup.save(folder)
        (folder / METRICS).write_text("".join(json.dumps(row) + "\n" for row in self.log.rows))
        for name, lines in self.log.unshown.items():
            (folder / name).write_text(lines, encoding="utf-8", errors="backslashreplace")
