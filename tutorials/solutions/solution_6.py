"""Our answers to the exercises of tutorial 6."""


def reward(prompt: str, answer: str) -> float:
    """Position by position, END among them."""
    best = "".join(sorted(prompt.removesuffix("="))) + "."
    right = sum(mine == yours for mine, yours in zip(best, answer, strict=False))
    return right / len(best)


def mask(tokens: list[int], end: int) -> list[bool]:
    """A token counts if no END stands before it; so the first END does."""
    return [end not in tokens[:place] for place in range(len(tokens))]


def token_weights(weight: float, mask: list[bool]) -> list[float]:
    """1/|o| of the weight, where |o| counts the tokens that are real."""
    length = sum(mask)
    return [weight / length if real else 0.0 for real in mask]
