"""A reward function of one's own, named by its dotted path, scores samples and references alike."""

import json
from itertools import pairwise

import pytest

from grao_ref.train import main


def ascending(completions, solution, **columns):
    """Share of neighbouring characters that ascend: sorted digits earn 1, and so does any other ascending answer."""
    pairs = [list(pairwise(text)) for text in completions]
    return [sum(a < b for a, b in each) / len(each) if each else None for each in pairs]


def test_a_reward_of_one_s_own_trains_from_the_command_line(tmp_path):
    flags = ["--max-steps", "30", "--max-eval-prompts", "50", "--eval-steps", "30", "--output-dir", str(tmp_path)]
    assert main(["--reward-funcs", "tests.extensions.test_reward.ascending", *flags]) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    scores = [row["eval_reward"] for row in lines if "eval_reward" in row]
    assert scores[-1] > scores[0] + 0.2
    assert lines[1]["rewards/ascending/mean"] == pytest.approx(lines[1]["reward"])
    assert lines[1]["reference/reward"] == pytest.approx(0.75)  # one of four neighbours is swapped
