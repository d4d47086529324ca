"""What the tables of runs say of rows of the ledger, at their scale: small transformers whose answers share weights.

How each row is read off was written into the tables' files before their runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import exp, log
from statistics import mean, median, stdev

from theory.experiments.cells import Line, best_rates, made, measure
from theory.experiments.plan import Cell, Table
from theory.experiments.readings import Interval, at, interval, welch

LEVEL, NEVER = 0.5, 110.0  # of claim-12: the success that is reached, and what counts where it is not
WINDOW = 20  # steps at either end of a run, for claim-13 and claim-15
RHO = {"no imitation": 0.047, "printed": 0.359, "no alignment": 0.5, "no exploration": 0.958}  # (β + λ/G)/(1 + λ)
SWEEP = {"ρ 0.05, λ 0": 0.047, "ρ 0.1, λ 0": 0.1, "ρ 0.2, λ 0": 0.2, "ρ 0.36, λ 0": 0.359,
         "no alignment": 0.5, "ρ 0.96, λ 0": 0.958, "ρ 1.5, λ 0": 1.5}  # fmt: skip
SAME = (("printed", "ρ 0.36, λ 0"), ("ρ 0.36, λ 2", "ρ 0.36, λ 0"), ("no imitation", "ρ 0.05, λ 0"),
        ("no exploration", "ρ 0.96, λ 0"))  # fmt: skip
OTHER = (("ρ 0.05, λ 0", "ρ 0.96, λ 0"), ("ρ 0.36, λ 0", "ρ 1.5, λ 0"))
Runs = dict[str, list[Line]]  # of a task: each method's runs, in the order of the seeds


@dataclass(frozen=True)
class Row:
    """What is said here of a row of the ledger. verdict: yes, no or open."""

    id: str
    task: str
    verdict: str
    words: str


def all_runs(table: Table, lines: list[Line], task: str) -> Runs | None:
    """All runs of a task; None where some are missing."""
    rates, found = best_rates(table, lines)[task], {}
    for method in table.entrants:
        cell = Cell(task, method, rates[method], *table.seeds)
        here = made(lines, cell)
        if len(here) < cell.count:
            return None
        found[method] = [here[seed] for seed in sorted(here)]
    return found


def rows(table: Table, lines: list[Line]) -> list[Row]:
    """What a table says; nothing where its runs are not all there, or it is not made for this."""
    if table.name not in ("mixture", "terms"):
        return []
    found = {task: here for task in table.tasks if (here := all_runs(table, lines, task))}
    if table.name == "mixture":
        return claim_16(table, found)
    readers: list[Callable[[Table, str, Runs], list[Row]]] = [thm_1, table_3, claim_12, claim_13, claim_15, thm_4]
    return [row for read in readers for task, here in found.items() for row in read(table, task, here)]


def paired(one: list[float], other: list[float]) -> Interval:
    """Of the differences, seed by seed."""
    return interval([x - y for x, y in zip(one, other, strict=True)])


def steps_to(table: Table, line: Line, level: float = LEVEL) -> float:
    """The step where the measure first reaches a level, linear between evaluations; NEVER where it does not."""
    steps = (0, *table.steps)
    values = [at(table, line, str(step)) for step in steps]
    if values[0] >= level:
        return 1.0  # before the first step; 1, because a ratio needs a number above 0
    for (start, low), (end, high) in pairwise(zip(steps, values, strict=True)):
        if high >= level:
            return start + (level - low) / (high - low) * (end - start)
    return NEVER


def thm_1(table: Table, task: str, runs: Runs) -> list[Row]:
    """Under Adam one number is left: pairs with the same ρ end alike, pairs with another one do not."""
    whole = {method: [measure(table, line) for line in lines] for method, lines in runs.items()}
    same = {f"{a} − ({b})": paired(whole[a], whole[b]) for a, b in SAME}
    other = {f"{a} − ({b})": paired(whole[a], whole[b]) for a, b in OTHER}
    alike = not any(each.sure for each in same.values())
    verdict = "no" if not alike else "yes" if any(each.sure for each in other.values()) else "open"
    words = "; ".join(f"{name}: {each}" for name, each in same.items())
    control = "; ".join(f"{name}: {each}" for name, each in other.items())
    return [Row("thm-1", task, verdict, f"Differences at the same ρ: {words}. At another ρ: {control}.")]


def table_3(table: Table, task: str, runs: Runs) -> list[Row]:
    """The paper's order: the whole objective before each that lacks a term; and one top along ρ."""
    ablated = {name: [measure(table, line) for line in runs[name]] for name in RHO}
    lacks = {name: paired(ablated["printed"], ablated[name]) for name in RHO if name != "printed"}
    sure = {each.sure for each in lacks.values()}
    verdict = "yes" if sure == {1} else "no" if -1 in sure else "open"
    values = [mean(measure(table, line) for line in runs[name]) for name in SWEEP]
    curve = ", ".join(f"{rho:g}: {value:.3f}" for rho, value in zip(SWEEP.values(), values, strict=True))
    said = "; ".join(f"{name}: {each}" for name, each in lacks.items())
    back = against_one_top(values)
    words = f"The whole less what lacks a term: {said}. Along ρ (λ = 0): {curve}; against one top: {back:.3f}."
    return [Row("table-3", task, verdict, words)]


def against_one_top(values: list[float]) -> float:
    """How far values go down before their largest, or up after it.

    >>> against_one_top([1, 2, 4, 3]), against_one_top([1, 3, 2, 4]), against_one_top([4, 1, 2])
    (0, 1, 1)
    """
    top = values.index(max(values))
    sides = (values[: top + 1], values[top:][::-1])
    return max(high - value for side in sides for high, value in zip(accumulate(side, max), side, strict=True))


def claim_12(table: Table, task: str, runs: Runs) -> list[Row]:
    """Half of GRPO's steps: the ratio of the steps to the level, geometric mean over the seeds."""
    needs = {name: [steps_to(table, line) for line in runs[name]] for name in ("GRPO", "printed", "repaired")}
    found = []
    for name in ("printed", "repaired"):
        ratio = paired([log(each) for each in needs[name]], [log(each) for each in needs["GRPO"]])
        low, high = exp(ratio.mean - ratio.half), exp(ratio.mean + ratio.half)
        verdict = "yes" if high <= 0.5 else "no" if low > 0.5 else "open"
        never = sum(each == NEVER for each in needs[name]), sum(each == NEVER for each in needs["GRPO"])
        words = (
            f"GRAO {name} reaches a success of {LEVEL} after {median(needs[name]):.0f} steps, GRPO after "
            f"{median(needs['GRPO']):.0f} (medians; never within {table.steps[-1]}: {never[0]} and {never[1]} of "
            f"{len(needs[name])} runs). Ratio {exp(ratio.mean):.2f} [{low:.2f}, {high:.2f}]."
        )
        found.append(Row("claim-12", task, verdict, words))
    return found


def claim_13(table: Table, task: str, runs: Runs) -> list[Row]:
    """GRPO's reward varies more, late in a run."""
    spread = {
        name: [stdev(line["trained"]["reward"][-WINDOW:]) for line in runs[name]]
        for name in ("GRPO", "printed", "repaired")
    }
    more = paired(spread["GRPO"], spread["printed"])
    verdict = {1: "yes", -1: "no", 0: "open"}[more.sure]
    said = ", ".join(f"{name} {mean(each):.3f}" for name, each in spread.items())
    words = (
        f"Standard deviation of a step's mean reward over the last {WINDOW} steps: {said}. GRPO less printed: {more}."
    )
    return [Row("claim-13", task, verdict, words)]


def claim_15(table: Table, task: str, runs: Runs) -> list[Row]:
    """Imitation and alignment are most of the loss at first, exploration later."""
    shares = {}
    for window, part in (("first", slice(WINDOW)), ("last", slice(-WINDOW, None))):
        for term in ("exploration", "imitation", "alignment"):
            values = [x for line in runs["printed"] for x in line["trained"][f"objective_share/{term}"][part]]
            shares[window, term] = mean(x for x in values if x is not None)
    first, last = 1 - shares["first", "exploration"], shares["last", "exploration"]
    verdict = "yes" if first > 0.82 and 0.52 <= last <= 0.61 and shares["last", "imitation"] < 0.4 else "no"
    words = (
        f"Imitation and alignment have {100 * first:.0f} % of the objective in the first {WINDOW} steps; in the last "
        f"{WINDOW} exploration has {100 * last:.0f} %, imitation {100 * shares['last', 'imitation']:.0f} %."
    )
    return [Row("claim-15", task, verdict, words)]


def thm_4(table: Table, task: str, runs: Runs) -> list[Row]:
    """A reference that can be beaten is unlearned by the printed objective: more of it is lost than with GRPO."""
    if task != "beatable":
        return []
    name, last = "eval_reference/logp_per_token", str(table.steps[-1])
    moved = {
        method: [line["curve"][last][name] - line["curve"]["0"][name] for line in runs[method]]
        for method in ("GRPO", "printed", "repaired")
    }
    said = "; ".join(f"{method} {interval(each)}" for method, each in moved.items())
    below = paired(moved["printed"], moved["GRPO"])
    verdict = {1: "no", -1: "yes", 0: "open"}[below.sure]
    words = f"Change of the references' log-likelihood a token: {said}. Printed less GRPO: {below}."
    return [Row("thm-4", task, verdict, words)]


def claim_16(table: Table, found: dict[str, Runs]) -> list[Row]:
    """More on the mixture: the lead over GRPO there less that on the dense model, Welch's interval."""
    said = []
    kinds = dict.fromkeys(task.partition(", ")[2] for task in table.tasks)
    for kind in (kind for kind in kinds if {f"dense, {kind}", f"mixture, {kind}"} <= set(found)):
        for method in ("GRAO printed", "GRAO repaired"):
            lead = {
                model: [
                    measure(table, one) - measure(table, other)
                    for one, other in zip(
                        found[f"{model}, {kind}"][method], found[f"{model}, {kind}"]["GRPO"], strict=True
                    )
                ]
                for model in ("dense", "mixture")
            }
            more = welch(lead["mixture"], lead["dense"])
            verdict = {1: "yes", -1: "no", 0: "open"}[more.sure]
            words = (
                f"{method} less GRPO: {interval(lead['mixture'])} on the mixture, {interval(lead['dense'])} on the "
                f"dense model. More on the mixture: {more}."
            )
            said.append(Row("claim-16", f"references: {kind}", verdict, words))
    return said
