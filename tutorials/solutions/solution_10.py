"""Our answers to the exercises of tutorial 10."""


def reward(prompt: str, answer: str) -> float:
    """Compared position by position, END included."""
    best = "".join(sorted(prompt.removesuffix("="))) + "."
    right = sum(mine == yours for mine, yours in zip(best, answer, strict=False))
    return right / len(best)


def mask(tokens: list[int], end: int) -> list[bool]:
    """A token counts if there is no END before it, so the first END counts."""
    return [end not in tokens[:place] for place in range(len(tokens))]


def token_weights(weight: float, mask: list[bool]) -> list[float]:
    """1/|o| of the weight, where |o| is the number of real tokens."""
    length = sum(mask)
    return [weight / length if real else 0.0 for real in mask]
