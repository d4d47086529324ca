"""The ratio ρ that thm-1 leaves of β and λ, for the four rows of table-3: for thm-1 and exp-rho."""

BETA, LAM, G = 0.5, 0.6, 8
FULL = (1.0, BETA, LAM)  # weight of the exploration term, β, λ
ROWS = {
    "full": FULL,
    "without imitation": (1.0, 0.0, LAM),
    "without regulariser": (1.0, BETA, 0.0),
    "without exploration": (0.0, BETA, LAM),
}


def knob(row: tuple[float, float, float], group_size: int, pool: str = "with_reference") -> float:
    """ρ = β_eff / (exploration + λ): weight of imitation against all weight on the samples (exploration: 1, or 0)."""
    exploration, beta, lam = row
    own = lam / group_size if pool == "with_reference" else 0.0
    return (beta + own) / (exploration + lam)
