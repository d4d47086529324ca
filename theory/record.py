"""The committed ledger.json: what REPORT.md has, as data, for pages that are made without settling anything.

It differs from the fresh ledger.json in `_build`: numbers are texts with the report's digits, seconds are left out, and
each check is one object. So it changes only where the report does, or a text that the report doesn't show.
"""

import json
from typing import Any

from theory.ledger import Check, Row, number
from theory.report import changes, numbers

Record = dict[str, Any]


def record(row: Row) -> Record:
    """A row as the committed ledger has it.

    `limit` is a comparison and a number, as in "< 0.05". A number with several entries, which its name lists, is one
    text, as in the report.
    """
    claim, finding = row.claim, row.finding
    return {
        "id": claim.id,
        "statement": claim.statement,
        "verdict": row.verdict,
        "topic": claim.topic,
        "answer": claim.answer.get(row.verdict, ""),
        "note": finding.note,
        "untestable": finding.untestable,
        "argument": claim.argument,
        "checks": [_check("holds", each) for each in finding.holds]
        + [_check("counterexample", each) for each in finding.fails],
        "numbers": {name: numbers(value) for name, value in finding.numbers.items()},
        "figures": [{"name": name, "alt": alt} for name, alt in finding.alts().items()],
        "source": claim.source,
        "function": getattr(claim.settle, "__name__", ""),
    }


def _check(kind: str, check: Check) -> Record:
    return {
        "kind": kind,
        "what": check.what,
        "measured": number(check.measured),
        "limit": f"{check.test} {check.limit:g}",
        "passed": check.passed,
        "control": check.control,
        "control_measured": number(check.control_measured),
    }


def written(records: list[Record]) -> str:
    """The text of the committed ledger.json."""
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def stale(committed: list[Record], fresh: list[Record], *, whole: bool = True) -> list[str]:
    """Where committed records differ from fresh ones; numbers may differ by 1.5 %, as in the report.

    `whole`: whether a committed record that is not among the fresh ones is a difference.
    """
    old, new = ({each["id"]: each for each in records} for records in (committed, fresh))
    found = [f"{id}: missing" for id in new if id not in old]
    found += [f"{id}: gone" for id in old if whole and id not in new]
    for id in (each for each in new if each in old):
        if old[id]["verdict"] != new[id]["verdict"]:
            found.append(f"{id}: {old[id]['verdict']} -> {new[id]['verdict']}")
        else:
            found += [f"{id}: {change}" for change in changes(written([old[id]]), written([new[id]]))]
    if not found and whole and list(old) != list(new):
        found.append("the order of the rows differs")
    return found
