"""Compare estimates with measured peaks: `python -m tests.memory`, which writes tutorials/recorded/memory.json."""

import sys

from tests.benchmarks.__main__ import describe
from tests.memory.compared import WITHIN, compare, record
from tests.memory.scenarios import SCENARIOS


def main(names: list[str]) -> int:
    """Exit code: 1 where an estimate is off by more than 15 %. `names`: some scenarios, which are not recorded."""
    chosen = [each for each in SCENARIOS if not names or each.name in names]
    rows = compare(chosen)
    if not names:
        record(rows, describe())
    return int(any(abs(row["ratio"] - 1) > WITHIN for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
