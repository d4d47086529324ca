"""What the curves of each run of a real model say, beside those of its base method (claim-12, claim-13, claim-15)."""

from collections.abc import Sequence
from statistics import mean, stdev

from theory.experiments.cells import Line
from theory.experiments.plan import Table
from theory.experiments.readings import at
from theory.experiments.scale import steps_to

WINDOW = 10  # steps at either end of a run
LOGLIK, REWARD = "eval_reference/logp_per_token", "reward"
TERMS = ("exploration", "imitation", "alignment")


def off_the_curves(table: Table, task: str, runs: dict[str, dict[int, Line]]) -> str:
    """A row for each run whose base method was run with the same seed on the same machine, both to the end."""
    base, last = runs.get(table.base, {}), str(table.steps[-1])
    lines = [
        f"### {task}: the curves of each run",
        "",
        f"The step: where the held-out reward first reaches what {table.base} of the same seed ends with, linear "
        f"between evaluations (claim-12). It is where one noisy curve first passes one noisy number, and tells "
        f"nothing alone: in a seed where {table.base} ends low, every method looks fast. The deviation: of a training "
        f"step's mean reward over the last {WINDOW} steps (claim-13); of {WINDOW} steps, one has to be twice the other "
        "to differ, and a reward that rises varies too. The shares of exploration, imitation and alignment in the "
        f"objective: means over the first and the last {WINDOW} steps (claim-15). log π(y): the change of the "
        "references' log-likelihood a token from the first evaluation to the last.",
        "",
        f"| method | seed | steps to {table.base}'s reward | deviation | shares, first | shares, last | log π(y) |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for method, found in runs.items():
        for seed in sorted(found.keys() & base.keys()):
            line = found[seed]
            if machine(line) != machine(base[seed]) or last not in line["curve"].keys() & base[seed]["curve"].keys():
                continue
            moved = line["curve"][last][LOGLIK] - line["curve"]["0"][LOGLIK]
            steps = _steps(table, line, at(table, base[seed], last))
            cells = [method, str(seed), steps, _deviation(line), *_shares(line), f"{moved:+.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def machine(line: Line) -> str:
    """What a run was made on."""
    if line.get("card", "none") == "none":
        return "a CPU (float32)"
    return f"{line['card']} (bfloat16 autocast, torch {line['torch']}, transformers {line['transformers']})"


def _steps(table: Table, line: Line, level: float) -> str:
    if at(table, line, "0") >= level:
        return "0"
    step = steps_to(table, line, level)
    return f"{step:.0f}" if step <= table.steps[-1] else f"not in {table.steps[-1]}"


def _deviation(line: Line) -> str:
    """Empty where a run samples nothing, so that its steps have no reward."""
    rewards = _known(line["trained"][REWARD][-WINDOW:])
    return f"{stdev(rewards):.2f}" if len(rewards) > 1 else ""


def _shares(line: Line) -> tuple[str, str]:
    """In percent, at the beginning and at the end; empty for a method without these terms."""
    by_term = [line["trained"][f"objective_share/{term}"] for term in TERMS]
    parts = [[_known(values[part]) for values in by_term] for part in (slice(WINDOW), slice(-WINDOW, None))]
    first, last = (" / ".join(f"{100 * mean(each):.0f}" for each in part) if all(part) else "" for part in parts)
    return first, last


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
