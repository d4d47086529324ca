"""The ledger: one row for each id of the paper, with a verdict that follows from checks and is never typed in.

A claim is a function from a `Run` to a `Finding`. A finding lists checks: places where the claim was seen to
hold, and counterexamples. Each check carries its control, the same measurement where it has to come out the
other way (a planted violation, or a case that is known); a check whose control agrees with it is void, and
the ledger refuses it. The verdict is what the checks that passed leave:

| holds somewhere | fails somewhere | verdict                |
| --------------- | --------------- | ---------------------- |
| yes             | no              | holds                  |
| yes             | yes             | holds under conditions |
| no              | yes             | fails                  |
"""

import importlib
import inspect
import math
import pkgutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

HOLDS, CONDITIONS, FAILS, UNTESTABLE = "holds", "holds under conditions", "fails", "cannot be tested here"
VERDICTS = (HOLDS, CONDITIONS, FAILS, UNTESTABLE)
SIZES = ("quick", "default", "full")
Value = TypeVar("Value")
NEGLIGIBLE = 1e-9  # below, a number is rounding, and its digits are the machine's


@dataclass(frozen=True)
class Check:
    """One measurement against its limit, and the same measurement where it must come out the other way."""

    what: str
    measured: float
    test: str  # "<" or ">"
    limit: float
    control: str
    control_measured: float

    def __post_init__(self) -> None:
        """Raise `ValueError` on a comparison that is none, and on a control that agrees with what it controls."""
        if self.test not in ("<", ">"):
            raise ValueError(f"test must be < or >, got {self.test!r}")
        if self.passed and self._passes(self.control_measured):
            raise ValueError(
                f"void check: {self.what!r} is {self.measured:g} {self.test} {self.limit:g}, and so is its control "
                f"{self.control!r} with {self.control_measured:g}"
            )

    @property
    def passed(self) -> bool:
        """Whether the measurement is on its side of the limit; NaN is on neither."""
        return self._passes(self.measured)

    def _passes(self, value: float) -> bool:
        return bool(value < self.limit) if self.test == "<" else bool(value > self.limit)


@dataclass(frozen=True)
class Finding:
    """What a claim's computation came to. `note` says it in words; numbers in it are computed."""

    note: str
    holds: list[Check] = field(default_factory=list)  # where the claim was seen to hold
    fails: list[Check] = field(default_factory=list)  # counterexamples to the claim
    numbers: Mapping[str, float | tuple[float, ...]] = field(default_factory=dict)  # a tuple's name says what is in it
    figures: list[str] = field(default_factory=list)
    untestable: str = ""  # why a bandit can't settle it; its checks are then about an analogue

    def verdict(self) -> str:
        """What the checks that passed leave of the claim. Raises `ValueError` where they leave nothing."""
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


@dataclass(frozen=True)
class Run:
    """How large the samples and grids are, and where figures go (None: nowhere, nothing is drawn)."""

    size: str = "default"
    figures: Path | None = None

    def pick(self, quick: Value, default: Value, full: Value) -> Value:
        """The value for this run's size: the tests' (quick), `make theory`'s, or --full's."""
        return {"quick": quick, "default": default, "full": full}[self.size]


@dataclass(frozen=True)
class Claim:
    """An entry of the registry: the statement in our words, its argument, and what settles it."""

    id: str
    statement: str
    argument: str  # the docstring of its function: formal restatement, assumptions, proof where there is one
    settle: Callable[[Run], Finding]
    source: str  # the file, below theory/


@dataclass(frozen=True)
class Row:
    """A settled claim."""

    claim: Claim
    finding: Finding
    verdict: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """What ledger.json holds."""
        checks = [*self.finding.holds, *self.finding.fails]
        return {
            "id": self.claim.id,
            "statement": self.claim.statement,
            "verdict": self.verdict,
            "measured": {check.what: check.measured for check in checks} | dict(self.finding.numbers),
            "tolerance": {check.what: f"{check.test} {check.limit:g}" for check in checks},
            "control": {f"{check.what}: {check.control}": check.control_measured for check in checks},
            "counterexamples": [check.what for check in self.finding.fails if check.passed],
            "note": self.finding.note,
            "untestable": self.finding.untestable,
            "figures": self.finding.figures,
            "source": self.claim.source,
            "seconds": round(self.seconds, 3),
        }


_REGISTRY: dict[str, Claim] = {}


def claim(id: str, statement: str) -> Callable[[Callable[[Run], Finding]], Callable[[Run], Finding]]:
    """Register the function below as what settles `id`. Raises `ValueError` on an id that is taken."""

    def register(settle: Callable[[Run], Finding]) -> Callable[[Run], Finding]:
        if id in _REGISTRY:
            raise ValueError(f"{id} is registered twice")
        source = Path(inspect.getfile(settle)).relative_to(Path(__file__).parent).as_posix()
        _REGISTRY[id] = Claim(id, statement, inspect.getdoc(settle) or "", settle, source)
        return settle

    return register


def claims() -> dict[str, Claim]:
    """Every claim by its id: equations, assumptions, claims, tables, figures, theorems, experiments."""
    package = importlib.import_module("theory.claims")
    for module in pkgutil.iter_modules(package.__path__, "theory.claims."):
        importlib.import_module(module.name)
    kinds = ("eq", "A", "claim", "table", "figure", "thm", "exp")

    def order(id: str) -> tuple[int, int, str]:
        kind = next(i for i, kind in enumerate(kinds) if id.startswith(kind))
        digits = "".join(character for character in id if character.isdigit())
        return kind, int(digits or 0), id

    return {id: _REGISTRY[id] for id in sorted(_REGISTRY, key=order)}


def select(only: list[str]) -> list[Claim]:
    """The claims with these ids, or all. Raises `ValueError` on an id there is none of, naming the nearest."""
    known = claims()
    for id in only:
        if id not in known:
            near = get_close_matches(id, known, n=1, cutoff=0)
            raise ValueError(f"no claim {id!r}; the nearest is {near[0]!r}, and there are {', '.join(known)}")
    return [known[id] for id in dict.fromkeys(only)] if only else list(known.values())


def settle(claim: Claim, run: Run) -> Row:
    """Compute one claim. Raises `ValueError` on a void check or an undecided claim, naming the id."""
    start = time.perf_counter()
    try:
        finding = claim.settle(run)
        verdict = finding.verdict()
    except ValueError as error:
        raise ValueError(f"{claim.id}: {error}") from error
    return Row(claim, finding, verdict, time.perf_counter() - start)


def number(value: float) -> str:
    """Three significant digits; rounding errors are shown as such, because their digits differ between machines.

    >>> number(0.35937), number(3e-14), number(1652411475), number(float("inf")), number(8.0)
    ('0.359', '0 (rounding)', '1.65e+09', '∞', '8')
    """
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return "0 (rounding)" if 0 < abs(value) < NEGLIGIBLE else f"{value:.3g}"
