"""Wrong answers to exercise 7, each of which its check must reject: `<function>__<what is wrong>`."""

from math import sqrt

Rows = list[list[float]]
Masks = list[list[bool]]


def wilson__is_the_normal_interval(count: int, number: int) -> tuple[float, float]:
    f = count / number
    half = 1.96 * sqrt(f * (1 - f) / number)
    return f - half, f + half


def wilson__forgets_to_shrink(count: int, number: int) -> tuple[float, float]:
    f, s = count / number, 1.96**2 / number
    half = sqrt(f * (1 - f) * s + s * s / 4)
    return max(f + s / 2 - half, 0.0), min(f + s / 2 + half, 1.0)


def divergence__has_the_wrong_sign(logprobs: Rows, base: Rows, mask: Masks) -> float:
    return -_sums(logprobs, base, mask) / len(mask)


def divergence__is_per_token(logprobs: Rows, base: Rows, mask: Masks) -> float:
    return _sums(logprobs, base, mask) / sum(map(sum, mask))


def divergence__multiplies_by_the_mask(logprobs: Rows, base: Rows, mask: Masks) -> float:
    rows = zip(logprobs, base, mask, strict=True)
    return sum((a - b) * m for row in rows for a, b, m in zip(*row, strict=True)) / len(mask)


def divergence__is_cut_off_at_0(logprobs: Rows, base: Rows, mask: Masks) -> float:
    return max(0.0, _sums(logprobs, base, mask) / len(mask))


def step_to_keep__adds_the_two(reward: list[float], second: list[float]) -> int:
    return max(range(len(second)), key=lambda step: reward[step] + second[step])


def step_to_keep__multiplies_the_two(reward: list[float], second: list[float]) -> int:
    return max(range(len(second)), key=lambda step: reward[step] * second[step])


def step_to_keep__rounds(reward: list[float], second: list[float]) -> int:
    return max(range(len(second)), key=lambda step: (round(second[step], 1), reward[step]))


def step_to_keep__trusts_the_reward(reward: list[float], second: list[float]) -> int:
    return reward.index(max(reward))


def step_to_keep__ignores_the_reward(reward: list[float], second: list[float]) -> int:
    return second.index(max(second))


def step_to_keep__stops_at_the_first_dip(reward: list[float], second: list[float]) -> int:
    step = 0
    while step + 1 < len(second) and (second[step + 1], reward[step + 1]) > (second[step], reward[step]):
        step += 1
    return step


def _sums(logprobs: Rows, base: Rows, mask: Masks) -> float:
    rows = zip(logprobs, base, mask, strict=True)
    return sum(a - b for row in rows for a, b, m in zip(*row, strict=True) if m)
