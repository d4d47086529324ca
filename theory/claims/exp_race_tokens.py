"""exp-race-tokens: does the order of exp-race's rules survive where answers have several tokens?"""

from typing import Any

import numpy as np

from theory.contest import CONTESTANTS
from theory.figures import COLOURS, figure
from theory.forest import flattened, planted
from theory.ledger import Check, Finding, Run, claim, number
from theory.token_judged import (
    LINKS,
    OTHER_SEEDS,
    PLACES,
    TREES,
    TWINS,
    by_equations,
    changed,
    conditions,
    pairs_of,
    ratio,
    replaced,
    sharing,
    summary,
    tables_of,
)
from theory.token_race import STEPS, tuned, tuning_tables
from theory.token_tuned import TUNED

NAMES = {"adam": "Adam", "sgd": "SGD"}


def _links(size: str) -> tuple[list[Check], list[Check], list[str]]:
    """The links that hold, those that are reversed, and the names of those that are open."""
    holds, fails, still_open = [], [], []
    for first, second, optimizer in LINKS:
        _, low, high = ratio(size, first, second, optimizer)
        _, control_low, control_high = ratio(size, second + OTHER_SEEDS, second, optimizer)
        what = f"`{first}`, mean wait over that of `{second}`, {NAMES[optimizer]}"
        control = f"`{second}` with other random numbers, over itself"
        if high < 1:
            holds.append(Check(what=f"{what}: upper end", measured=high, test="<", limit=1.0,
                               control=control, control_measured=control_high))  # fmt: skip
        elif low > 1:
            fails.append(Check(what=f"{what}: lower end", measured=low, test=">", limit=1.0,
                               control=control, control_measured=control_low))  # fmt: skip
        else:
            still_open.append(f"{first} before {second} ({NAMES[optimizer]})")
    return holds, fails, still_open


def _apparatus(size: str) -> list[Check]:
    """That y counts only where it is good, and that updates are those of the package's equations."""
    return [
        Check(what="repaired GRAO, mean wait over GRPO's where y is the best answer, Adam: upper end",
              measured=ratio(size, "GRAO repaired", "GRPO", "adam", "best")[2], test="<", limit=0.8,
              control="y replaced by a failing answer", control_measured=replaced(size)[2]),
        Check(what="largest difference from the gradient of the package's equations by autograd",
              measured=by_equations(), test="<", limit=1e-12,
              control="tokens added up, not averaged", control_measured=by_equations(summed=True)),
    ]  # fmt: skip


@claim(
    "exp-race-tokens",
    "Where answers have several tokens, no method of exp-race's order is overtaken by the one behind it.",
    topic="the family and the race",
    answer={
        "holds": "Yes: with answers of several tokens no step of the order is reversed, but one is no longer seen, and "
        "the lead of the best rule over GRPO is much smaller.",
        "holds under conditions": "Part of the order is the same for answers of several tokens, and part of it is "
        "reversed.",
        "fails": "No: the methods that were faster on answers of one token are slower on answers of several tokens.",
    },
)
def exp_race_tokens(run: Run) -> Finding:
    """exp-race with answers of 2 to 4 tokens out of 2 to 4, of one or of several lengths (`theory/token_tables.py`). A
    policy has a softmax for each prefix, so answers that begin alike share parameters: imitating y also raises what
    begins like it, and a failure lowers what begins like it. Each answer's log-likelihood is the mean over its tokens.
    Rewards and probabilities of whole answers are drawn as in exp-race; each table has a twin in which every answer is
    one token, so that tokens are told apart from the number of failing answers (1 to 63). Trees and twins are each
    tuned on 48 tables and judged on others, at eight reward queries a step, by the mean number of steps until V >= 0.9,
    where a run that does not arrive counts one step more than there are. All fifteen contestants are there: PPO's
    critic has a value for each prefix. Runs are made in numpy, not by the package's loop; each rule is the gradient of
    the package's objective, to 1e-12, and on exp-race's own tables runs wait as long as the loop's
    (tests/theory).

    Distribution, seeds, rates, the five links that are read as exp-race's order, and the controls were fixed before any
    method was tuned (`theory/token_race.py`). A link says that one method's mean wait is smaller than another's;
    it holds, or is reversed, where the interval of the ratio leaves out 1, and is open otherwise. Intervals are of
    95 %, by resampling tables; those of shares and medians are exact for runs of these tables. After the judging the
    row's statement was narrowed, from "the order is the same" to "none is overtaken", since a link is open; the rule of
    the verdict is the one that was fixed. At the end of what was tried are Dr. GRPO's rate under SGD, 51.2, and SFT's
    budget, 1 step.
    """
    size = run.size
    holds, fails, still_open = _links(size)
    _draw(run)
    numbers: dict[str, float | tuple[float, ...]] = {}
    for name, optimizer in pairs_of(size):
        for arm in (TREES, TWINS):
            key = f"{name}, {optimizer}, {arm}: mean wait; half at step, from, to; share that arrives, from, to"
            numbers[key] = summary(size, name, optimizer, arm)
        if name == "GRPO":
            continue
        for place in PLACES if optimizer == "adam" else ("shared", "apart", "all"):
            numbers[f"{name}, {optimizer}, trees, {place}: mean wait over GRPO's, from, to"] = ratio(
                size, name, "GRPO", optimizer, place
            )
        key = f"{name}, {optimizer}, twins, all: mean wait over GRPO's, from, to"
        numbers[key] = ratio(size, name, "GRPO", optimizer, arm=TWINS)
        numbers[f"{name}, {optimizer}: the same, trees over twins, from, to"] = changed(size, name, optimizer)
        numbers[f"{name}, {optimizer}: the same, shared over apart, from, to"] = sharing(size, name, optimizer)
    for arm, entries in TUNED.items():
        for entry in entries:
            key = f"tuned: {entry.name}, {entry.optimizer}, {arm}: rate, steps of SFT"
            numbers[key] = (entry.rate, float(entry.lessons))
    if size == "full":
        numbers["tuned again: entries that differ"] = float(_differ())
    return Finding(
        _note(size, still_open), holds=holds + _apparatus(size), fails=fails, numbers=numbers,
        figures={"exp-race-tokens": ALT},
    )  # fmt: skip


def _differ() -> int:
    """How many entries come out otherwise when they are tuned again."""
    tables = tuning_tables()
    forests = {TREES: planted(tables), TWINS: planted([flattened(each) for each in tables])}
    again = {arm: tuned(forest) for arm, forest in forests.items()}
    return sum(again[arm][entry.name, entry.optimizer][0] != entry for arm in TUNED for entry in TUNED[arm])


def _ends(found: tuple[float, float, float]) -> str:
    middle, low, high = map(number, found)
    return f"{middle} [{low}, {high}]"


def _note(size: str, still_open: list[str]) -> str:
    words = f"{len(tables_of(size))} tables, {STEPS} steps. Mean wait over the next one's, with its interval: "
    words += ", ".join(f"{first} over {second} {_ends(ratio(size, first, second, optimizer))} ({NAMES[optimizer]})"
                       for first, second, optimizer in LINKS)  # fmt: skip
    words += f". Open: {', '.join(still_open) or 'none'}"
    met = sum(conditions(size, "bar"))
    words += f". On these tables `bar` meets {met} of the four conditions of a recommendation (exp-race)"
    for optimizer in ("adam", "sgd"):
        ran = [name for name, each in pairs_of(size) if each == optimizer and name != "GRPO"]
        order = sorted(ran, key=lambda name: ratio(size, name, "GRPO", optimizer)[0])
        words += f". Mean wait over GRPO's, {NAMES[optimizer]}, on trees (on their twins of one token): " + ", ".join(
            f"{name} {_ends(ratio(size, name, 'GRPO', optimizer))} "
            f"({number(ratio(size, name, 'GRPO', optimizer, arm=TWINS)[0])})"
            for name in order
        )
        for what, read in (("by tokens", changed), ("by a prefix that y shares with the best answer", sharing)):
            seen = [(name, read(size, name, optimizer)) for name in order]
            named = [f"{name} {_ends(found)}" for name, found in seen if not found[1] <= 1 <= found[2]]
            words += f". That ratio is changed {what}, {NAMES[optimizer]}: {', '.join(named) or 'none'}"
    return words + "."


ALT = (
    "Mean wait over GRPO's for fourteen rules under Adam and SGD, on answers of several tokens and on the same answers "
    "as one token each. Under Adam the rule bar goes from about one half to more than four fifths."
)


def _draw(run: Run) -> None:
    """Mean wait over GRPO's, a row for each rule; left of 1 it needs fewer steps."""
    with figure(run, "exp-race-tokens", rows=2) as axes:
        if axes is None:
            return
        for axis, optimizer in zip(axes, ("adam", "sgd"), strict=True):
            _panel(axis, run.size, optimizer)


def _panel(axis: Any, size: str, optimizer: str) -> None:
    names = [name for name in CONTESTANTS if name != "GRPO" and (name, optimizer) in pairs_of(size)]
    names.sort(key=lambda name: ratio(size, name, "GRPO", optimizer)[0])
    handles = []
    for index, (arm, label) in enumerate(((TREES, "several tokens"), (TWINS, "one token each"))):
        middle, low, high = np.transpose([ratio(size, name, "GRPO", optimizer, arm=arm) for name in names])
        rows = np.arange(len(names)) + 0.3 * index - 0.15
        axis.hlines(rows, low, high, color=COLOURS[index], linewidth=1.5)
        handles += axis.plot(middle, rows, "os"[index], color=COLOURS[index], markersize=4, label=f"_{label}")
    axis.axvline(1, color="#7F7F7F", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_xlabel(f"mean wait over GRPO's, {NAMES[optimizer]}", fontsize=10)
    axis.minorticks_off()
    ticks = (0.25, 0.5, 1, 2, 4)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=9)
    axis.set_yticks(range(len(names)), names, fontsize=9)
    axis.invert_yaxis()
    axis.legend(handles, ["several tokens", "one token each"], fontsize=9, frameon=False)
