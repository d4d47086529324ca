"""What the tests of the commands share: flags parsed as `grao_ref.train` does, refusals, and what a run wrote."""

import json
from pathlib import Path

from grao_ref.settings.config import Config
from grao_ref.settings.flags import parse as parse_flags
from grao_ref.settings.presets import PRESETS

SMALL = ["--num-generations", "2", "--per-device-train-batch-size", "4", "--max-eval-prompts", "4"]


def parse(flags) -> Config:
    return parse_flags(flags, PRESETS, module="grao_ref.train", description="")


def refused(main, arguments, capsys) -> str:
    """The one-line error of a bad command."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as exit_:  # the parser's own
        code = exit_.code
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
