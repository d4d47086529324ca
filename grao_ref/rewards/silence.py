"""A reward function that falls silent: it scored, and from some call on it returns None for every completion."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence

CALLS = 3  # in a row, after which it is said


class Silence:
    """Warns once of each function that has scored a completion, and then none in `CALLS` calls in a row."""

    def __init__(self) -> None:
        self._scored: set[str] = set()
        self._warned: set[str] = set()
        self._calls: Counter[str] = Counter()

    def heard(self, parts: Mapping[str, Sequence[float | None]]) -> None:
        """Take note of one call's rewards, by the functions' names."""
        for name, rewards in parts.items():
            if any(reward is not None for reward in rewards):
                self._scored.add(name)
                self._calls[name] = 0
            elif rewards:
                self._calls[name] += 1
            if self._calls[name] == CALLS and name in self._scored - self._warned:
                self._warned.add(name)
                warnings.warn(
                    f"reward function {name!r} scored before, and in {CALLS} calls in a row it has returned None for "
                    "every completion, which training then ignores: let it raise an error where it returns None, to "
                    "see why",
                    RuntimeWarning,
                    stacklevel=2,
                )
