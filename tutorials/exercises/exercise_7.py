"""Exercises of tutorial 7. Replace each `raise` by your answer, then run: make exercise 7."""


def expected_queries(p: float, group_size: int, with_reference: bool) -> float:
    """Expected reward queries until the first group that isn't dead; infinite if all groups are dead.

    Rewards are 1 (probability p) and 0. `with_reference`: a right reference is in the pool; the query for its own
    reward is not counted.
    """
    raise NotImplementedError


def who_is_first() -> list[str]:
    """Predict, then run: "GRPO" or "GRAO", in four situations. The best answer (1) and the reference y start at 2 % each.

    1. R(y) = 0.7, one failing answer, a learning rate of 0.4 for both: in which is the median of V larger after 20 steps?
    2. The same, where each method has the best of the rates 0.8, 1.6, 3.2 and 6.4 for that number.
    3. As the second, but R(y) = 1.
    4. As the second, after 60 steps, with eight failing answers.
    """
    raise NotImplementedError
