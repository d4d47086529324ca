"""claim-11: the abstract's four percentages, looked for in tables 1 and 2."""

from itertools import combinations, product

import numpy as np

from theory.ledger import Check, Finding, Run, claim
from theory.paper_tables import ABSTRACT, MODELS, TABLES

AGGREGATES = ("ratio of means", "mean of ratios", "geometric mean of ratios", "median of ratios")
CELLS = tuple(product(TABLES, (0, 1), (0, 2)))  # data set, model, RAS or NAG


RAS = tuple(cell for cell in CELLS if cell[2] == 0)
Cells = tuple[tuple[str, int, int], ...]
Exchange = tuple[str, str, tuple[str, int, int]]  # two methods, and the cell in which their values are exchanged


def improvement(method: str, cells: Cells, how: str, exchange: Exchange | None = None) -> float:
    """GRAO's relative improvement over a method, %, over some cells of tables 1-2; NaN for a ratio over 0 or less."""

    def value(name: str, cell: tuple[str, int, int]) -> float:
        if exchange and cell == exchange[2] and name in exchange[:2]:
            name = exchange[0] if name == exchange[1] else exchange[1]
        data, model, index = cell
        return TABLES[data][name][model][index]

    new, old = (np.array([value(name, cell) for cell in cells]) for name in ("GRAO", method))
    if how == "ratio of means":
        return float(100 * (new.mean() / old.mean() - 1))
    if (old <= 0).any():
        return float("nan")
    ratios = new / old
    means = {
        "mean of ratios": ratios.mean(),
        "geometric mean of ratios": np.exp(np.log(ratios).mean()),
        "median of ratios": np.median(ratios),
    }
    return float(100 * (means[how] - 1))


def exchanges() -> dict[Exchange, float]:
    """For each exchange of two methods in one RAS column: the largest error of the mean of the four RAS ratios."""
    pairs = combinations(("SFT", "DPO", "PPO", "GRPO"), 2)
    tried = [(a, b, cell) for (a, b), cell in product(pairs, RAS)]
    return {e: max(abs(improvement(m, RAS, "mean of ratios", e) - t) for m, t in ABSTRACT.items()) for e in tried}


def rounding(method: str) -> float:
    """What rounding of the cells and of the abstract to two digits can change in the mean of the four RAS ratios."""
    pairs = [(TABLES[d]["GRAO"][m][i], TABLES[d][method][m][i]) for d, m, i in RAS]
    return 0.005 + float(np.mean([100 * 0.005 * (1 / old + new / old**2) for new, old in pairs]))


def search(targets: dict[str, float]) -> dict[str, float]:
    """For every aggregate (cells and how): the largest error over the methods, points."""
    subsets = [subset for size in range(1, len(CELLS) + 1) for subset in combinations(CELLS, size)]
    return {
        f"{how} of {len(subset)} cells {subset}": max(abs(improvement(m, subset, how) - t) for m, t in targets.items())
        for subset in subsets
        for how in AGGREGATES
    }


@claim("claim-11", "GRAO improves on SFT by 57.70 %, DPO 17.65 %, PPO 7.95 %, GRPO 5.18 %, relatively (abstract).")
def claim_11(run: Run) -> Finding:
    """Every aggregate over every subset of the eight columns of tables 1-2 is tried: 255 subsets, four ways. The
    percentages are confirmed if one aggregate gives all four; a control shows that the search finds an aggregate that
    was used. The mean of the four RAS ratios gives SFT's and DPO's to 0.03, and not PPO's and GRPO's. So every exchange
    of two methods in one column is tried as well, as if the table had a misprint. Rounding of every cell and of the
    abstract, all in the worst direction, accounts for less than what is left. An exchange found by search is an
    explanation, not a proof.
    """
    errors = search(ABSTRACT)
    best, error = min(((k, e) for k, e in errors.items() if e == e), key=lambda pair: pair[1])
    used = (CELLS[0], CELLS[2], CELLS[5])
    planted = {method: round(improvement(method, used, "ratio of means"), 2) for method in ABSTRACT}
    found = min(e for e in search(planted).values() if e == e)
    tried = sorted(exchanges().items(), key=lambda pair: pair[1])
    (a, b, (data, model, _)), mended = tried[0]
    slack = {method: rounding(method) for method in ABSTRACT}
    left = {m: abs(improvement(m, RAS, "mean of ratios", tried[0][0]) - target) for m, target in ABSTRACT.items()}
    return Finding(
        "No aggregate of the tables as printed gives the abstract's four numbers; the nearest "
        f"({best.split(' cells')[0]} cells) misses one by {error:.2f} points. But the mean of the four RAS ratios "
        f"gives all four to {mended:.2f} (rounding leaves {slack['GRPO']:.3f} of GRPO's {left['GRPO']:.3f} at the "
        f"very worst) if {a} and {b} have each other's RAS on {data}, {MODELS[model]}; no other exchange comes "
        f"nearer than {tried[1][1]:.2f}. The simplest reading: the abstract was computed from another state of the "
        "tables than the printed one. Which of them is right can't be known from here.",
        holds=[Check(what=f"largest error with {a} and {b} exchanged there, points",
                     measured=mended, test="<", limit=0.05,
                     control="the next best of all 24 exchanges", control_measured=tried[1][1])],
        fails=[Check(what="largest error of the best aggregate of the tables as printed, points",
                     measured=error, test=">", limit=0.05,
                     control="four numbers made by one of the aggregates", control_measured=found)],
        numbers={f"{method}: mean of the four RAS ratios, {state}": improvement(method, RAS, "mean of ratios", change)
                 for method in ABSTRACT for state, change in (("as printed", None), ("exchanged", tried[0][0]))}
        | {f"{method}: error, exchanged, over the most that rounding makes": left[method] / slack[method]
           for method in ABSTRACT},
    )  # fmt: skip
