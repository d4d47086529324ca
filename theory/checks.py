"""Checks and findings: one measurement beside its control, and the verdict that a list of them leaves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HOLDS, CONDITIONS, FAILS, UNTESTABLE = "holds", "holds under conditions", "fails", "cannot be tested here"
VERDICTS = (HOLDS, CONDITIONS, FAILS, UNTESTABLE)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One measurement against its limit, and its control: the same measurement where it must come out the other way.

    `measured` may be infinite where the check then does not pass, for example a wait that did not end within a run.
    """

    what: str
    measured: float
    test: str  # "<" or ">"
    limit: float
    control: str
    control_measured: float

    def __post_init__(self) -> None:
        """Raise `ValueError`, naming the check, where it proves nothing.

        That is: a comparison other than < and >; a limit or a control that is NaN or infinite; a measurement that is
        NaN, or that passes because it is infinite; a control that passes as well.
        """
        if self.test not in ("<", ">"):
            raise ValueError(f"check {self.what!r}: test must be < or >, got {self.test!r}")
        for name, value in (("limit", self.limit), (f"control {self.control!r}", self.control_measured)):
            if not math.isfinite(value):
                raise ValueError(f"check {self.what!r}: its {name} must be a finite number, got {value}")
        if math.isnan(self.measured) or (self.passed and math.isinf(self.measured)):
            raise ValueError(f"check {self.what!r}: a measurement of {self.measured} proves nothing")
        if self.passed and self._passes(self.control_measured):
            raise ValueError(
                f"void check: {self.what!r} is {self.measured:g} {self.test} {self.limit:g}, and so is its control "
                f"{self.control!r} with {self.control_measured:g}"
            )

    @property
    def passed(self) -> bool:
        """Whether the measurement is on its side of the limit."""
        return self._passes(self.measured)

    def _passes(self, value: float) -> bool:
        return bool(value < self.limit) if self.test == "<" else bool(value > self.limit)


@dataclass(frozen=True)
class Finding:
    """The result of a claim's computation. `note` states it in words; numbers in it are computed."""

    note: str
    holds: list[Check] = field(default_factory=list)  # where the claim was seen to hold
    fails: list[Check] = field(default_factory=list)  # counterexamples to the claim
    numbers: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)  # a tuple's name lists its entries
    figures: Sequence[str] | Mapping[str, str] = ()  # names, or what each shows by its name: the alternative text
    untestable: str = ""  # why a bandit cannot settle it; its checks are then about an analogue

    def alts(self) -> dict[str, str]:
        """Each figure's alternative text by its name, empty where the finding has none."""
        return dict(self.figures) if isinstance(self.figures, Mapping) else dict.fromkeys(self.figures, "")

    def verdict(self) -> str:
        """The verdict that the passed checks leave. Raises `ValueError` where none passed."""
        failed = [check.what for check in (*self.holds, *self.fails) if not check.passed]
        if self.untestable:
            if failed:
                raise ValueError(f"a check of the analogue did not come out: {failed[0]!r}")
            return UNTESTABLE
        seen = bool(self.holds) and all(check.passed for check in self.holds)
        broken = any(check.passed for check in self.fails)
        if seen:
            return CONDITIONS if broken else HOLDS
        if broken:
            return FAILS
        raise ValueError(f"undecided: neither support nor counterexample came out, first {failed[:1]}")
