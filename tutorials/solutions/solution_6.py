"""Our answers to the exercises of tutorial 6."""


def collapsed_weights(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """Alignment subtracts λ times the samples' mean advantage from the reference's weight."""
    size = len(advantages)
    mean = sum(advantages) / size
    samples = [(1 + lam) * each / size for each in advantages]
    return samples, beta * reference_advantage - lam * mean


def knob(beta: float, lam: float, group_size: int, pool: str) -> float:
    """The mean advantage is −Â_y / G where the reference is in the pool, and 0 where it is not."""
    own = lam / group_size if pool == "with_reference" else 0.0
    return (beta + own) / (1 + lam)


def same_curve(
    beta: float, lam: float, group_size: int, new_lam: float
) -> float | None:
    """Solve ρ(β', λ') = ρ(β, λ) for β'. If λ' is large, its part λ'/G alone may already be too much."""
    rho = knob(beta, lam, group_size, "with_reference")
    new_beta = rho * (1 + new_lam) - new_lam / group_size
    return new_beta if new_beta >= 0 else None
