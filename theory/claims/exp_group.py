"""exp-group: the group size at a fixed budget of reward queries."""

from theory.ends import ends_at
from theory.figures import figure
from theory.ledger import Check, Finding, Run, claim

RATES = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)


def _losses(seeds: int, steps: int, method: str, size: int) -> dict[float, float]:
    """1 − V after training, the mean over seeds, for each learning rate."""
    found = ends_at(RATES, seeds, steps, method=method, num_generations=size)
    return {rate: 1 - float(values.mean()) for rate, values in zip(RATES, found, strict=True)}


ALT = (
    "What is left to gain after 320 reward queries against the group's size, 2 to 64, on logarithmic axes: the "
    "line falls for GRPO and rises for GRAO."
)


@claim(
    "exp-group",
    "At a fixed budget of reward queries larger groups are better.",
    topic="advantages and groups",
    answer={
        "holds under conditions": "For GRPO they are, if each group size has its own learning rate; for repaired "
        "GRAO smaller groups are better, since the reference's weight grows with the "
        "group."
    },
)
def exp_group(run: Run) -> Finding:
    """G goes from 2 to 64 with 320 queries in all, so 320/G steps; the best of eight learning rates for each G. A
    larger G has fewer steps, can take longer ones, and seldom misses a rare success. The measure is the mean of 1 − V,
    not the median: a large rate makes the median arbitrarily small while some runs become certain of the wrong answer.
    """
    sizes, seeds = run.pick([4, 64], [2, 4, 16, 64], [2, 4, 8, 16, 32, 64]), run.pick(300, 1000, 4000)
    found = {method: {size: _losses(seeds, 320 // size, method, size) for size in sizes} for method in ("grpo", "grao")}
    loss = {method: {size: min(row.values()) for size, row in rows.items()} for method, rows in found.items()}
    tuned = min(RATES, key=found["grpo"][4].__getitem__)
    gain, untuned = loss["grpo"][4] / loss["grpo"][64], found["grpo"][4][tuned] / found["grpo"][64][tuned]
    with figure(run, "exp-group") as axes:
        if axes is not None:
            for method, row in loss.items():
                axes.semilogx(sizes, list(row.values()), marker="o", label=method)
            axes.set(xlabel="G", ylabel="1 − V after 320 queries (mean)", yscale="log", xticks=sizes)
            axes.set_xticklabels([str(size) for size in sizes])
            axes.minorticks_off()
    return Finding(
        f"For GRPO they are, once each G has its own learning rate: what is left to gain is {gain:.2g} times as much "
        f"at G = 4 as at G = 64. At one rate for all, the best for G = 4, it is {untuned:.2g} times. For repaired "
        f"GRAO they are not: {loss['grao'][64] / loss['grao'][4]:.2g} times as much is left at G = 64 as at G = 4; "
        "its best rates stay low, and the reference's weight grows with G (thm-2).",
        holds=[Check(what="1 − V at G = 4 over G = 64, GRPO, each at its best rate", measured=gain, test=">", limit=1.3,
                     control="both at the best rate for G = 4", control_measured=untuned)],
        fails=[Check(what="1 − V at G = 64 over G = 4, GRAO, each at its best rate",
                     measured=loss["grao"][64] / loss["grao"][4], test=">", limit=1.5,
                     control="GRPO", control_measured=1 / gain)],
        numbers={f"1 − mean V, {method}, G = {size}": value for method, row in loss.items()
                 for size, value in row.items()}
        | {f"its learning rate, {method}, G = {size}": min(RATES, key=row.__getitem__)
           for method, rows in found.items() for size, row in rows.items()},
        figures={"exp-group": ALT},
    )  # fmt: skip
