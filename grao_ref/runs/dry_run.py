"""`--dry-run`: how much memory the run would need, phase by phase, and what helps most. No weight is loaded."""

from collections.abc import Sequence

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from grao_ref.data.rows import Row
from grao_ref.data.splits import rows_of
from grao_ref.memory.before import NEAR, Plan, plan_of
from grao_ref.memory.estimate import Estimate
from grao_ref.memory.words import ORDER, arithmetic, beyond, need, size
from grao_ref.runs.plan import plan as runs_of
from grao_ref.settings.config import Config
from grao_ref.training.machine import choose_device


def dry_run(config: Config, console: Console) -> int:
    """Print the estimate of each run of the command; the exit code.

    It is 0 where all of them fit, 2 where one does not, as the command itself would say. Raises `ValueError` on what
    can't be estimated.
    """
    return {"bandit": _of_a_table, "text": _of_models}[config.setup](config, console)


def _of_a_table(config: Config, console: Console) -> int:
    console.print("The bandit's policy is a table: it needs next to no memory.")
    return 0


def _of_models(config: Config, console: Console) -> int:
    device = _device(config)
    rows, held_out = _rows(config)
    found = []
    for label, (settings, *_) in runs_of(config).items():
        plan = plan_of(settings, device, rows, held_out)
        found.append((plan, plan.estimate()))
        console.print(
            f"{label}: {config.model_name_or_path} on {device}", soft_wrap=True, markup=False, highlight=False
        )
        console.print(table(found[-1][1]))
    plan, most = max(found, key=lambda each: each[1].peak)
    for line in (*_arithmetic(most), _rows_in_words(most), *_verdict(plan, most)):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    return 0 if plan.memory is None or most.peak <= plan.memory else 2


def _device(config: Config) -> torch.device:
    """With `device_memory`, a device that is not here can be planned for."""
    if config.device_memory is not None and config.device != "auto":
        return torch.device(config.device)
    return choose_device(config.device)


def _rows(config: Config) -> tuple[Sequence[Row], Sequence[Row]]:
    try:
        return rows_of(config)
    except (ValueError, OSError):  # the data are not here yet
        return (), ()


def table(found: Estimate) -> Table:
    """What is in memory at the peak of each phase."""
    shown = Table(box=box.SIMPLE, title="memory at the peak of each phase", title_justify="left")
    shown.add_column("")
    for name in found.phases:
        shown.add_column(name, justify="right", style="bold" if name == found.phase else None)
    for kind in ORDER:
        if any(parts.get(kind) for parts in found.phases.values()):
            shown.add_row(kind, *(size(parts[kind]) if parts.get(kind) else "" for parts in found.phases.values()))
    shown.add_section()
    shown.add_row("together", *(size(sum(parts.values())) for parts in found.phases.values()))
    return shown


def _arithmetic(found: Estimate) -> list[str]:
    parts = found.phases[found.phase]
    return [f"{kind}: {size(parts[kind])}, {why}" for kind, why in arithmetic(found).items()]


def _rows_in_words(found: Estimate) -> str:
    longest = max(found.lengths.prompts)
    if found.lengths.known:
        return f"The longest prompt has {longest:,} tokens."
    return (
        f"The rows are not known yet: prompts are taken to have {longest:,} tokens (--max-prompt-length limits them)."
    )


def _verdict(plan: Plan, found: Estimate) -> list[str]:
    """Whether it fits, and what helps most."""
    words = f"{need(found, plan.memory)}."
    lines = [words[0].upper() + words[1:]]
    fits = plan.memory is None or found.peak <= plan.memory
    if plan.memory is not None:
        near = "It may run out." if found.peak > NEAR * plan.memory else "It fits."
        lines[0] += f" {near}" if fits else " It does not fit."
    best = plan.best_change(found)
    if best is not None:
        lines.append(f"{best.flags} saves most: {size(found.peak - best.peak)}, which leaves {size(best.peak)}.")
    return lines if fits else [*lines, beyond()]
