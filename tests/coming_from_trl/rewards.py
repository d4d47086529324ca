"""Reward functions by dotted path: one of the scripts' own, and a stand-in for `trl.rewards`, with its signature.

TRL is not installed with this package; tests/parity has its own functions.
"""

import os
import re


def think_format_reward(completions: list[list[dict[str, str]]], **kwargs) -> list[float]:
    """1 where the thoughts stand between their tags, before the answer."""
    texts = [completion[0]["content"] for completion in completions]
    return [float(bool(re.match(r"^<think>(?!.*<think>)(.*?)</think>.*$", text, re.DOTALL))) for text in texts]


def number_in_the_shell(completions: list[str]) -> list[float]:
    """The environment variable MY_NUMBER, for each."""
    return [float(os.environ["MY_NUMBER"])] * len(completions)
