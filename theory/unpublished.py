"""Why rows about the paper's own models cannot be tested here, and what a judge's position bias does."""

from theory.ledger import Finding

UNPUBLISHED = "the paper's runs and their logs are not public; a bandit's curve is not theirs"

CASES = "the models and the sampled answers are not public"
JUDGE = "the judge (DeepSeek-V3) is not here, and its bias towards the first text isn't reported"


def biased_reward(bias: float, both_orders: bool) -> float:
    """Mean R of an answer as good as its reference, if the judge prefers the first of two equal texts so often."""
    first, second = bias, -bias  # the model's answer first, or the reference
    return (first + second) / 2 if both_orders else first


def judge_finding() -> Finding:
    """How far a judge that prefers the first of two equal texts shifts the mean reward, in one order and in both."""
    bias = 0.1
    return Finding(
        f"A judge that prefers the first text in {bias:.0%} of ties gives an answer as good as its reference a mean "
        f"R of {biased_reward(bias, False):g} in the fixed order, {biased_reward(bias, True):g} if both orders were "
        "asked.",
        untestable=JUDGE,
    )
