"""One line about where a run stands: replaced on a terminal, written now and then into a file."""

import time
from collections import deque
from collections.abc import Mapping
from statistics import median
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

RECENT = 20  # steps whose median is shown as the seconds of a step
TENTHS, EVERY = 10, 60.0  # without a terminal, a line at each tenth of a run, and after this many seconds


class ProgressLine:
    """Step, reward beside the references', loss, seconds a step and time left of the runs of one command.

    total: steps of all the runs. several: whether the runs are told apart by their names. The line appears with the
    first step and is gone when the block ends, by an error or not. What is no terminal gets whole lines without
    control characters.
    """

    def __init__(self, console: Console, total: int, *, several: bool) -> None:
        self.console, self.total, self.several = console, total, several
        self.done, self._times = 0, deque[float](maxlen=RECENT)
        self._began = self._written = time.monotonic()
        self._made = 0  # steps of this process: a resumed run's earlier ones took another's time
        self._run: str | None = None
        self._live = Live(console=console, transient=True, refresh_per_second=4) if on_terminal(console) else None

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def skip(self, steps: int) -> None:
        """Steps that a checkpoint has made already."""
        self.done += steps

    def step(self, run: str, step: int, of: int, metrics: Mapping[str, Any]) -> None:
        """Show a step that has been made, of a run of `of` steps. metrics: a row of the log."""
        self.done, self._made = self.done + 1, self._made + 1
        self._times.append(metrics.get("step_time", 0.0))
        if self._live is not None:
            self._live.update(self._line(run, step, of, metrics))
            self._live.start(refresh=True)
        elif self._is_due(run, step, of):
            width = 10**6  # a file's lines have no width
            self.console.print(self._line(run, step, of, metrics, width), soft_wrap=True)

    def _is_due(self, run: str, step: int, of: int) -> bool:
        now, is_new = time.monotonic(), run != self._run
        tenth = step == of or step * TENTHS // of > (step - 1) * TENTHS // of
        if tenth or is_new or now - self._written > EVERY:
            self._written, self._run = now, run
            return True
        return False

    def _line(self, run: str, step: int, of: int, metrics: Mapping[str, Any], width: int | None = None) -> Text:
        """The words that fit: "refs" stands for the references, blanks go, the name and then the end are cut."""
        room = (width or self.console.width) - 1
        left = clock((time.monotonic() - self._began) / self._made * (self.total - self.done))
        seconds = median(self._times)
        each = f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}"
        for references, gap in (("references", "  "), ("refs", "  "), ("refs", " ")):
            parts = [f"step {step}/{of}", *judged(metrics, references)]
            parts += [f"loss {metrics['loss']:.3g}"] if "loss" in metrics else []
            words = gap.join([*parts, f"{each} s/step", f"{left} left"])
            if len(words) + len(run + gap) * self.several <= room:
                break
        if self.several:
            name = Text(run)
            name.truncate(max(room - len(words + gap), 4), overflow="ellipsis")
            words = name.plain + gap + words
        line = Text(words, no_wrap=True)
        line.truncate(room, overflow="ellipsis")
        return line


def on_terminal(console: Console) -> bool:
    """Whether lines can be replaced: never in a file, whatever `FORCE_COLOR` says."""
    return console.is_interactive and console.is_terminal and not console.is_dumb_terminal and console.file.isatty()


def judged(metrics: Mapping[str, Any], references: str) -> list[str]:
    """What the samples of a step earned, beside its references; their log-likelihood where nothing was sampled.

    >>> judged({"reward": 0.5, "reference/reward": 0.667}, "references"), judged({}, "refs")
    (['reward 0.50 (references 0.67)'], [])
    """
    if "reward" in metrics:
        beside = f" ({references} {metrics['reference/reward']:.2f})" if "reference/reward" in metrics else ""
        return [f"reward {metrics['reward']:.2f}{beside}"]
    if "reference/logp_per_token" in metrics:
        return [f"{references} {metrics['reference/logp_per_token']:.2f} nats/token"]
    return []


def clock(seconds: float) -> str:
    """Minutes and seconds, and hours where there are some.

    >>> clock(75), clock(3 * 3600 + 62.4)
    ('1:15', '3:01:02')
    """
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
