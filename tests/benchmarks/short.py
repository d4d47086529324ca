"""The short form for CI: ratios of the embedded model's step, with bounds that a noisy machine keeps, and a control."""

from typing import Any

from tests.benchmarks.arithmetic import paired_ratio

# Above what was measured (step/tiny in tutorials/recorded/bench.json): they refuse a step that has become half as long
# again, not one that was measured beside other work.
BOUNDS = {"floor": 1.2, "trl": 0.95}


def complaints(point: dict[str, Any], ours: str, bounds: dict[str, float] = BOUNDS) -> list[str]:
    """What is wrong with a point of the record: sides that failed, and ratios above their bounds.

    The ratio is the median over paired rounds of `ours` to another side, of the processor's seconds: the sides have one
    thread each, and what else runs on the machine hardly matters then. A side of `bounds` that was not run is left
    out; `ours` has to be there.
    """
    found = [f"{name} failed: {side['failed']}" for name, side in point["sides"].items() if "failed" in side]
    if "failed" in point["sides"].get(ours, {"failed": ""}):
        return [*found, f"{ours} was not measured"]
    for other, bound in bounds.items():
        rounds = point["sides"].get(other, {}).get("cpu_rounds")
        if rounds:
            ratio = paired_ratio(point["sides"][ours]["cpu_rounds"], rounds)["median"]
            if ratio > bound:
                found.append(f"a step takes {ratio:.2f} of the side {other!r}; the bound is {bound}")
    return found


def verdict(point: dict[str, Any]) -> tuple[bool, list[str]]:
    """Whether the short form passes, and what there is to say. The slowed side has to be refused."""
    wrong = complaints(point, "grao")
    if "failed" not in point["sides"].get("slowed", {"failed": ""}) and not complaints(point, "slowed"):
        wrong.append("the control passes: five steps in place of one are not refused, so the check can't fail")
    return not wrong, wrong
