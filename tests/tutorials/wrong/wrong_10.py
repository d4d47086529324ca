"""Wrong answers to exercise 6, each of which its check must reject: `<function>__<what is wrong>`."""


def reward__ignores_the_end(prompt: str, answer: str) -> float:
    best = sorted(prompt[:5])
    return sum(a == b for a, b in zip(best, answer, strict=False)) / 5


def reward__counts_digits_anywhere(prompt: str, answer: str) -> float:
    return (len(set(prompt[:5]) & set(answer)) + ("." in answer)) / 6


def reward__divides_by_the_answer_s_length(prompt: str, answer: str) -> float:
    best = "".join(sorted(prompt[:5])) + "."
    return sum(a == b for a, b in zip(best, answer, strict=False)) / len(answer)


def mask__leaves_the_end_out(tokens: list[int], end: int) -> list[bool]:
    return [end not in tokens[: place + 1] for place in range(len(tokens))]


def mask__hides_every_end(tokens: list[int], end: int) -> list[bool]:
    return [token != end for token in tokens]


def mask__keeps_everything(tokens: list[int], end: int) -> list[bool]:
    return [True] * len(tokens)


def mask__takes_0_for_padding(tokens: list[int], end: int) -> list[bool]:
    return [token != 0 and end not in tokens[:place] for place, token in enumerate(tokens)]


def token_weights__divides_by_the_padded_width(weight: float, mask: list[bool]) -> list[float]:
    return [weight / len(mask) if real else 0.0 for real in mask]


def token_weights__weighs_padding(weight: float, mask: list[bool]) -> list[float]:
    return [weight / max(sum(mask), 1)] * len(mask)


def token_weights__does_not_divide(weight: float, mask: list[bool]) -> list[float]:
    return [weight if real else 0.0 for real in mask]


def mask__has_the_end_built_in(tokens: list[int], end: int) -> list[bool]:
    return [11 not in tokens[:place] for place in range(len(tokens))]


def mask__is_six_wide(tokens: list[int], end: int) -> list[bool]:
    return [end not in tokens[:place] for place in range(len(tokens))][:6]


def token_weights__takes_the_first_tokens(weight: float, mask: list[bool]) -> list[float]:
    real = sum(mask)
    return [weight / max(real, 1)] * real + [0.0] * (len(mask) - real)
