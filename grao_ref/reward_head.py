"""Train a reward: a linear Bradley-Terry head on a frozen language model's features, from preference pairs.

The features of every answer are computed once; the fit takes seconds. Accuracy is measured on prompts that were held
out, beside the trivial rule that the longer answer wins. The folder it writes is a reward function:
`python -m grao_ref.train --reward-funcs runs/head`.
"""

import sys
from collections.abc import Sequence

from grao_ref.plugins.blame import leave, one_line_errors
from grao_ref.settings.flags import parse_alone
from grao_ref.settings.head import HeadSettings


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, train, print; the exit code."""
    settings = parse_alone(
        sys.argv[1:] if arguments is None else arguments,
        HeadSettings(),
        module="grao_ref.reward_head",
        description=__doc__,
    )
    from grao_ref.runs.head_command import run  # here, since it imports torch, which `--help` does not need

    return run(settings)


if __name__ == "__main__":
    leave(main())
