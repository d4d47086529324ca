"""exp-continual: one task after another in one policy, the paper's future work."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from theory.figures import COLOURS, figure
from theory.groups import Array
from theory.intervals import quantile_interval, share_interval
from theory.ledger import Check, Finding, Run, claim
from theory.rules import GOAL, Rule, grao, grpo
from theory.shared import Replay, imitated, nothing, sampled, sft, train

K, STEPS, COSINES = 8, 100, (0.0, 0.5, 0.8)
A = torch.tensor([1.0, 0.7, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)  # the best, its reference, failures
B = torch.tensor([0.0, 0.0, 1.0, 0.7, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
Y_A, Y_B = 1, 3
METHODS: dict[str, Callable[[torch.Tensor, int], Rule]] = {
    "SFT": lambda rewards, y: sft(y, K),
    "GRPO": lambda rewards, y: grpo(rewards),
    "printed": lambda rewards, y: grao(rewards, y, 0.7, ahead=False),
    "repaired": lambda rewards, y: grao(rewards, y, 0.7),
}
REPLAYS = NOTHING, IMITATED, SAMPLED = ("nothing", "references imitated", "prompts sampled")
CELLS = [(cosine, name, how) for cosine in COSINES for name in METHODS for how in REPLAYS]
MISS = 0.05 / (3 * len(CELLS))


@cache
def ends(size: str) -> dict[tuple[float, str, str], Array]:
    """V of A when it was learned, V of A and of B after B, and the gap of A's logits before B, by cosine, method
    and what of A is used again: (4, N).
    """
    seeds = {"quick": 120, "default": 300, "full": 4000}[size]
    found: dict[tuple[float, str, str], Array] = {}
    start = torch.zeros(2, len(COSINES) * seeds, K, dtype=torch.float64)
    cosines = torch.tensor(COSINES, dtype=torch.float64).repeat_interleave(seeds)[:, None]  # in one run, a block each
    for name, method in METHODS.items():
        learned = train(start, cosines, method(A, Y_A), nothing, STEPS, 0).flip(0)  # A's row was the second
        before = [learned[0].softmax(-1) @ A, _gap(learned[0])]
        replays: list[Replay] = [nothing, imitated(Y_A), sampled(method(A, Y_A))]
        for how, replay in zip(REPLAYS, replays, strict=True):
            old, new = train(learned, cosines, method(B, Y_B), replay, STEPS, 1).softmax(-1)
            rows = torch.stack([before[0], old @ A, new @ B, before[1]]).view(4, len(COSINES), seeds).numpy()
            found |= {(cosine, name, how): rows[:, c] for c, cosine in enumerate(COSINES)}
    return found


def _gap(theta: torch.Tensor) -> torch.Tensor:
    """The best answer's logit over the others' mean, but for the reference's."""
    return theta[:, 0] - theta[:, 2:].mean(1)


def median(values: Array) -> tuple[float, float, float]:
    """The median of V over seeds, and its interval."""
    low, high = quantile_interval(values, 0.5, MISS)
    return float(np.median(values)), float(low), float(high)


def kept(values: Array) -> tuple[float, float, float]:
    """The share of seeds that still have V >= 0.9, and its interval."""
    count = int((values >= GOAL).sum())
    return (count / len(values), *share_interval(count, len(values), MISS))


def means(found: dict[tuple[float, str, str], Array], cosine: float, name: str) -> str:
    """Mean V of A / of B at the end, for each of `REPLAYS`."""
    pairs = [found[cosine, name, how][1:3].mean(1) for how in REPLAYS]
    return ", ".join(f"{old:.2f} / {new:.2f}" for old, new in pairs)


@claim(
    "exp-continual",
    "The old task's references, imitated while a new task is learned, keep the old task.",
    topic="the paper's future work",
    answer={
        "holds under conditions": "They keep only what they teach: SFT stays at their level, while GRPO and repaired "
        "GRAO, which had become better, can fall back to it."
    },
)
def exp_continual(run: Run) -> Finding:
    """Synthetic: logits are features @ W, with one prompt for each of two tasks, whose features have a cosine c. A
    step on B by u then moves A's logits by c u, which is all there is to shared weights here. Eight answers, of which
    A's best and reference (0.7) fail on B, and the reverse. 100 steps on A, then 100 on B, rate 0.4, with one of:
    nothing of A; β = 0.5 times SFT on A's reference in each step; A's prompt sampled and trained on by the same
    method, its reference in the pool where the method has one (twice the samples). At c = 0 nothing is forgotten,
    exactly. SFT's old references are what it had learned, so imitating them again restores it. A method that had
    become better than the reference is pulled down to it, since a fixed weight does not know that the policy was
    ahead; only samples of A can tell. Intervals are exact (order statistics; Clopper and Pearson), 95 % for all at
    once.
    """
    found = ends(run.size)
    _draw(run, found)
    forgotten = {c: float(np.abs(found[c, "GRPO", NOTHING][1] - found[c, "GRPO", NOTHING][0]).max()) for c in COSINES}

    gap = {name: float(found[0.5, name, NOTHING][3].mean()) for name in METHODS}

    def both(c: float) -> str:
        return "; ".join(name + " " + means(found, c, name) for name in METHODS)

    def kept_of(name: str, how: str) -> tuple[float, float, float]:
        return kept(found[0.5, name, how][1])

    gain = {name: [median(found[0.5, name, how][1]) for how in (NOTHING, IMITATED)] for name in ("SFT", "GRPO")}
    return Finding(
        "Only what those references teach. Mean V of A / of B after B, with nothing of A, its references imitated, its "
        f"prompts sampled; c = 0.5: {both(0.5)}. At c = 0.8: "
        f"{both(0.8)}. For SFT, imitating A's references again keeps A at their "
        "level. For GRPO and repaired GRAO, which had passed it (1 against 0.7), the same is worse than nothing at c = "
        "0.5: A falls to its reference. Sampling A's prompts keeps A, at twice the samples; where much is shared GRPO "
        "then does not find B's best answer, and GRAO learns B to its reference. At c = 0.5 GRPO keeps A in "
        f"{kept_of('GRPO', SAMPLED)[0]:.0%} of the runs, repaired GRAO in {kept_of('repaired', SAMPLED)[0]:.0%}. "
        f"The printed objective forgets least, and learns B least: it leaves A with a gap of {gap['printed']:.0f} "
        f"between the logits of its best answer and of failures (repaired {gap['repaired']:.0f}), since it pushes a "
        "reference that is beaten for ever (thm-4).",
        holds=[Check(what="SFT, c = 0.5: gain of A's median by imitating its reference again, worse ends",
                     measured=gain["SFT"][1][1] - gain["SFT"][0][2], test=">", limit=0.05,
                     control="GRPO, better ends", control_measured=gain["GRPO"][1][2] - gain["GRPO"][0][1]),
               Check(what="share of repaired runs that keep A (V >= 0.9), prompts sampled, c = 0.5, lower end",
                     measured=kept_of("repaired", SAMPLED)[1], test=">", limit=0.85,
                     control="references imitated, upper end", control_measured=kept_of("repaired", IMITATED)[2]),
               Check(what="largest change of V of A by training on B, GRPO, c = 0",
                     measured=forgotten[0.0], test="<", limit=1e-12, control="c = 0.5",
                     control_measured=forgotten[0.5])],
        fails=[Check(what=f"{name}, c = 0.5: A's median after B, reference imitated, upper end",
                     measured=median(found[0.5, name, IMITATED][1])[2], test="<", limit=0.75,
                     control="prompts sampled, lower end", control_measured=median(found[0.5, name, SAMPLED][1])[1])
               for name in ("GRPO", "repaired")],
        numbers={f"c = {c:g}, {name}, {how}: mean V of A before B, after B, of B, share that keeps A, its "
                 "interval from, to, median V of A, from, to, of B, from, to": (
                     *map(float, found[c, name, how][:3].mean(1)), *kept(found[c, name, how][1]),
                     *median(found[c, name, how][1]),
                     *median(found[c, name, how][2])) for c, name, how in CELLS},
        figures={"exp-continual": ALT},
    )  # fmt: skip


ALT = (
    "Reward on the first task against reward on the second, after both, in two panels by how similar the tasks "
    "are. Four methods, each with nothing of the first task, with its references imitated, or with its prompts "
    "sampled."
)


def _draw(run: Run, found: dict[tuple[float, str, str], Array]) -> None:
    with figure(run, "exp-continual", columns=2, legend="lower left") as axes:
        if axes is None:
            return
        for each, cosine in zip(axes, COSINES[1:], strict=True):
            for name, colour in zip(METHODS, COLOURS, strict=False):
                points = [found[cosine, name, how][1:3].mean(1) for how in REPLAYS]
                for (old, new), how, marker in zip(points, REPLAYS, "ov*", strict=True):
                    label = name if marker == "o" else (how if name == "repaired" else None)
                    each.plot(new, old, marker, ms=9, color=colour, label=label, fillstyle="none")
                each.plot([new for _, new in points], [old for old, _ in points], color=colour, linewidth=0.6)
            each.set(xlabel="V of B, learned second", ylabel="V of A after B", title=f"cosine of the tasks {cosine:g}")
            each.set(xlim=(0.15, 1.05), ylim=(0, 1.05))
