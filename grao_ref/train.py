"""Train a policy and show the results.

`--preset tiny` (the default) trains the embedded language model on the embedded task, sorting five digits, against
references with a mistake each; `bandit` a table on a ten-armed bandit; `smollm2` a real model on real data, given a
reward; `paper` is the paper's own setting, its objective as printed. GRAO is trained repaired, or as printed with
`--no-imitate-only-when-ahead` (thm-4).
"""

import sys
from collections.abc import Sequence

from grao_ref.plugins.blame import leave, one_line_errors
from grao_ref.settings.flags import parse
from grao_ref.settings.presets import PRESETS


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, run, print; the exit code."""
    config = parse(
        sys.argv[1:] if arguments is None else arguments, PRESETS, module="grao_ref.train", description=__doc__
    )
    from grao_ref.runs.train_command import run  # here, since it imports torch, which `--help` does not need

    return run(config)


if __name__ == "__main__":
    leave(main())
