"""The paper's tables, recomputed from each other: for table-1 to table-3 and claim-14."""

from math import ceil, sqrt

import numpy as np

from theory.ledger import Check, Finding
from theory.paper_tables import ABLATION, METHODS, MODELS, TABLES, TEST_PROMPTS


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


def table_finding(data: str) -> Finding:
    """What table-1 (helpful) or table-2 (harmless) shows of GRAO's lead, its errors and the base models."""
    prompts = TEST_PROMPTS[data]
    needed = max(smallest_sample(data, model) for model in (0, 1))
    honest = sqrt(0.25 / prompts) * 100
    intervals = {model: base_interval(data, m) for m, model in enumerate(MODELS)}
    ranges = ", ".join(f"[{a:.1f}, {b:.1f}] % ({model})" for model, (a, b) in intervals.items())
    return Finding(
        "GRAO leads every column. The ± can't be standard errors over the test split: they would take "
        f"{ceil(needed):,} independent prompts, and it has {prompts:,} (±{honest:.2f} at most). With binomial "
        "errors, unpaired, the smallest lead in RAS is not significant. By eq-6 the base models' unreported RAS "
        f"lies in {ranges}; the upper ends stand for the signed version too, the lower ones do not. By eq-6 an SFT "
        "NAG near 0 means that SFT improved next to no answer; signed, as many as it made worse.",
        holds=[Check(what="GRAO's smallest lead in printed errors, RAS and NAG",
                     measured=min(lead(data, "GRAO", False, i) for i in (0, 2)), test=">", limit=1.96,
                     control="GRPO's", control_measured=min(lead(data, "GRPO", False, i) for i in (0, 2)))],
        fails=[
            Check(what="prompts that its ± on RAS would take, over those there are",
                  measured=needed / prompts, test=">", limit=1.0,
                  control="at ±1.1 %", control_measured=0.25 / 0.011**2 / prompts),
            Check(what="GRAO's smallest lead in RAS, in binomial errors",
                  measured=lead(data, "GRAO", True, 0), test="<", limit=1.96,
                  control="in the printed errors", control_measured=lead(data, "GRAO", False, 0)),
        ],
        numbers={f"base RAS at least, {model}": low for model, (low, _) in intervals.items()}
        | {f"base RAS at most, {model}": high for model, (_, high) in intervals.items()},
    )  # fmt: skip


def relative(name: str) -> list[float]:
    """Change of NAG against the full method, %, for each model."""
    return [100 * (ABLATION[name][m] / ABLATION["full"][m] - 1) for m in (0, 1)]
