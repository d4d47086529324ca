"""Typical wrong answers to the exercises of tutorial 6; each must be rejected with a hint."""


def collapsed_weights__alignment_forgets_the_reference(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """w_y = β Â_y: true in `outputs` alone."""
    size = len(advantages)
    return [(1 + lam) * each / size for each in advantages], beta * reference_advantage


def collapsed_weights__takes_the_pool_for_granted(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """w_y = (β + λ/G) Â_y: true with the reference in the pool alone."""
    size = len(advantages)
    samples = [(1 + lam) * each / size for each in advantages]
    return samples, (beta + lam / size) * reference_advantage


def collapsed_weights__samples_without_alignment(
    advantages: list[float], reference_advantage: float, beta: float, lam: float
) -> tuple[list[float], float]:
    """w_i = Â_i / G: alignment's second copy of exploration is left out."""
    size = len(advantages)
    mean = sum(advantages) / size
    return [each / size for each in advantages], beta * reference_advantage - lam * mean


def knob__the_same_in_both_pools(beta: float, lam: float, group_size: int, pool: str) -> float:
    """λ/G in `outputs` too."""
    return (beta + lam / group_size) / (1 + lam)


def knob__lambda_not_shared(beta: float, lam: float, group_size: int, pool: str) -> float:
    """λ instead of λ/G."""
    return (beta + (lam if pool == "with_reference" else 0)) / (1 + lam)


def knob__without_the_step(beta: float, lam: float, group_size: int, pool: str) -> float:
    """β_eff, not divided by the samples' factor 1 + λ."""
    return beta + (lam / group_size if pool == "with_reference" else 0)


def same_curve__same_beta(beta: float, lam: float, group_size: int, new_lam: float) -> float | None:
    """As if λ were only a step size."""
    return beta


def same_curve__scaled_beta(beta: float, lam: float, group_size: int, new_lam: float) -> float | None:
    """Right in `outputs`."""
    return beta * (1 + new_lam) / (1 + lam)


def same_curve__negative_beta(beta: float, lam: float, group_size: int, new_lam: float) -> float | None:
    """Solved, but a negative β is returned too."""
    rho = (beta + lam / group_size) / (1 + lam)
    return rho * (1 + new_lam) - new_lam / group_size
