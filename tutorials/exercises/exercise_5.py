"""Exercises of tutorial 5. Replace each `raise` by your answer, then: make exercise 5."""


def leave_one_out(rewards: list[float]) -> list[float]:
    """RLOO's weights: REINFORCE's, but each reward is first compared with the mean of the *other* samples' rewards.

    As in REINFORCE, divide by the size of the group. Then look: whose weights are these, but for a factor?
    """
    raise NotImplementedError


def clipped_weight(
    ratio: float, advantage: float, group_size: int, epsilon: float
) -> float:
    """PPO's weight on log π(o): the slope of min(ρ A, clip(ρ, 1 − ε, 1 + ε) A) / G in log π(o).

    The slope of ρ in log π(o) is ρ. You won't be asked at the two corners.
    """
    raise NotImplementedError


def decompose(
    rewards: list[float], reference_reward: float, beta: float, lam: float
) -> tuple[float, float, float]:
    """a, b and c such that the printed GRAO, reference in the pool, weighs

        sample i by      a · (GRPO's weight of sample i) + b / G
        the reference by c

    The samples and the reference won't all earn the same. Where GRPO's weights are all 0, a may be anything.
    """
    raise NotImplementedError
