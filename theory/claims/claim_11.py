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


def further(digits: float = 0.005) -> dict[str, tuple[float, ...]]:
    """With PPO's and GRPO's cell exchanged: for each RAS cell, its values within ±3 points that make all four exact.

    The residual that a method's own cells leave in the others stays, so only GRAO's can mend all four.
    """
    first, found = min(exchanges(), key=lambda e: exchanges()[e]), {}
    table = {m: {c: _exchanged(m, c, first) for c in RAS} for m in ("GRAO", *ABSTRACT)}
    for method, (data, model, index) in product(table, RAS):
        printed = table[method][data, model, index]
        exact = []
        for tried in (round(printed + step / 100, 2) for step in range(-300, 301) if step):
            changed = table | {method: table[method] | {(data, model, index): tried}}
            ratios = {m: np.mean([changed["GRAO"][c] / changed[m][c] for c in RAS]) for m in ABSTRACT}
            if all(abs(100 * (ratios[m] - 1) - target) <= digits for m, target in ABSTRACT.items()):
                exact.append(tried)
        if exact:
            found[f"{method}, {data}, {MODELS[model]}, printed {printed:.2f}"] = tuple(exact)
    return found


def _exchanged(method: str, cell: tuple[str, int, int], exchange: Exchange) -> float:
    if cell == exchange[2] and method in exchange[:2]:
        method = exchange[0] if method == exchange[1] else exchange[1]
    data, model, index = cell
    return TABLES[data][method][model][index]


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


@claim(
    "claim-11",
    "GRAO improves on SFT by 57.70 %, DPO 17.65 %, PPO 7.95 %, GRPO 5.18 %, relatively (abstract).",
    topic="the paper's numbers",
    answer={
        "holds under conditions": "The abstract's percentages follow from the paper's tables, nearly, if two cells "
        "are exchanged; from the tables as printed no average gives all four."
    },
)
def claim_11(run: Run) -> Finding:
    """Every aggregate over every subset of the eight columns of tables 1-2 is tried: 255 subsets, four ways. The
    percentages are confirmed if one aggregate gives all four; a control shows that the search finds an aggregate that
    was used. The mean of the four RAS ratios gives SFT's and DPO's to 0.03, and not PPO's and GRPO's. So every exchange
    of two methods in one column is tried as well, as if the table had a misprint. It gives all four to 0.03, not
    exactly: rounding of every cell and of the abstract, all in the worst direction, accounts for less than what is left
    of three of them, and all four are off in one direction. So a second change is searched for: every value of every
    RAS cell, to two digits, within 3 points. What a search finds is an explanation, not a proof.
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
    signed = [improvement(m, RAS, "mean of ratios", tried[0][0]) - target for m, target in ABSTRACT.items()]
    beyond, second = sum(left[m] > slack[m] for m in ABSTRACT), further()
    listed = "; ".join(f"{name}: {' or '.join(f'{v:.2f}' for v in values)}" for name, values in second.items())
    return Finding(
        "No aggregate of the tables as printed gives the abstract's four numbers; the nearest "
        f"({best.split(' cells')[0]} cells) misses one by {error:.2f} points. But the mean of the four RAS ratios "
        f"gives all four to {mended:.2f} (rounding leaves {slack['GRPO']:.3f} of GRPO's {left['GRPO']:.3f} at the "
        f"very worst) if {a} and {b} have each other's RAS on {data}, {MODELS[model]}; no other exchange comes "
        f"nearer than {tried[1][1]:.2f}. {beyond} of the four residuals are larger than rounding explains, and "
        f"{max(sum(e > 0 for e in signed), sum(e < 0 for e in signed))} have one sign: for the exact numbers one more "
        f"cell has to differ, and one of these would do ({listed}). The simplest reading: the abstract was computed "
        "from another state of the "
        "tables than the printed one. Which of them is right can't be known from here.",
        holds=[Check(what=f"largest error with {a} and {b} exchanged there, points",
                     measured=mended, test="<", limit=0.05,
                     control="the next best of all 24 exchanges", control_measured=tried[1][1]),
               Check(what="residuals beyond what rounding explains, after the exchange",
                     measured=float(beyond), test=">", limit=0.5, control="with 0.02 points more of rounding",
                     control_measured=float(sum(left[m] > slack[m] + 0.02 for m in ABSTRACT))),
               Check(what="cells of which one further change makes all four exact",
                     measured=float(len(second)), test=">", limit=0.5,
                     control="all four exact to a hundredth of that",
                     control_measured=float(len(further(5e-5))))],
        fails=[Check(what="largest error of the best aggregate of the tables as printed, points",
                     measured=error, test=">", limit=0.05,
                     control="four numbers made by one of the aggregates", control_measured=found)],
        numbers={f"{method}: mean of the four RAS ratios, {state}": improvement(method, RAS, "mean of ratios", change)
                 for method in ABSTRACT for state, change in (("as printed", None), ("exchanged", tried[0][0]))}
        | {f"{method}: error, exchanged, over the most that rounding makes": left[method] / slack[method]
           for method in ABSTRACT}
        | {f"further change after the exchange, all four exact, {name}, minus that":
           tuple(v - float(name.split()[-1]) for v in values) for name, values in second.items()},
    )  # fmt: skip
