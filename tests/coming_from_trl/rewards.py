"""A stand-in for `trl.rewards`, which is not installed with this package: one function with TRL's signature."""

import re


def think_format_reward(completions: list[list[dict[str, str]]], **kwargs) -> list[float]:
    """1 where the thoughts stand between their tags, before the answer."""
    texts = [completion[0]["content"] for completion in completions]
    return [float(bool(re.match(r"^<think>(?!.*<think>)(.*?)</think>.*$", text, re.DOTALL))) for text in texts]
