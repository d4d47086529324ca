"""Evaluate trained policies beside their base on held-out prompts: the paper's RAS and NAG with bootstrap intervals.

The data, the reward and the lengths are those of the first run. Reward, length, repetition and the distance from the
base stand side by side, because a reward can rise while the answers get worse. Writes evaluation.md, with case
studies of the first prompts (not the best), and evaluation.json.
"""

import sys
from collections.abc import Sequence

from grao_ref.plugins.blame import one_line_errors
from grao_ref.settings.evaluation import EvaluationSettings
from grao_ref.settings.flags import parse_alone


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, answer, score, print; the exit code."""
    settings = parse_alone(
        sys.argv[1:] if arguments is None else arguments,
        EvaluationSettings(),
        module="grao_ref.evaluate",
        description=__doc__,
        positional="runs",
    )
    from grao_ref.runs.evaluate_command import run  # here, since it imports torch, which `--help` does not need

    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
