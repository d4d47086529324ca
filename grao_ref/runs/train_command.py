"""`python -m grao_ref.train`, once its flags are read: check, train, print, and end in words where it can't go on."""

import signal
import sys
import traceback
from contextlib import suppress
from functools import partial

import torch
from rich.console import Console

from grao_ref.plugins.blame import expected, one_line, refuse, why
from grao_ref.runs.dry_run import dry_run
from grao_ref.runs.folder import METRICS, PICTURE, TRACE, Output, how_to_go_on
from grao_ref.runs.hub import push, require_hub
from grao_ref.runs.log import Log, Unwritten
from grao_ref.runs.plots import draw
from grao_ref.runs.run import train_all
from grao_ref.runs.tables import samples_table, score_table
from grao_ref.runs.trackers import require_tracker
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.settings.flags import quiet_libraries
from grao_ref.training.machine import Machine
from grao_ref.training.ranks import ReportedError, this_machine

LESS_MEMORY = (
    "Less is needed with a smaller --per-device-train-batch-size (and as many more --gradient-accumulation-steps), "
    "--gradient-checkpointing, --use-peft, or a smaller --max-completion-length."
)


def run(config: Config) -> int:
    """Train, print the results, and say how an interrupted run goes on; the exit code."""
    quiet_libraries()
    machine = this_machine(config.device)
    console = Console(quiet=not machine.writes)
    if config.dry_run:
        check(config)
        return dry_run(config, console)
    try:
        output = machine.every(machine.together(partial(_checked, config, machine)))[0]
    except ReportedError:
        return 2
    assert output is not None
    log = Log(output) if machine.writes else Unwritten(output)
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        results = train_all(log.output.config, console, log, machine)
    except BaseException as stop:  # a SystemExit too: somebody else's code may raise one
        return _ended(stop, log, machine)
    finally:
        signal.signal(signal.SIGTERM, previous)
        log.close()
    if results is None:
        return 0
    console.print(score_table(results))
    if results.after:
        console.print(samples_table(results))
    picture, model = log.folder / PICTURE, log.folder / "model"
    draw(results, picture)
    written = f"Every step: {log.folder / METRICS}\nPicture:    {picture}"
    written += f"\nModel:      {model}" if model.exists() else ""
    console.print(written, soft_wrap=True, markup=False, highlight=False)
    if config.push_to_hub:
        try:
            console.print(f"On the hub: {push(model, config)}", soft_wrap=True, markup=False, highlight=False)
        except ConnectionError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


def _checked(config: Config, machine: Machine) -> Output | None:
    """The output folder, in the process that writes; `ValueError` on settings that no run can have."""
    check(config)
    require_tracker(config)
    require_hub(config)
    if machine.processes > 1 and ":" in config.device:
        raise ValueError(
            f"each of {machine.processes} processes takes a GPU of its own, so device is auto, cuda or cpu, got "
            f"{config.device!r}"
        )
    return Output(config, machine.processes) if machine.writes else None


def _ended(stop: BaseException, log: Log, machine: Machine) -> int:
    """Say why a run stopped before its end, and how to go on; the exit code.

    What ends every process is said by the first of them; that one is gone, by the second too, since it may be that one.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, to the processes that one has left behind
    is_said = isinstance(stop, ReportedError | FloatingPointError | KeyboardInterrupt | ValueError)
    if machine.rank > 0 and (is_said or (machine.rank > 1 and isinstance(stop, ConnectionError))):
        return 1
    on = how_to_go_on(log.output)
    if isinstance(stop, KeyboardInterrupt):
        print(f"\ninterrupted. {_metrics(log)}{on}", file=sys.stderr)
        return 130
    if isinstance(stop, FloatingPointError):
        print(f"error: {stop}. {_metrics(log) or on}", file=sys.stderr)
        return 1
    if isinstance(stop, torch.OutOfMemoryError):
        print(f"error: {str(stop).splitlines()[0]} {LESS_MEMORY} {on}", file=sys.stderr)
        return 1
    if not log.output.opened:
        return refuse(stop)
    if not expected(stop):
        trace = log.folder / TRACE
        with suppress(OSError):  # a full disk may be the reason
            trace.write_text("".join(traceback.format_exception(stop)))
        print(f"error: {one_line(f'{why(stop)}; the traceback is in {trace}. {on}')}", file=sys.stderr)
        return 2 if isinstance(stop, ValueError) else 1
    return refuse(stop, f". {on}")


def _metrics(log: Log) -> str:
    return f"The metrics so far are in {log.folder / METRICS}. " if log.output.opened else ""


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
