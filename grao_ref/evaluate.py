"""Evaluate models beside their base on held-out prompts: the paper's RAS and NAG with bootstrap intervals.

For example `python -m grao_ref.evaluate runs/1`, or `python -m grao_ref.evaluate MODEL --base MODEL --dataset-name
rows.jsonl --max-completion-length 256 --reward-funcs exact`.

The base, the data, the reward and the lengths are those of the first run, unless flags give others. Models without a
run need the flags of the second example. Of a data set that no run was trained on, the first --max-eval-prompts rows
are taken, unless a test set or --test-size is given. Each model is prompted by its own tokenizer and chat template.

Reward, length, repetition and the distance from the base stand side by side, because a reward can rise while the
answers get worse. Of rows that are preference pairs it also says how often the chosen answer is likelier than the
rejected one, per token, and how often it gained more over the base. Writes evaluation.md, with case studies of the
first prompts (not the best), and evaluation.json.
"""

import sys
from collections.abc import Sequence

from grao_ref.plugins.blame import leave, one_line_errors
from grao_ref.settings.evaluation import DEFAULT
from grao_ref.settings.flags import parse_alone


@one_line_errors
def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags, answer, score, print; the exit code."""
    settings = parse_alone(
        sys.argv[1:] if arguments is None else arguments,
        DEFAULT,
        module="grao_ref.evaluate",
        description=__doc__,
        positional="models",
    )
    from grao_ref.runs.evaluate_command import run  # here, since it imports torch, which `--help` does not need

    return run(settings)


if __name__ == "__main__":
    leave(main())
