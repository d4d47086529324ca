"""Exercises of tutorial 9. Replace each `raise` by your answer, then run: make exercise 9."""


def leave_one_out(rewards: list[float]) -> list[float]:
    """RLOO's weights: as in REINFORCE, but the mean of the *other* samples' rewards is first subtracted from each reward.

    As in REINFORCE, divide by the size of the group. Which method has the same weights, up to a factor?
    """
    raise NotImplementedError


def clipped_weight(
    ratio: float, advantage: float, group_size: int, epsilon: float
) -> float:
    """PPO's weight on log π(o): the slope of min(ρ A, clip(ρ, 1 − ε, 1 + ε) A) / G in log π(o).

    The slope of ρ in log π(o) is ρ. The check does not test the two corners, where ρ is 1 − ε or 1 + ε.
    """
    raise NotImplementedError


def decompose(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[float, float, float]:
    """a, b and c such that the printed GRAO, reference in the pool, weighs

        sample i by      a · (GRPO's weight of sample i) + b / G
        the reference by c

    The samples and the reference never all earn the same. Where GRPO's weights are all 0, a may have any value.
    """
    raise NotImplementedError
