"""exp-race: which rule to train with, raced on tables that none of them was tuned on."""

from theory.contest import CANDIDATES, CONTESTANTS, tuned
from theory.figures import COLOURS, figure
from theory.judged import BEATABLE, OTHER_SEEDS, lead, ratio, steps_of, summary, tables_of, waits_of
from theory.ledger import Check, Finding, Run, claim, number
from theory.tables import KINDS, TUNING_SEED, drawn
from theory.tuned import TUNED, entry_of

PLACES = (*KINDS, "rare", "all")


def _conditions(run: Run, name: str) -> list[tuple[str, float, float, str, float, str, float]]:
    """What the contest's docstring asks of a rule: in words, the interval's two ends, the test and its limit, and a
    contestant for which it comes out the other way.
    """
    size = run.size
    raced = [each for each, optimizer in waits_of(size) if optimizer == "adam"]
    slower = {each: max(ratio(size, each, "GRPO", "adam", kind)[2] for kind in BEATABLE) for each in raced}
    worst = max(slower, key=slower.__getitem__)
    behind = {each: lead(size, each, "GRPO", "adam")[1] for each in raced}
    last = min(behind, key=behind.__getitem__)
    kinds = [ratio(size, name, "GRPO", "adam", kind) for kind in BEATABLE]
    rare, ahead = ratio(size, name, "GRPO", "adam", "rare"), lead(size, name, "GRPO", "adam")
    repaired = ratio(size, name, "GRAO repaired", "adam")
    return [
        ("mean wait over GRPO's where y can be beaten: the largest of the kinds, upper end",
         max(each[2] for each in kinds), max(each[1] for each in kinds), "<", 1.05, worst, slower[worst]),
        ("mean wait over GRPO's where success is rare, upper end", rare[2], rare[1], "<", 2 / 3,
         OTHER_SEEDS, ratio(size, OTHER_SEEDS, "GRPO", "adam", "rare")[2]),
        ("share of runs that arrive less GRPO's, lower end", ahead[1], ahead[2], ">", -0.02, last, behind[last]),
        ("mean wait over repaired GRAO's, upper end", repaired[2], repaired[1], "<", 1.0,
         "GRAO repaired itself", ratio(size, "GRAO repaired", "GRAO repaired", "adam")[2]),
    ]  # fmt: skip


def _met(measured: float, test: str, limit: float) -> bool:
    return measured < limit if test == "<" else measured > limit


def _checks(run: Run, name: str) -> tuple[list[Check], list[Check]]:
    """The conditions that are met, and those that are shown not to be: the interval's other end is beyond the limit."""
    holds, fails = [], []
    for what, measured, other, test, limit, control, at in _conditions(run, name):
        if _met(measured, test, limit):
            holds.append(Check(what=f"{name}: {what}", measured=measured, test=test, limit=limit,
                               control=control, control_measured=at))  # fmt: skip
        elif not _met(other, test, limit):
            fails.append(Check(what=f"{name}: {what.rsplit(',', 1)[0]}, the other end", measured=other,
                               test="><"[test == ">"], limit=limit, control="GRPO itself",
                               control_measured=0.0 if test == ">" else 1.0))  # fmt: skip
    return holds, fails


@claim(
    "exp-race",
    "One rule is at least as fast as GRPO wherever the reference can be beaten, and much faster where success is rare.",
)
def exp_race(run: Run) -> Finding:
    """Fifteen rules, each a file of the package, on tables drawn from one distribution (`theory/tables.py`): the kind
    of reference, how rare the best answer is, how many answers fail, noise. A step asks for eight rewards, R(y) among
    them where a rule reads it. Each rule has one rate for each optimiser (SFT's budget with it), chosen on other tables
    by the mean number of steps until V >= 0.9, where a run that does not arrive counts one step more than there are.
    Seeds, distribution, candidates and the four conditions of a recommendation were fixed before any run
    (`theory/contest.py`). Deviations: a rate at which numbers overflow ends its run there, added after the first try of
    tuning had stopped at one. Intervals are of 95 %, by resampling tables; those of shares and medians are exact for
    runs of these tables. Dr. GRPO's weights are RLOO's times (G−1)/G here, where answers are single tokens.
    """
    size = run.size
    raced = [each for each in CANDIDATES if (each, "adam") in waits_of(size)]
    found = {name: _checks(run, name) for name in raced}
    first = sorted(raced, key=lambda name: (-len(found[name][0]), summary(size, name, "adam")[0]))[0]
    holds, fails = found[first]
    _draw(run)
    numbers: dict[str, float | tuple[float, ...]] = {}
    for name, optimizer in waits_of(size):
        for place in PLACES:
            key = f"{name}, {optimizer}, {place}: mean wait; half at step, from, to; share that arrives, from, to"
            numbers[key] = summary(size, name, optimizer, place)
            if name != "GRPO":
                key = f"{name}, {optimizer}, {place}: mean wait over GRPO's, from, to"
                numbers[key] = ratio(size, name, "GRPO", optimizer, place)
    for entry in TUNED:
        numbers[f"tuned: {entry.name}, {entry.optimizer}: rate, steps of SFT"] = (entry.rate, float(entry.lessons))
    if size == "full":
        again = tuned(drawn(24, TUNING_SEED), 12, 400, 2)
        numbers["tuned again: entries that differ"] = float(
            sum(entry_of(*pair) != each[0] for pair, each in again.items())
        )
    return Finding(_note(run, first, len(holds)), holds=holds, fails=fails, numbers=numbers, figures=["exp-race"])


def _note(run: Run, first: str, met: int) -> str:
    size = run.size
    words = f"{len(tables_of(size))} tables, {steps_of(size)} steps. "
    words += f"Under Adam `{first}` meets {met} of the four conditions"
    words += ", and is recommended" if met == 4 else ": nothing is recommended"
    words += ". Its mean wait over GRPO's: " + ", ".join(
        f"{number(middle)} [{number(low)}, {number(high)}] ({place})"
        for place in PLACES
        for middle, low, high in [ratio(size, first, "GRPO", "adam", place)]
    )
    for optimizer in ("adam", "sgd"):
        order = sorted((name for name, each in waits_of(size) if each == optimizer and name != OTHER_SEEDS),
                       key=lambda name: summary(size, name, optimizer)[0])  # fmt: skip
        if order:
            ranks = ", ".join(f"{name} {number(summary(size, name, optimizer)[0])}" for name in order)
            words += f". Mean wait, {optimizer}: {ranks}"
    return words + "."


def _draw(run: Run) -> None:
    """Mean wait over GRPO's by kind of table, a row for each rule."""
    with figure(run, "exp-race", columns=2, rows=2) as axes:
        if axes is None:
            return
        names = [name for name in CONTESTANTS if name != "GRPO"]
        for column, optimizer in enumerate(("adam", "sgd")):
            for axis, places in (
                (axes[0, column], ("best", "good", "rare")),
                (axes[1, column], ("poor", "wrong", "all")),
            ):
                for index, place in enumerate(places):
                    colour, shift = COLOURS[index], 0.22 * (index - 1)
                    for row, name in enumerate(names):
                        middle, low, high = ratio(run.size, name, "GRPO", optimizer, place)
                        axis.plot([low, high], [row + shift] * 2, color=colour, linewidth=1.5)
                        axis.plot(middle, row + shift, "o^s"[index], color=colour, markersize=4,
                                  label=place if row == 0 else None)  # fmt: skip
                axis.axvline(1, color="#7F7F7F", linewidth=0.8)
                axis.set_yticks(range(len(names)), names, fontsize=8)
                axis.invert_yaxis()
                axis.set(xscale="log", xlabel="mean wait over GRPO's", title=f"{'Adam' if column == 0 else 'SGD'}")
