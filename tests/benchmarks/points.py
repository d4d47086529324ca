"""A point of the record: the numbers of every side at one workload, and their ratios."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from tests.benchmarks.arithmetic import paired_ratio, summary
from tests.benchmarks.workload import OURS, PARTS, Scenario, Workload

UNLIKE = {"grao": "floor-grpo", "grpo": "floor"}  # the bare loop of the other method


def numbers(workload: Workload, steps: list[Any], timed: list[Any], memory: dict[str, Any]) -> dict[str, Any]:
    """What the record says of a side at a workload. `timed`: the steps whose parts were measured."""
    seconds = summary([step["seconds"] for step in steps])
    parts = {part: median(step["parts"][part] for step in timed) for part in PARTS}
    parts["rest"] = median(step["seconds"] - sum(step["parts"].values()) for step in timed)
    return {
        "seconds": seconds,
        "rounds": [step["seconds"] for step in steps],
        "cpu_rounds": [step["cpu_seconds"] for step in steps],
        "tokens_per_second": workload.tokens / seconds["median"],
        "parts": parts,
        **memory,
    }


def joined(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One point of the record from those of single sides."""
    sides = {side: found for point in points for side, found in point["sides"].items()}
    return points[0] | {"sides": sides, "ratios": ratios(sides)}


def ratios(sides: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """`grao/trl` and the like, for each side of ours and each other one: of the seconds, paired, and of the memory."""
    good = {name: side for name, side in sides.items() if "failed" not in side}
    found = {}
    for ours in OURS:
        for theirs in good:
            if ours not in good or theirs in OURS or theirs == UNLIKE[ours]:
                continue
            time, cpu = (paired_ratio(good[ours][key], good[theirs][key]) for key in ("rounds", "cpu_rounds"))
            peaks = [good[name].get("peak_mib") for name in (ours, theirs)]
            memory = peaks[0] / peaks[1] if all(peaks) else None
            found[f"{ours}/{theirs}"] = {"time": time, "cpu": cpu, "memory": memory}
    return found


def label(scenario: Scenario, workload: Workload) -> str:
    """What sets a workload apart from the others of its scenario."""
    every = [each.as_dict() for each in scenario.workloads]
    return ", ".join(f"{k}={v}" for k, v in workload.as_dict().items() if len({str(each[k]) for each in every}) > 1)


def short(point: dict[str, Any]) -> str:
    """A line for the terminal."""
    said = [
        f"{name} FAILED ({side['failed']})" if "failed" in side else f"{name} {side['seconds']['median']:.3f} s"
        for name, side in point["sides"].items()
    ]
    return ", ".join([*said, *(f"{name} {ratio['time']['median']:.2f}" for name, ratio in point["ratios"].items())])
