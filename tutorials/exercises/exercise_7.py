"""Exercises of tutorial 7. Replace each `raise` by your answer, then: make exercise 7."""


def wilson(count: int, number: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `count` in `number`, both ends between 0 and 1; z = 1.96.

    All shares p whose distance from count/number is at most z standard errors *at p*, the root of p (1 − p) / number.
    That is a quadratic inequality; with f = count/number and s = z²/number its ends are
    (f + s/2 ± √(f (1 − f) s + s²/4)) / (1 + s).
    """
    raise NotImplementedError


def divergence(
    logprobs: list[list[float]],
    base_logprobs: list[list[float]],
    mask: list[list[bool]],
) -> float:
    """An estimate of KL(policy ‖ base), in nats an answer, from answers that the policy sampled.

    Each row is an answer: its tokens' log-probabilities under the policy and under the base, and which tokens are real.
    What stands behind the mask may be anything, NaN and infinities included.
    """
    raise NotImplementedError


def step_to_keep(reward: list[float], second: list[float]) -> int:
    """The index of the checkpoint to keep, by its reward and by a second metric, both better if higher.

    Where the second metric is highest; among equals, the one with the higher reward; among those, the earliest.
    """
    raise NotImplementedError
