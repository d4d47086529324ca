"""The suite's short form, as CI runs it: nothing bad, and every part has tried something."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.__main__ import LONG, PARTS

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the suite forks")
def test_nothing_is_silently_wrong_lost_or_left_hanging(tmp_path):
    command = [sys.executable, "-m", "tests.faults", "--short", "--folder", str(tmp_path)]
    environment = os.environ | {"COLUMNS": "200"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-12000:] + ended.stderr[-2000:]
    trials = {part: int(count) for part, count in re.findall(r"^(\w+): (\d+) trials in", ended.stdout, re.MULTILINE)}
    assert trials.keys() == set(PARTS) - LONG
    assert min(trials.values()) >= 3, trials
