"""Files of a checkpoint damaged, at random and by name. It must be noticed, and the checkpoint before it used."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.outcomes import EXACT, LOST, MISSAID, SAID, WRONG, Trial, newest, resumed
from tests.faults.workshop import PEFT, Workshop, resume

STEPS, DAMAGED, BEFORE = 6, "checkpoint-4", "checkpoint-2"
KINDS = ("flip", "truncate", "delete", "swap", "duplicate", "zero a tail", "empty")
SHARES = {"grao": 0.35, "ppo": 0.3, "lora": 0.15, "bandit": 0.2}  # of the random damages


def trials(shop: Workshop) -> Iterator[Trial]:
    """Random damages of every recipe, the named ones, and the control."""
    yield unverified(shop)
    for recipe, share in SHARES.items():
        if recipe == "lora" and not PEFT:
            continue
        half = shop.whole(recipe, STEPS - 2)
        yield tried(shop, recipe, half, lambda folder: None, "none (control)", damaged=False)
        for _ in range(round(shop.few(200, 20) * share)):
            kind = shop.rng.choice(KINDS)
            seed = shop.rng.random()
            yield tried(shop, recipe, half, lambda f, k=kind, s=seed: at_random(f, k, random.Random(s)), kind)
    names = list(NAMED) if not shop.short else shop.rng.sample(list(NAMED), 4)
    for name in names:
        yield tried(shop, "ppo", shop.whole("ppo", STEPS - 2), lambda f, n=name: NAMED[n](f / DAMAGED), name)
    for name, damage in OF_THE_RUN.items():
        yield of_the_run(shop, name, damage)


def tried(
    shop: Workshop,
    recipe: str,
    half: Path,
    damage: Callable[[Path], object],
    fault: str,
    damaged: bool = True,
) -> Trial:
    """Damage a copy and go on: from the run's folder mostly, from the damaged checkpoint itself in every third."""
    folder = shop.copy(half)
    what = damage(folder)
    itself = damaged and shop.rng.random() < 1 / 3
    ended = shop.run(resume(folder / DAMAGED if itself else folder, "--max-steps", STEPS))
    trial = resumed(ended, shop.whole(recipe, STEPS), folder, fault, said=(2,) if damaged else ())
    detail = f"{recipe}, {what}: " + (trial.details or ended.said)
    seen = trial.seen
    if damaged and not itself and seen == SAID:
        seen, detail = LOST, f"the checkpoint before was not used; {detail}"
    if damaged and seen == EXACT and DAMAGED not in ended.err:
        seen, detail = MISSAID, f"used without a word; {detail}"
    if seen in (EXACT, SAID):
        shop.drop(folder)
    return Trial(fault, seen, detail)


def unverified(shop: Workshop) -> Trial:
    """Control of the suite: without the verification, a damaged checkpoint is trained on, and that is seen."""
    fault, folder = "not verified (control)", shop.copy(shop.whole("ppo", STEPS - 2))
    NAMED["a tensor of the model doubled"](folder / DAMAGED)

    def blind() -> None:
        from grao_ref.plugins import manifest
        from grao_ref.training import resuming

        resuming.require_whole = manifest.read_manifest

    ended = shop.run(resume(folder, "--max-steps", STEPS), inside=blind)
    trial = resumed(ended, shop.whole("ppo", STEPS), folder, fault)
    shop.drop(folder)
    if trial.seen == WRONG:
        return Trial(fault, SAID, "silently wrong, as it should be here")
    return Trial(fault, WRONG, f"the suite did not see it: {trial.seen}, {trial.details}")


def at_random(folder: Path, kind: str, rng: random.Random) -> str:
    """Damage one file of the newest checkpoint, so that it is another; what was done."""
    files = sorted(path for path in (folder / DAMAGED).rglob("*") if path.is_file())
    while True:
        path = rng.choice(files)
        before = path.read_bytes()
        spoil(path, kind, rng, files)
        if not path.exists() or path.read_bytes() != before:
            return f"{kind} {path.name}"
        path.write_bytes(before)


def spoil(path: Path, kind: str, rng: random.Random, files: list[Path]) -> None:
    """Do one kind of damage, which may leave the file as it was."""
    content = path.read_bytes()
    place = rng.randrange(len(content)) if content else 0
    if kind == "flip":
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
    elif kind == "truncate":
        path.write_bytes(content[:place])
    elif kind == "delete":
        path.unlink()
    elif kind == "swap":
        other = path.parents[1] / BEFORE / path.name
        if other.exists():
            path.write_bytes(other.read_bytes())
    elif kind == "duplicate":
        path.write_bytes(rng.choice(files).read_bytes())
    elif kind == "zero a tail":
        path.write_bytes(content[:place] + bytes(len(content) - place))
    else:
        path.write_bytes(b"")


def state(**changes: Any) -> Callable[[Path], None]:
    """manifest.json with other values."""

    def change(checkpoint: Path) -> None:
        path = checkpoint / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def tensors(file: str, edit: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """A file of tensors, edited and written again without a fault."""

    def change(checkpoint: Path) -> None:
        from safetensors.torch import load_file, save_file

        found = load_file(checkpoint / file)
        edit(found)
        save_file(found, checkpoint / file, metadata={"format": "pt"})

    return change


def text(file: str, old: str, new: str) -> Callable[[Path], None]:
    """One word of a file exchanged."""

    def change(checkpoint: Path) -> None:
        path = checkpoint / file
        assert old in path.read_text(), f"{file} holds no {old}"
        path.write_text(path.read_text().replace(old, new))

    return change


def _drop_moments(found: dict[str, Any]) -> None:
    for name in [name for name in found if name[0].isdigit()]:
        del found[name]


def _as_a_file(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint)
    checkpoint.write_text("x")


MODEL, MOMENTS = "model.safetensors", "training.safetensors"
NAMED: dict[str, Callable[[Path], object]] = {
    "a tensor of the model missing": tensors(MODEL, lambda found: found.pop(sorted(found)[3])),
    "a tensor of the model doubled": tensors(MODEL, lambda found: found[sorted(found)[3]].mul_(2)),
    "one moment missing": tensors(MOMENTS, lambda found: found.pop("3.exp_avg")),
    "every moment missing": tensors(MOMENTS, _drop_moments),
    "a moment zeroed": tensors(MOMENTS, lambda found: found["3.exp_avg"].zero_()),
    "a moment flattened": tensors(MOMENTS, lambda found: found.update({"1.exp_avg": found["1.exp_avg"].reshape(-1)})),
    "random generator zeroed": tensors(MOMENTS, lambda found: found["rng"].zero_()),
    "random generator missing": tensors(MOMENTS, lambda found: found.pop("rng")),
    "step changed": state(step=2),
    "step a text": state(step="4"),
    "step null": state(step=None),
    "tokens changed": state(tokens=7),
    "config a list": state(config=[]),
    "config empty": state(config={}),
    "manifest.json a list": lambda checkpoint: (checkpoint / "manifest.json").write_text("[]"),
    "manifest.json not UTF-8": lambda checkpoint: (checkpoint / "manifest.json").write_bytes(b"\xff\xfe{"),
    "config.json of another size": text("config.json", '"hidden_size": 96', '"hidden_size": 48'),
    "config.json with another epsilon": text("config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": 0.1'),
    "config.json missing": lambda checkpoint: (checkpoint / "config.json").unlink(),
    "critic missing": lambda checkpoint: (checkpoint / "critic.safetensors").unlink(),
    "every file missing": lambda checkpoint: [path.unlink() for path in checkpoint.iterdir()],
    "a file in place of the folder": _as_a_file,
}
OF_THE_RUN: dict[str, Callable[[Path], object]] = {
    "metrics.jsonl: a line cut": lambda folder: _lines(
        folder, lambda lines: [lines[0], lines[1][:30] + "\n", *lines[2:]]
    ),
    "metrics.jsonl: a line without step": lambda folder: _lines(folder, lambda lines: [*lines, "{}\n"]),
    "metrics.jsonl: a line that is a number": lambda folder: _lines(folder, lambda lines: [*lines, "7\n"]),
    "metrics.jsonl: not UTF-8": lambda folder: (folder / "metrics.jsonl").write_bytes(b"\xff\xfe\n"),
    "metrics.jsonl missing": lambda folder: (folder / "metrics.jsonl").unlink(),
    "config.yaml empty": lambda folder: (folder / "config.yaml").write_text(""),
    "config.yaml half": lambda folder: (folder / "config.yaml").write_text((folder / "config.yaml").read_text()[:700]),
}


def _lines(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = folder / "metrics.jsonl"
    path.write_text("".join(change(path.read_text().splitlines(True))))


def of_the_run(shop: Workshop, name: str, damage: Callable[[Path], object]) -> Trial:
    """Damage of what stands beside the checkpoints: exact, or said, and the checkpoints are still there."""
    folder = shop.copy(shop.whole("grao", STEPS - 2))
    damage(folder)
    ended = shop.run(resume(folder, "--max-steps", STEPS))
    trial = resumed(ended, shop.whole("grao", STEPS), folder, name, said=(2,))
    if not trial.bad and newest(folder) < STEPS - 2:
        return Trial(name, LOST, "the checkpoint is gone")
    if not trial.bad:
        shop.drop(folder)
    return trial
