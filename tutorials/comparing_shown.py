"""Tables and pictures of the page *Comparing methods fairly*; the numbers are those of `comparing`."""

from theory.experiments.readings import Interval
from tutorials import comparing, seeds, style
from tutorials.comparing import BASE, TABLE

RATED = ("GRPO", "CHORD-φ", "GRAO repaired", "PPO", "GRAO printed")
COUNTS = (1, 2, 3, 4, 5, 10, 20)


def signed(value: float, digits: int = 3) -> str:
    """A difference.

    >>> signed(0.0162), signed(-0.0041, 4)
    ('+0.016', '−0.0041')
    """
    return f"{value:+.{digits}f}".replace("-", "−")


def chance(p: float) -> str:
    """A p-value."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def share(of: float) -> str:
    """A share in percent.

    >>> share(0.1173)
    '11.7 %'
    """
    return f"{of:.1%}".replace("%", " %")


def rates() -> None:
    """What methods reach at each learning rate; the best one of each is marked."""
    rows = []
    for method in RATED:
        found = comparing.at_rates(method)
        best = max(found, key=lambda rate: found[rate])
        cells = [
            f"{value:.3f}" + (" (best)" if rate == best else "")
            for rate, value in found.items()
        ]
        rows.append([method, *cells])
    style.table(["method", *(f"rate {rate}" for rate in TABLE.rates)], rows)


def queries() -> None:
    """Leads at equal steps and at equal reward queries."""
    close = comparing.near()
    rows = [
        [
            method,
            _lead(comparing.paired(method)),
            _lead(comparing.at_equal_queries(method)),
        ]
        for method in comparing.readers()
        if method in close
    ]
    style.table(["reads R(y)", "at equal steps", "at equal queries"], rows)


def wrong_winners() -> None:
    """How often a wrong winner is named, by the number of seeds."""
    rows = []
    for count in COUNTS:
        cells = [
            share(comparing.wrong_among_near(count, kind))
            if count < comparing.SEEDS or kind == "new"
            else ""
            for kind in ("own", "same", "new")
        ]
        rows.append([str(count), *cells])
    heading = ["seeds", "other seeds for each", "the same seeds", "new seeds (model)"]
    style.table(heading, rows)


def needed() -> None:
    """Of each method near the base one: the difference, its spread, and the seeds that it takes."""
    rows = []
    for method in (name for name in comparing.others() if name in comparing.near()):
        differences = comparing.more(method)
        rows.append(
            [
                method,
                signed(differences.mean(), 4),
                f"{differences.std(ddof=1):.4f}",
                share(seeds.wrong_if(differences, 1)),
                f"{seeds.seeds_needed(differences):.0f}",
            ]
        )
    heading = [f"more than {BASE}", "mean", "s", "1 seed wrong", "seeds needed"]
    style.table(heading, rows)


def pairing() -> None:
    """Half-widths of paired and unpaired intervals."""
    close = comparing.near()
    pairs = [(name, BASE) for name in comparing.others() if name in close]
    rows = [
        [
            f"{one} − {other}",
            f"{comparing.paired(one, other).half:.4f}",
            f"{comparing.unpaired(one, other).half:.4f}",
        ]
        for one, other in [*pairs, comparing.ALIKE]
    ]
    style.table(["difference", "paired, ±", "unpaired, ±"], rows)


def several() -> None:
    """Each method against the base one, with p-values for thirteen comparisons."""
    found = comparing.chances()
    holm, bonferroni = seeds.holm(found), seeds.bonferroni(found)
    rows = [
        [
            method,
            signed(comparing.more(method).mean()),
            *(chance(each[method]) for each in (found, holm, bonferroni)),
        ]
        for method in sorted(found, key=lambda name: found[name])
    ]
    heading = ["method", f"more than {BASE}", "p", "Holm", "Bonferroni"]
    style.table(heading, rows)


def measures() -> None:
    """Who is better than the base method, by the measure that one takes."""
    rows = [
        [
            "mean of four (decided before)" if step is None else f"step {step}",
            ", ".join(comparing.sure_at(step)) or "none",
        ]
        for step in (None, *TABLE.steps)
    ]
    style.table(["measure", f"better than {BASE}, without a correction"], rows)


def differences() -> None:
    """A picture of each seed's difference, with the mean and its interval."""
    close = comparing.near()
    names = [name for name in comparing.others() if name in close][::-1]
    drawn, (axes,) = style.figure(height=4.4)
    kept = seeds.survive(seeds.holm(comparing.chances()))
    for place, name in enumerate(names):
        found, each = comparing.paired(name), comparing.more(name)
        color = style.BLUE if name in kept else style.GREY
        axes.plot(
            [found.mean - found.half, found.mean + found.half],
            [place] * 2,
            color=color,
            linewidth=3,
        )
        axes.plot([found.mean], [place], marker="D", color=color, markersize=7)
        axes.plot(
            each, [place - 0.28] * len(each), "o", color=style.ORANGE, markersize=4.5
        )
    axes.axvline(0, color=style.BLACK, linewidth=1)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.7, len(names) - 0.5)
    axes.set_xlabel(f"more than {BASE}, mean held-out reward")
    axes.grid(axis="y", visible=False)
    caption = (
        f"Orange dots: what each of {comparing.SEEDS} seeds says of a method and {BASE}. Diamonds and bars: mean and "
        f"95 % interval of the paired differences; blue where the difference survives Holm's correction for "
        f"{len(comparing.others())} comparisons. PPO, GRAO printed and SRFT are far to the left and left out."
    )
    alt = (
        "Twelve rows of five dots around a vertical line at zero, the best method on top. Of ten steps of SFT before GRPO "
        "and of surprise all five dots and the bar are right of zero, of bar without imitation all are left; these three "
        "are blue. In five rows between them dots lie on both sides: RLOO, Dr. GRPO, HPT, CHORD-φ and bar."
    )
    style.show(drawn, caption, alt=alt)


def risk() -> None:
    """A picture of the risk of a wrong winner by the number of seeds, for three pairs."""
    drawn, (axes,) = style.figure(height=3.0)
    lines = [(style.BLUE, "-"), (style.ORANGE, "--"), (style.GREEN, ":")]
    counts = range(1, 21)
    for name, (color, line) in zip(comparing.SHOWN, lines, strict=True):
        found = [seeds.wrong_if(comparing.more(name), count) for count in counts]
        label = f"{name} ({signed(comparing.more(name).mean())})"
        axes.plot(counts, found, color=color, linestyle=line, label=label)
    axes.set(
        xlabel="seeds",
        ylabel="wrong winner",
        ylim=(0, 0.5),
        xticks=(1, 3, 5, 10, 15, 20),
    )
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.legend(title=f"compared with {BASE} (difference)", title_fontsize=10)
    caption = (
        "How often the mean of so many new seeds names the wrong winner, if the differences of new seeds are normal with "
        "the mean and the deviation of the five."
    )
    alt = (
        "Three falling curves of the risk of a wrong winner by the number of seeds. CHORD-φ begins at 34 % and is "
        "at 18 % with five seeds and 4 % with twenty; bar begins at 23 % and is at 5 % with five; GRAO repaired begins at 6 % "
        "and is near 0 from three on."
    )
    style.show(drawn, caption, alt=alt)


def _lead(found: Interval) -> str:
    return f"{signed(found.mean)} ± {found.half:.3f}"
