"""What the answers to exercise 6 must do. Each message is a hint."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from grao_ref import mean_log_likelihood
from grao_ref.rewards.sorting import sorting

Answer = Callable[..., Any]


def check_reward(answer: Answer) -> None:
    """By hand and against the package's reward function, which reads the text without END."""
    assert answer("92754=", "24579.") == pytest.approx(1), (
        "sorted digits and END: the reward is 1"
    )
    assert answer("92754=", "24597.") == pytest.approx(4 / 6), (
        "the tutorial's reference has four of six positions right"
    )
    assert answer("92754=", "24579") == pytest.approx(5 / 6), (
        "without END, one of six positions is missing"
    )
    assert answer("92754=", "24.") == pytest.approx(2 / 6), (
        "a short answer is divided by six too, and its END is in the place of a digit"
    )
    assert answer("92754=", "92754.") != pytest.approx(1), (
        "the right digits in the wrong order are not right"
    )
    assert answer("92754=", "2457999.") == pytest.approx(5 / 6), (
        "END in the eighth position is not END in the sixth"
    )
    rng = random.Random(6)
    for _ in range(40):
        digits = rng.sample("0123456789", 5)
        best = "".join(sorted(digits))
        text = best[: rng.randrange(6)]  # the first digits are right, others are random
        text += "".join(rng.choices("0123456789=", k=rng.randrange(9 - len(text))))
        prompt, said = "".join(digits) + "=", text if len(text) == 8 else text + "."
        (expected,) = sorting([text], solution=[best])
        assert answer(prompt, said) == pytest.approx(expected), (
            f"{prompt}{said} earns {expected:.3f} in the package"
        )


def check_mask(answer: Answer) -> None:
    """END counts, what follows does not."""
    assert answer([1, 3, 11, 0, 0], 11) == [True, True, True, False, False], (
        "the model samples END too: it counts, and what follows does not"
    )
    assert answer([1, 3, 4], 11) == [True] * 3, (
        "a truncated answer has no END; all its tokens count"
    )
    assert answer([1, 11, 11, 11], 11) == [True, True, False, False], (
        "where the padding has END's id, only the first one counts"
    )
    assert answer([11, 4], 11) == [True, False], "END alone is an answer of one token"
    assert answer([1, 0, 2, 11], 11) == [True] * 4, (
        "a token with id 0 is a token like any other; only END's id matters"
    )
    assert answer([11, 3, 7, 0], 7) == [True, True, True, False], (
        "another model has another END: here it is 7, and 11 is a token like any other"
    )
    assert answer([1] * 9, 11) == [True] * 9, (
        "nine tokens, nine entries: the length is not fixed"
    )


def check_token_weights(answer: Answer) -> None:
    """By hand and by autograd through the package."""
    assert answer(0.6, [True, True, True, False]) == pytest.approx(
        [0.2, 0.2, 0.2, 0]
    ), "three real tokens share the weight equally, whatever the padded width"
    assert answer(-0.5, [True]) == pytest.approx([-0.5]), (
        "a single token gets the whole weight, with its sign"
    )
    assert list(answer(0.5, [False, False])) == [0, 0], (
        "without tokens all weights are 0: what do you divide by?"
    )
    assert answer(0.6, [False, True, True]) == pytest.approx([0, 0.3, 0.3]), (
        "the mask marks which tokens are real, not only how many"
    )
    real = torch.tensor([True, True, True, True, False, False])
    logprobs = torch.full((6,), -1.0, dtype=torch.float64, requires_grad=True)
    (0.37 * mean_log_likelihood(logprobs, real)).backward()
    assert logprobs.grad is not None
    assert answer(0.37, real.tolist()) == pytest.approx(logprobs.grad.tolist()), (
        "four tokens of six: the result differs from autograd through mean_log_likelihood"
    )
