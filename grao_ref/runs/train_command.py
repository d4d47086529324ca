"""`python -m grao_ref.train`, once its flags are read: check, train, print, and end in words where it can't go on."""

import os
import signal
import sys
import traceback
from contextlib import suppress
from functools import partial

import torch
from rich.console import Console

from grao_ref.plugins.blame import TRACEBACK, expected, explained, one_line, why
from grao_ref.runs.dry_run import dry_run
from grao_ref.runs.every_run import train_all
from grao_ref.runs.folder import METRICS, PICTURE, TRACE, Output
from grao_ref.runs.going_on import how_to_go_on
from grao_ref.runs.hub import push, require_hub
from grao_ref.runs.log import Log, Unwritten
from grao_ref.runs.plots import draw
from grao_ref.runs.results import Results
from grao_ref.runs.stopping import Stopping
from grao_ref.runs.tables import samples_table, score_table
from grao_ref.runs.terminal import lasting_streams
from grao_ref.runs.trackers import require_tracker
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.settings.flags import quiet_libraries
from grao_ref.training.machine import Machine
from grao_ref.training.ranks import ReportedError, this_machine

# Exit codes: 0 for a run that came to its end, 128 and its number for a signal, 1 where the machine or a service failed
# (a disk, a lost process, memory, a judge) and for a bug, and:
ENDS: list[tuple[type[BaseException], int]] = [
    (FloatingPointError, 3),  # the numbers
    (ValueError, 2),  # what was given: settings, data, code of rewards, damaged checkpoints
]
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"  # a RuntimeError of torch's
LESS_MEMORY = (
    "Less is needed with a smaller --per-device-train-batch-size (and as many more --gradient-accumulation-steps), "
    "--gradient-checkpointing, --use-peft, or a smaller --max-completion-length."
)


def run(config: Config) -> int:
    """Train, print the results, and say how an interrupted run goes on; the exit code (`ENDS`)."""
    with lasting_streams():
        return _run(config)


def _run(config: Config) -> int:
    quiet_libraries()
    machine = this_machine(config.device)
    console = Console(quiet=not machine.writes)
    if config.dry_run:
        check(config)
        return dry_run(config, console)
    try:
        own = machine.together(partial(_checked, config, machine))
        first = machine.every(own)[0]  # a copy, which holds no lock
        output = own or first
    except ReportedError:
        return 2
    assert output is not None
    log = Log(output) if machine.writes else Unwritten(output)
    with Stopping(machine) as stopping:
        try:
            results = train_all(log.output.config, console, log, stopping)
            if results is not None:
                _show(results, log, console)
        except BaseException as stop:  # a SystemExit too: somebody else's code may raise one
            return _ended(stop, log, machine)
        finally:
            log.close()
    if results is None or not config.push_to_hub:
        return 0
    try:
        page = push(log.folder / "model", config)
        console.print(f"On the hub: {page}", soft_wrap=True, markup=False, highlight=False)
    except ConnectionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _show(results: Results, log: Log, console: Console) -> None:
    """Tables and picture, and where everything is."""
    console.print(score_table(results))
    if results.after:
        console.print(samples_table(results))
    picture, model = log.folder / PICTURE, log.folder / "model"
    draw(results, picture)
    written = f"Every step: {log.folder / METRICS}\nPicture:    {picture}"
    written += f"\nModel:      {model}" if model.exists() else ""
    console.print(written, soft_wrap=True, markup=False, highlight=False)


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
    if not machine.writes:
        return None
    output = Output(config, machine.processes)
    for warning in output.warnings:
        print(warning, file=sys.stderr)
    return output


def _ended(stop: BaseException, log: Log, machine: Machine) -> int:
    """Say why a run stopped before its end, and how to go on; the exit code.

    What ends every process is said by the first of them; that one is gone, by the second too, since it may be that one.
    """
    is_said = isinstance(stop, ReportedError | FloatingPointError | KeyboardInterrupt | ValueError)
    is_quiet = machine.rank > 0 and (is_said or (machine.rank > 1 and isinstance(stop, ConnectionError)))
    if isinstance(stop, KeyboardInterrupt):
        if not is_quiet:
            print(f"\ninterrupted. {_metrics(log)}{how_to_go_on(log.output)}", file=sys.stderr)
        return 128 + getattr(stop, "signal", signal.SIGINT)
    if is_quiet:
        return 1
    if os.environ.get(TRACEBACK):
        traceback.print_exception(stop)
    print(f"error: {one_line(_words(stop, log))}", file=sys.stderr)
    if log.output.opened:  # else what was asked for can't be done, or not yet
        print(how_to_go_on(log.output), file=sys.stderr)
    return next((code for kind, code in ENDS if isinstance(stop, kind)), 1)


def _words(stop: BaseException, log: Log) -> str:
    """What happened, in a line; of a bug, where its traceback is."""
    if isinstance(stop, torch.OutOfMemoryError | MemoryError) or NO_MEMORY in str(stop):
        return f"{(str(stop) or 'out of memory').splitlines()[0]} {LESS_MEMORY}"
    if isinstance(stop, FloatingPointError):
        return f"{stop}. {_metrics(log)}"
    if expected(stop) or not log.output.opened:
        return explained(stop)
    trace = log.folder / TRACE
    with suppress(OSError):  # a full disk may be the reason
        trace.write_text("".join(traceback.format_exception(stop)))
    return f"{why(stop)}; the traceback is in {trace}"


def _metrics(log: Log) -> str:
    return f"The metrics so far are in {log.folder / METRICS}. " if log.output.opened else ""
