"""exp-many: several references to a prompt."""

from functools import cache

import numpy as np
import torch

from theory.groups import Array
from theory.intervals import share_interval
from theory.ledger import Check, Finding, Run, claim
from theory.rules import RATES, G, arrivals, crowd, grpo
from theory.several import KINDS, advantages, chosen, objective, several, weights

P, FAILURES = 0.03, 8
TABLES = {"equal": [0.7] * 4, "one is best": [1.0, 0.7, 0.7, 0.7], "mixed": [0.8, 0.6, 0.4, 0.2]}
AVERAGED, BEST = KINDS
RACES = {  # a table, its references, how they are imitated, only while ahead
    "equal, GRPO": ("equal", [], "", True),
    "equal, one": ("equal", [1], AVERAGED, True),
    "equal, two averaged": ("equal", [1, 2], AVERAGED, True),
    "equal, four averaged": ("equal", [1, 2, 3, 4], AVERAGED, True),
    "equal, best of four": ("equal", [1, 2, 3, 4], BEST, True),
    "one is best, GRPO": ("one is best", [], "", True),
    "one is best, it alone": ("one is best", [1], AVERAGED, True),
    "one is best, another alone": ("one is best", [2], AVERAGED, True),
    "one is best, four averaged": ("one is best", [1, 2, 3, 4], AVERAGED, True),
    "one is best, best of four": ("one is best", [1, 2, 3, 4], BEST, True),
    "mixed, GRPO": ("mixed", [], "", True),
    "mixed, the best alone": ("mixed", [1], AVERAGED, True),
    "mixed, four averaged": ("mixed", [1, 2, 3, 4], AVERAGED, True),
    "mixed, four averaged, as printed": ("mixed", [1, 2, 3, 4], AVERAGED, False),
}
SIZES = {"quick": (150, 100), "default": (300, 120), "full": (2000, 240)}  # seeds, steps


@cache
def raced(size: str) -> dict[str, Array]:
    """Of each race the share with V >= 0.9 in time and its interval, at the best of five rates, and steps until nine of
    ten: (4,).
    """
    seeds, steps = SIZES[size]
    miss, found = 0.05 / (len(RACES) * len(RATES)), {}
    for name, (table, references, kind, ahead) in RACES.items():
        rewards = torch.tensor([1.0, *TABLES[table]] + [0.0] * FAILURES, dtype=torch.float64)
        rule = several(rewards, references, kind, ahead) if references else grpo(rewards)
        waits, _ = arrivals(rule, rewards, crowd(P, 4, FAILURES, seeds), steps)
        count = int(np.isfinite(waits).sum(1).max())
        nine = float(np.quantile(waits, 0.9, axis=1, method="higher").min())
        found[name] = np.array([count / seeds, *share_interval(count, seeds, miss), nine])
    return found


def twin(references: int, kind: str, planted: float = 1.0) -> float:
    """Largest distance of the collapsed weights from the gradient of eq-3, on random groups. `planted`: a factor."""
    rng = torch.Generator().manual_seed(0)
    R_o, R_y = (torch.rand(200, n, dtype=torch.float64, generator=rng) for n in (G, references))
    A_o, A_y = advantages(R_o, R_y)
    share = chosen(R_y, kind)
    J_o, J_y = (torch.zeros_like(each).requires_grad_() for each in (A_o, A_y))
    slopes = torch.autograd.grad(objective(J_o, J_y, A_o, A_y, share).sum(), (J_o, J_y))
    found = weights(A_o, A_y, share)
    return max(float((planted * w - slope).abs().max()) for w, slope in zip(found, slopes, strict=True))


def raised_loser(references: int) -> float:
    """The largest weight of a reference whose own advantage is below 0, on random groups; averaged, as printed."""
    rng = torch.Generator().manual_seed(1)
    R_o, R_y = (torch.rand(5000, n, dtype=torch.float64, generator=rng) for n in (G, references))
    A_o, A_y = advantages(R_o, R_y)
    w_y = weights(A_o, A_y, chosen(R_y, AVERAGED))[1]
    return float(w_y[A_y < 0].max())


def lesson(references: int, kind: str) -> float:
    """Total weight on the references, all equally good, in a group that fails."""
    R_o, R_y = torch.zeros(1, G, dtype=torch.float64), torch.ones(1, references, dtype=torch.float64)
    return float(weights(*advantages(R_o, R_y), chosen(R_y, kind))[1].sum())


@claim(
    "exp-many",
    "Several references to a prompt are better than one.",
    topic="references",
    answer={
        "holds under conditions": "Averaging over equally good references helps; imitating only one of them, or "
        "averaging over references of different quality, doesn't."
    },
)
def exp_many(run: Run) -> Finding:
    """Eq-3 and eq-4 with M references: all join the pool, and J_imitation is their mean, or that of the best-scored
    one. Collapsed as in thm-1 a reference's weight is (β Â_m − λ Ā) / M, with −Ā = 1/G Σ_m Â_m: the regulariser raises
    all references alike. So at M = 1 alone has the weight the sign of the reference's own advantage; from M = 2 on the
    printed objective can raise a reference that is below its group, by the others' lead. In a group that fails, with
    references equally good, Â_m = √(G/M) and the total weight is β √(G/M) + λ √(M/G), in either form: up to M = β G /
    λ (6.7 here) the weaker the more references there are, and averaged it is spread over M answers. Weights are
    compared with autograd. Runs: the best answer and four possible references at 0.03 each, eight failing answers, 120
    steps, each race at the best of five rates, repaired but where said; exact intervals (Clopper and Pearson), 95 %
    for all at once.
    """
    found = raced(run.size)

    def part(name: str) -> str:
        return f"{found[name][0]:.0%}"

    def nine(name: str) -> str:
        return f"{found[name][3]:.0f}"

    one, two, four, best = (f"equal, {which}" for which in ("one", "two averaged", "four averaged", "best of four"))
    return Finding(
        f"Averaged, yes. With equally good references (0.7) that can be beaten, {part(one)} of the runs reach V >= 0.9 "
        f"with one of them, {part(two)} with two, {part(four)} with four (GRPO: {part('equal, GRPO')}): the policy is "
        "spread over answers of one reward, and becomes certain of none before it samples a better one. Imitating only "
        f"one of the four is no better than having one: {part(best)}. Where one of the four is the best answer, nine "
        f"of ten runs are there after {nine('one is best, it alone')} steps with it alone, "
        f"{nine('one is best, best of four')} with the best of four, {nine('one is best, four averaged')} with the "
        f"average, {nine('one is best, GRPO')} with GRPO; and with another one alone "
        f"{part('one is best, another alone')} arrive in time. So the best form depends on whether one of them "
        f"is unbeatable. References of "
        f"different quality (0.8 to 0.2) do not help: repaired {part('mixed, four averaged')}, against "
        f"{part('mixed, the best alone')} with the best alone and {part('mixed, GRPO')} of GRPO's. As printed "
        f"{part('mixed, four averaged, as printed')}. "
        f"Thm-1's sign is lost: a "
        f"reference below its group can have a weight of {raised_loser(4):.2f}.",
        holds=[Check(what="collapsed weights − autograd's, four references, both forms",
                     measured=max(twin(4, kind) for kind in KINDS), test="<", limit=1e-12,
                     control="a weight 1 % too large", control_measured=twin(4, AVERAGED, 1.01)),
               Check(what="share of runs, four equal references averaged − one, worse ends",
                     measured=float(found[four][1] - found[one][2]), test=">", limit=0.3,
                     control="the best of four − one, better ends",
                     control_measured=float(found[best][2] - found[one][1])),
               Check(what="share of runs where one of four is the best answer, averaged, lower end",
                     measured=float(found["one is best, four averaged"][1]), test=">", limit=0.85,
                     control="another one alone, upper end",
                     control_measured=float(found["one is best, another alone"][2]))],
        fails=[Check(what="largest weight of a reference below its group, four references, as printed",
                     measured=raised_loser(4), test=">", limit=0.05,
                     control="one reference", control_measured=raised_loser(1)),
               Check(what="share of runs, four of different quality averaged, upper end − the best alone, lower end",
                     measured=float(found["mixed, four averaged"][2] - found["mixed, the best alone"][1]),
                     test="<", limit=0.4, control="four of equal quality", control_measured=float(
                         found[four][2] - found[one][1]))],
        numbers={f"{name}: share with V >= 0.9, interval from, to, steps of nine of ten": tuple(map(float, row))
                 for name, row in found.items()}
        | {f"total weight on {m} equal references in a group that fails": lesson(m, AVERAGED) for m in (1, 2, 4)},
    )  # fmt: skip
