"""Exercises of tutorial 4. Replace each `raise` by your answer, then run: make exercise 4."""


def expected_update(
    probabilities: list[float], rewards: list[float], group_size: int
) -> list[float]:
    """GRPO's expected push on each logit of a table, computed from all K^G groups.

    Each group is an ordered row of G answers. Sample i of a group pushes the logits by its weight Â_i / G times the
    gradient of log π(o_i). On a table this gradient is 1 at o_i and 0 elsewhere, minus the probabilities. Use eq-4 over
    the samples only, with the population deviation. In a dead group every advantage is 0. `itertools.product` lists the
    groups.
    """
    raise NotImplementedError


def who_is_ahead() -> list[str]:
    """Predict, then run: which method has the larger mean V after 60 steps, "GRPO" or "GRAO"? Four bandits, in order.

    G = 8, learning rate 0.2, ten answers: the best (1), the reference y (0.7 unless said otherwise), eight failures (0).
    Think of two differences: what GRAO does with y, and the factor 1 + λ = 1.6 of its weights on the samples.

    1. All ten answers start at 10 % (the tutorial's).
    2. The policy already writes y: π(y) = 87 %, the best answer 5 %, each failure 1 %.
    3. As the first, but y is the best answer, R(y) = 1, and the other good answer earns 0.7.
    4. The best answer and y are rare: 1 % each.
    """
    raise NotImplementedError


def best_settings() -> dict[str, str | float | int]:
    """The tutorial's bandit, and 500 rewards to ask for: settings that reach a mean V of at least 0.98.

    {"method": "grpo", "learning_rate": 0.2, "num_generations": 8}, for example, makes 500 // 8 = 62 steps. `method` is
    "sft", "ppo", "grpo" or "grao".
    """
    raise NotImplementedError
