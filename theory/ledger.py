"""The ledger: one row for each id of the paper, with a verdict that follows from checks and is never typed in.

A claim is a function from a `Run` to a `Finding`. A finding lists checks: cases where the claim was seen to
hold, and counterexamples. Each check has a control, the same measurement where it has to come out the other
way (a planted violation, or a case whose answer is known). A check whose control passes as well is void, and
the ledger refuses it. The checks that passed leave the verdict:

| holds somewhere | fails somewhere | verdict                |
| --------------- | --------------- | ---------------------- |
| yes             | no              | holds                  |
| yes             | yes             | holds under conditions |
| no              | yes             | fails                  |

A claim of your own needs no change here: decorate a function with `claim` in any file, import that file, and `select`
finds it by its id.
"""

import importlib
import inspect
import math
import pkgutil
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from theory.checks import CONDITIONS, FAILS, HOLDS, UNTESTABLE, VERDICTS, Check, Finding
from theory.topics import checked

__all__ = [
    "CONDITIONS",
    "FAILS",
    "HOLDS",
    "KINDS",
    "NEGLIGIBLE",
    "SIZES",
    "UNTESTABLE",
    "VERDICTS",
    "Check",
    "Claim",
    "Finding",
    "Row",
    "Run",
    "claim",
    "claims",
    "number",
    "select",
    "settle",
    "withdraw",
]

SIZES = ("quick", "default", "full")
KINDS = ("eq-", "A", "claim-", "table-", "figure-", "thm-", "exp-")  # how an id begins, in the report's order
Value = TypeVar("Value")
NEGLIGIBLE = 1e-9  # a smaller number is rounding error, and its digits differ between machines


@dataclass(frozen=True)
class Run:
    """How large the samples and grids are, and where figures go (None: nothing is drawn)."""

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
    source: str  # its file: a path from the repository's root, or a file's name where it lies outside theory/
    topic: str = ""  # one of `theory.topics.TOPICS`, or none
    answer: Mapping[str, str] = field(default_factory=dict)  # by verdict, a sentence for readers who know no RL


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
            "topic": self.claim.topic,
            "answer": self.claim.answer.get(self.verdict, ""),  # none where the verdict is another than the expected
            "argument": self.claim.argument,
            "measured": {check.what: check.measured for check in checks} | dict(self.finding.numbers),
            "tolerance": {check.what: f"{check.test} {check.limit:g}" for check in checks},
            "control": {f"{check.what}: {check.control}": check.control_measured for check in checks},
            "counterexamples": [check.what for check in self.finding.fails if check.passed],
            "note": self.finding.note,
            "untestable": self.finding.untestable,
            "figures": [{"name": name, "alt": alt} for name, alt in self.finding.alts().items()],
            "source": self.claim.source,
            "function": getattr(self.claim.settle, "__name__", ""),
            "seconds": round(self.seconds, 3),
        }


_REGISTRY: dict[str, Claim] = {}


def claim(
    id: str, statement: str, *, topic: str = "", answer: Mapping[str, str] | None = None
) -> Callable[[Callable[[Run], Finding]], Callable[[Run], Finding]]:
    """Register the function below as what settles `id`, from any file.

    `topic` and `answer` are for readers, in ledger.json: a topic of `theory.topics`, and for a verdict one plain
    sentence. A row has the sentence of the verdict that was computed, and none if there is none for it. Raises
    `ValueError` on an id that is taken, on one that begins with none of `KINDS`, and where `theory.topics` does.
    """
    _order(id)
    answers = dict(answer or {})
    checked(id, topic, answers)

    def register(settle: Callable[[Run], Finding]) -> Callable[[Run], Finding]:
        if id in _REGISTRY:
            raise ValueError(f"{id} is registered twice")
        argument = inspect.getdoc(settle) or ""
        _REGISTRY[id] = Claim(id, statement, argument, settle, _source(settle), topic, answers)
        return settle

    return register


def withdraw(id: str) -> None:
    """Take a claim out of the registry. Raises `ValueError` on an id there is none of."""
    if id not in _REGISTRY:
        raise ValueError(f"no claim {id!r} to withdraw")
    del _REGISTRY[id]


def _source(settle: Callable[[Run], Finding]) -> str:
    here, file = Path(__file__).resolve().parent, Path(inspect.getfile(settle)).resolve()
    return file.relative_to(here.parent).as_posix() if file.is_relative_to(here) else file.name


def _order(id: str) -> tuple[int, int, str]:
    """Where a claim stands in the report: by kind, then by number, then by name."""
    found = re.fullmatch(r"(A)(\d+)|([a-z]+-)[\w-]+", id)
    kind = found and (found[1] or found[3])
    if kind not in KINDS:
        raise ValueError(f"{id!r} begins with no known kind; an id is one of {', '.join(KINDS)} and a number or a name")
    digits = "".join(character for character in id if character.isdigit())
    return KINDS.index(kind), int(digits or 0), id


def claims() -> dict[str, Claim]:
    """Every claim by its id: equations, assumptions, claims, tables, figures, theorems, experiments."""
    package = importlib.import_module("theory.claims")
    for module in pkgutil.iter_modules(package.__path__, "theory.claims."):
        importlib.import_module(module.name)
    return {id: _REGISTRY[id] for id in sorted(_REGISTRY, key=_order)}


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
