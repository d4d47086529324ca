"""How well a table's heads rank pairs that they were not fitted on; without that, a reward of theirs means nothing.

    python -m theory.experiments.heads helpful --home runs/experiments

It reads what the table's first commands wrote into that folder, and writes it into logs/heads.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from theory.experiments.cells import LOGS
from theory.experiments.hh import accuracy, read_rows

RECORD = LOGS / "heads.json"


def of(name: str, home: Path) -> dict[str, Any]:
    """The fitted head on its held-out pairs, with its interval; the words' head on those of the other parts."""
    fitted = json.loads((home / f"{name}-head" / "head.json").read_text())["held_out"]
    words = json.loads((home / name / "words.json").read_text())
    rows = [row for part in ("train", "test") for row in read_rows(home / name / f"{part}.jsonl")]
    kept = {key: round(fitted[key], 4) if key != "pairs" else fitted[key] for key in ("mean", "low", "high", "pairs")}
    return {"fitted": kept, "words": {"mean": round(accuracy(rows, words), 4), "pairs": len(rows)}}


def sentence(name: str, record: Path = RECORD) -> str | None:
    """The sentence for the report; None where it was not recorded."""
    found = json.loads(record.read_text()).get(name) if record.exists() else None
    if found is None:
        return None
    fitted, words = found["fitted"], found["words"]
    return (
        f"The reward is a head that ranks {100 * fitted['mean']:.0f} % [{100 * fitted['low']:.0f}, "
        f"{100 * fitted['high']:.0f}] of {fitted['pairs']} pairs right that it was not fitted on, all of them short "
        f"enough to train on; the words' head ranks {100 * words['mean']:.0f} % of {words['pairs']} other pairs right, "
        "of any length. 50 % is chance."
    )


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser("python -m theory.experiments.heads")
    parser.add_argument("table")
    parser.add_argument("--home", type=Path, required=True, help="where the table's runs stand")
    given = parser.parse_args()
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    RECORD.write_text(json.dumps(before | {given.table: of(given.table, given.home)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
