"""Exercises of tutorial 11. Replace each `raise` by your answer, then run: make exercise 11."""


def wilson(count: int, number: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `count` in `number`, both ends between 0 and 1; z = 1.96.

    It holds all shares p whose distance from count/number is at most z standard errors *at p*; the standard error is the
    root of p (1 − p) / number. This is a quadratic inequality. With f = count/number and s = z²/number its ends are
    (f + s/2 ± √(f (1 − f) s + s²/4)) / (1 + s).
    """
    raise NotImplementedError


def divergence(
    logprobs: list[list[float]],
    base_logprobs: list[list[float]],
    mask: list[list[bool]],
) -> float:
    """An estimate of KL(policy ‖ base), in nats per answer, from answers that the policy sampled.

    Each row is an answer: its tokens' log-probabilities under the policy and under the base, and which tokens are real.
    The padding may have any value, also NaN and infinity.
    """
    raise NotImplementedError


def step_to_keep(reward: list[float], second: list[float]) -> int:
    """The index of the checkpoint to keep, by its reward and by a second metric; for both, higher is better.

    Keep the one with the highest second metric; among equals, the one with the highest reward; among those, the first.
    """
    raise NotImplementedError
