"""table-1 to table-7 and claim-14: the printed numbers, recomputed from each other."""

from math import ceil, sqrt

import numpy as np

from theory.ledger import Check, Finding, Run, claim, number
from theory.paper_tables import ABLATION, ERRORS, METHODS, MODELS, PRINTED_CHANGE, TABLES, TEST_PROMPTS


def smallest_sample(data: str, model: int) -> float:
    """Prompts that GRAO's ± on RAS takes, if it is a standard error of independent judgements: p (1 − p) / ±²."""
    share, error, *_ = TABLES[data]["GRAO"][model]
    return share / 100 * (1 - share / 100) / (error / 100) ** 2


def base_interval(data: str, model: int) -> tuple[float, float]:
    """What eq-6 lets the base model's RAS be: NAG <= 1 − RAS_base (a win can't improve), RAS − NAG <= RAS_base."""
    rows = [TABLES[data][method][model] for method in METHODS]
    return max(ras - nag for ras, _, nag, _ in rows if nag >= 0), 100 - max(nag for *_, nag, _ in rows)


def lead(data: str, method: str, binomial: bool, index: int) -> float:
    """Smallest lead of a method over the best of the others, over models, in combined errors, printed or binomial."""
    smallest = np.inf
    for m in (0, 1):
        rows = {name: TABLES[data][name][m] for name in METHODS}
        rival = max((name for name in METHODS if name != method), key=lambda name: rows[name][index])
        ours, theirs = rows[method], rows[rival]
        errors = [ours[index + 1], theirs[index + 1]]
        if binomial:
            errors = [100 * sqrt(x / 100 * (1 - x / 100) / TEST_PROMPTS[data]) for x in (ours[index], theirs[index])]
        smallest = min(smallest, (ours[index] - theirs[index]) / float(np.hypot(errors[0], errors[1])))
    return smallest


def _table(data: str, run: Run) -> Finding:
    prompts = TEST_PROMPTS[data]
    needed = max(smallest_sample(data, model) for model in (0, 1))
    honest = sqrt(0.25 / prompts) * 100
    intervals = {model: base_interval(data, m) for m, model in enumerate(MODELS)}
    ranges = ", ".join(f"[{a:.1f}, {b:.1f}] % ({model})" for model, (a, b) in intervals.items())
    return Finding(
        f"GRAO leads every column. The ± can't be standard errors over the test split: they would take "
        f"{ceil(needed):,} independent prompts, and it has {prompts:,} (±{honest:.2f} at most). With binomial errors, "
        "unpaired, the smallest lead in RAS is not significant. By eq-6 the base models' unreported RAS lies in "
        f"{ranges}; the upper ends stand for the signed version too, the lower ones do not. By eq-6 an SFT NAG near 0 "
        "means that SFT improved next to no answer; signed, as many as it made worse.",
        holds=[Check("GRAO's smallest lead in printed errors, RAS and NAG",
                     min(lead(data, "GRAO", False, i) for i in (0, 2)), ">", 1.96, "GRPO's",
                     min(lead(data, "GRPO", False, i) for i in (0, 2)))],
        fails=[
            Check("prompts that its ± on RAS would take, over those there are", needed / prompts, ">", 1.0,
                  "at ±1.1 %", 0.25 / 0.011**2 / prompts),
            Check("GRAO's smallest lead in RAS, in binomial errors", lead(data, "GRAO", True, 0), "<", 1.96,
                  "in the printed errors", lead(data, "GRAO", False, 0)),
        ],
        numbers={f"base RAS at least, {model}": low for model, (low, _) in intervals.items()}
        | {f"base RAS at most, {model}": high for model, (_, high) in intervals.items()},
    )  # fmt: skip


@claim("table-1", "GRAO is best on helpful-base, in every column, by more than the errors.")
def table_1(run: Run) -> Finding:
    """Recomputed from the printed cells; the ± against the binomial error of the data set's test split
    (2,354 prompts; the paper does not say on how many it judged). A comparison of the same prompts could be sharper.
    By eq-6 a prompt that the base model wins can't be improved, and a new win is an improvement: RAS − NAG <= RAS_base
    <= 1 − NAG, for every method. The negative NAG is left out (eq-6 can't give it).
    """
    return _table("helpful", run)


@claim("table-2", "GRAO is best on harmless-base, in every column, by more than the errors.")
def table_2(run: Run) -> Finding:
    """As table-1, on 2,312 prompts."""
    return _table("harmless", run)


def relative(name: str) -> list[float]:
    """Change of NAG against the full method, %, for each model."""
    return [100 * (ABLATION[name][m] / ABLATION["full"][m] - 1) for m in (0, 1)]


@claim("table-3", "The ablation's printed changes follow from its NAG columns.")
def table_3(run: Run) -> Finding:
    """They are the means over the two models of the relative change. The column "full" is table-1's GRAO."""
    errors = {name: abs(float(np.mean(relative(name))) - PRINTED_CHANGE[name]) for name in PRINTED_CHANGE}
    alternative = {name: abs(100 * (sum(ABLATION[name]) / sum(ABLATION["full"]) - 1) - PRINTED_CHANGE[name])
                   for name in PRINTED_CHANGE}  # fmt: skip
    spread = max(abs(relative(name)[0] - relative(name)[1]) for name in PRINTED_CHANGE)
    return Finding(
        f"They do, to {number(max(errors.values()))} points. The mean hides the models: for the same "
        "ablation they differ by up to "
        f"{spread:.0f} points. What one knob can make of these rows: exp-rho.",
        holds=[
            Check("largest |mean relative change − printed|, points", max(errors.values()), "<", 0.02,
                  "ratio of the means instead", max(alternative.values())),
            Check("|full − table-1's GRAO|", max(abs(ABLATION["full"][m] - TABLES["helpful"]["GRAO"][m][2])
                                               for m in (0, 1)), "<", 0.005, "− table-1's GRPO",
                  abs(ABLATION["full"][0] - TABLES["helpful"]["GRPO"][0][2])),
        ],
        numbers={f"{name}, {model}, %": relative(name)[m] for name in PRINTED_CHANGE for m, model in enumerate(MODELS)},
    )  # fmt: skip


@claim(
    "claim-14",
    "Without exploration the drop is the largest (12.81 %); without the regulariser NAG is capped at 89.1 %.",
)
def claim_14(run: Run) -> Finding:
    """From table-3: 93.8 % without imitation is Qwen's row. The initial slopes (62 %) are a figure's, not a table's."""
    means = {name: float(np.mean(relative(name))) for name in PRINTED_CHANGE}
    kept = {name: [100 + change for change in relative(name)] for name in PRINTED_CHANGE}
    candidates = [*kept["without regulariser"], float(np.mean(kept["without regulariser"])),
                  100 * sum(ABLATION["without regulariser"]) / sum(ABLATION["full"])]  # fmt: skip
    gap = means["without exploration"] - means["without regulariser"]
    error = sqrt(
        sum(2 * (100 * each / full / 2) ** 2 for each, full in zip(ERRORS["full"], ABLATION["full"], strict=True))
    )
    return Finding(
        f"The largest drop is the regulariser's, {-means['without regulariser']:.2f} %, not exploration's, "
        f"{-means['without exploration']:.2f} %, by the paper's own table; but with table-1's errors (it prints none) "
        f"that difference is {gap:.2f} ± {error:.1f}, and it supports neither order: the regulariser's is the larger "
        "drop for Qwen, exploration's for Moonlight. And no reading of its row gives 89.1 % "
        f"({', '.join(f'{value:.1f}' for value in candidates)}).",
        holds=[Check("|share kept without imitation, Qwen − 93.8|", abs(kept["without imitation"][0] - 93.8), "<", 0.06,
                     "Moonlight", abs(kept["without imitation"][1] - 93.8))],
        fails=[
            Check("drop without exploration − without regulariser, points", means["without regulariser"]
                  - means["without exploration"], "<", 0.0, "− without imitation",
                  means["without imitation"] - means["without exploration"]),
            Check("nearest reading of the cap to 89.1 %: points off", min(abs(c - 89.1) for c in candidates), ">", 0.5,
                  "the same search for the 93.8 % without imitation",
                  min(abs(c - 93.8) for c in kept["without imitation"])),
        ],
    )  # fmt: skip


CASES = "the models and the sampled answers are not public"
JUDGE = "the judge (DeepSeek-V3) is not here, and its bias towards the first text isn't reported"


@claim("table-4", "A query answered by the reference, SFT, DPO, GRPO and GRAO, side by side: GRAO's is best.")
def table_4(run: Run) -> Finding:
    """An example chosen by the authors, from models that are not published."""
    return Finding("An anecdote: nothing follows from it and nothing contradicts it.", untestable=CASES)


@claim("table-5", "A second query answered by the same five, side by side: GRAO's is best.")
def table_5(run: Run) -> Finding:
    """As table-4."""
    return Finding("An anecdote: nothing follows from it and nothing contradicts it.", untestable=CASES)


def biased_reward(bias: float, both_orders: bool) -> float:
    """Mean R of an answer as good as its reference, if the judge prefers the first of two equal texts so often."""
    first, second = bias, -bias  # the model's answer first, or the reference
    return (first + second) / 2 if both_orders else first


def _judge() -> Finding:
    bias = 0.1
    return Finding(
        f"A judge that prefers the first text in {bias:.0%} of ties gives an answer as good as its "
        "reference a mean R of "
        f"{biased_reward(bias, False):g} in the fixed order, {biased_reward(bias, True):g} if both orders were asked.",
        untestable=JUDGE,
    )


@claim("table-6", "The helpfulness judge is asked for 1 > 2, 1 = 2 or 1 < 2, the model's answer always first.")
def table_6(run: Run) -> Finding:
    """The order is fixed, so a preference for the first text goes straight into RAS and into R: a bias, which averaging
    over both orders would cancel. How large it is can't be known from here.
    """
    return _judge()


@claim("table-7", "The harmlessness judge is asked the same way.")
def table_7(run: Run) -> Finding:
    """As table-6."""
    return _judge()
