"""What was seen after a fault, and how two runs' folders are compared."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.harness import TIMING, Ended

EXACT, SAID = "exact", "said"
LOST, WRONG, TRACEBACK, HANG, MISSAID, SKIPPED = "lost", "silently wrong", "traceback", "hang", "missaid", "not tried"
GOOD, BAD = (EXACT, SAID), (LOST, WRONG, TRACEBACK, HANG, MISSAID)
MEANINGS = {
    EXACT: "weights, moments, figures and completions are those of a run that nothing happened to, bit for bit",
    SAID: "refused or stopped with one line and the right exit code, and nothing was lost",
    LOST: "a step that was done, and should be in a checkpoint or in the figures, is gone",
    WRONG: "the command ended with 0, and its result is another",
    TRACEBACK: "an exception that nobody caught, or death by a signal that was not sent",
    HANG: "no end within a minute, or past the deadline that was set",
    MISSAID: "the right thing happened, with a wrong exit code or without a plain line",
    SKIPPED: "this machine can't: not root, or a package is not installed",
}


@dataclass(frozen=True)
class Trial:
    """One fault, once."""

    fault: str
    seen: str
    details: str = ""

    @property
    def bad(self) -> bool:
        """Whether it must not happen."""
        return self.seen in BAD


def crashed(ended: Ended) -> bool:
    """Whether the command ended in a way that no program means to."""
    written = ended.err + ended.out
    ignored = "Exception ignored" in written or "Exception in thread" in written
    return ignored or "Traceback (most recent" in written or ended.code == 120


def plainly_said(ended: Ended) -> str:
    """'' where standard error holds exactly one line of error or interruption beside warnings; else what is wrong."""
    lines = [line for line in ended.err.splitlines() if line.strip()]
    main = [line for line in lines if line.startswith(("error: ", "interrupted"))]
    if len(main) != 1 and not (lines and lines[-1] == "ended at once" and not main):  # by a second Ctrl-C
        return f"{len(main)} lines of error: {ended.said}"
    if any(len(line) > 3000 for line in lines):
        return f"a line of {max(map(len, lines))} characters"
    return ""


def stopped(ended: Ended, codes: Iterable[int], fault: str) -> Trial:
    """The trial of a command that must have ended with one of `codes`, in plain words where it is not 0."""
    codes = tuple(codes)
    if ended.code is None:
        return Trial(fault, HANG, f"after {ended.seconds:.0f} s: {ended.said}")
    if crashed(ended) or ended.code < 0:
        return Trial(fault, TRACEBACK, f"exit {ended.code}: {ended.said}")
    if ended.code not in codes:
        seen = WRONG if ended.code == 0 else MISSAID
        return Trial(fault, seen, f"exit {ended.code}, not {' or '.join(map(str, codes))}: {ended.said}")
    if ended.code and (wrong := plainly_said(ended)):
        return Trial(fault, MISSAID, wrong)
    return Trial(fault, SAID, ended.said if ended.code else "")


def resumed(ended: Ended, whole: Path, folder: Path, fault: str, said: Iterable[int] = ()) -> Trial:
    """The trial of a run that has gone on to its end: exact, or else what is wrong.

    said: exit codes with which it may refuse to go on instead.
    """
    if ended.code == 0 and not crashed(ended):
        found = list(differences(whole, folder))
        return Trial(fault, WRONG if found else EXACT, "; ".join(found)[:600])
    trial = stopped(ended, (*said, 0), fault)
    if trial.seen == MISSAID and not said:
        return Trial(fault, LOST, f"it does not go on: {trial.details}")
    return trial


def differences(whole: Path, folder: Path) -> Iterator[str]:
    """How the folder of a run differs from that of one to which nothing happened: '' times none is `exact`."""
    newest = max((int(path.name.split("-")[1]) for path in whole.glob("checkpoint-*")), default=None)
    names = ["model"] + ([] if newest is None else [f"checkpoint-{newest}"])
    for name in names:
        ours, theirs = ({path.name for path in (each / name).glob("*")} for each in (folder, whole))
        if ours != theirs:
            yield f"{name} holds {sorted(ours ^ theirs)} or not"
        for file in sorted(ours & theirs):
            if file.endswith(".safetensors"):
                yield from (f"{name}/{file}: {tensor} differs" for tensor in _unlike(folder / name, whole / name, file))
            elif file == "config.json" and (folder / name / file).read_bytes() != (whole / name / file).read_bytes():
                yield f"{name}/{file} differs"
    try:
        ours, theirs = rows(folder), rows(whole)
    except (OSError, ValueError) as error:
        yield f"metrics.jsonl can't be read: {error}"
        return
    if [row["step"] for row in ours] != [row["step"] for row in theirs]:
        yield f"metrics.jsonl has the steps {[row['step'] for row in ours]}"
    elif ours != theirs:
        first = next(ours for ours, theirs in zip(ours, theirs, strict=True) if ours != theirs)
        yield f"other figures from step {first['step']} on"
    samples = [{path.name: _digest(path) for path in (each / "completions").glob("*")} for each in (folder, whole)]
    if samples[0] != samples[1]:
        yield f"other completions: {sorted({name for name, _ in samples[0].items() ^ samples[1].items()})}"
    if left := [path.name for path in folder.glob(".*.part")]:
        yield f"left over: {left}"


def rows(folder: Path) -> list[dict[str, Any]]:
    """metrics.jsonl, without what is measured in seconds."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in TIMING} for line in lines]


def steps(folder: Path) -> list[int]:
    """The steps of metrics.jsonl, as far as it can be read."""
    found = []
    metrics = folder / "metrics.jsonl"
    for line in metrics.read_text(errors="replace").splitlines() if metrics.exists() else ():
        try:
            found.append(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            break
    return found


def newest(folder: Path) -> int:
    """The step of the newest checkpoint; 0 where there is none."""
    return max((int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*")), default=0)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _unlike(ours: Path, theirs: Path, file: str) -> list[str]:
    """The tensors that are not the same, bit for bit."""
    import torch
    from safetensors.torch import load_file

    first, second = load_file(ours / file), load_file(theirs / file)
    found = sorted(first.keys() ^ second.keys())
    for name in sorted(first.keys() & second.keys()):
        a, b = first[name], second[name]
        same = a.dtype == b.dtype and a.shape == b.shape
        if not same or not torch.equal(_bytes(a), _bytes(b)):
            found.append(name)
    return found[:3]


def _bytes(tensor: Any) -> Any:
    import torch

    return tensor.contiguous().reshape(-1).view(torch.uint8)
