"""README's two pictures: the curve of a run of `make train`, and the tokens whose probability that run changed.

    make train
    python -m tutorials.pictures --record runs/1    # reads the run, then draws
    python -m tutorials.pictures                    # draws the recorded run again

The run is kept as `tutorials/recorded/make_train.json`. Each picture carries that file's hash, so that a test notices a
picture of another run.
"""

import argparse
import hashlib
import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tutorials import style
from tutorials.tokens import colour, signed

RECORDED = Path(__file__).parent / "recorded"
RECORD = RECORDED / "make_train.json"
TRAINING, TOKENS = RECORDED / "training.png", RECORDED / "tokens.png"
SHOWN = 2  # prompts whose tokens are shown: the first held-out ones
FULL = 3.0  # the change with the full colour, in nats
METRICS = ("step", "reward", "eval_reward")


def read(folder: Path) -> dict[str, Any]:
    """What a run of `make train` has left in its folder, and how it changed the probability of some tokens."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    kept = [
        {name: round(row[name], 8) for name in METRICS if name in row} for row in rows
    ]
    return {"command": "make train", "steps": kept, **moved(folder / "model")}


def moved(model: Path) -> dict[str, Any]:
    """The references' mean reward, greedy answers before and after, and of some tokens how their log π changed."""
    from grao_ref.policies.embedded import END
    from grao_ref.records import take
    from grao_ref.settings.presets import PRESETS
    from grao_ref.setups import prepare

    base: Any = prepare(PRESETS["tiny"])  # of texts, with a reward
    after: Any = prepare(replace(PRESETS["tiny"], model_name_or_path=str(model)))
    few = take(base.evaluation.held_out.batch, slice(0, SHOWN))
    ordered = few.prompts.ids[:, :5].sort(-1).values
    best = torch.nn.functional.pad(ordered, (0, 1), value=END)
    drafts = base.policy.greedy(few.prompts)  # the likeliest token at each position
    watched = {
        "reference": (few.references.ids, few.references.mask),
        "sorted": (best, torch.ones_like(best, dtype=torch.bool)),
        "base model": (drafts.ids[:, 0], drafts.mask[:, 0]),
    }
    prompts: list[dict[str, Any]] = [
        {"prompt": prompt, "answers": {}}
        for prompt, *_ in base.evaluation.answers()[:SHOWN]
    ]
    for name, (ids, mask) in watched.items():
        with torch.no_grad():
            old, new = (
                each.policy.logprobs(
                    few.prompts, ids[:, None], mask[:, None], temperature=1.0
                )[:, 0]
                for each in (base, after)
            )
        for n, shown in enumerate(prompts):
            tokens = base.task.encoder.tokenizer.batch_decode(ids[n][mask[n]][:, None])
            change = (new - old)[n][mask[n]].tolist()
            shown["answers"][name] = [tokens, [round(each, 3) for each in change]]
    pairs = zip(base.evaluation.answers(), after.evaluation.answers(), strict=True)
    return {
        "references": round(base.evaluation.reference_score, 5),
        "greedy": [
            [prompt, old, round(earned, 5), new, round(earns, 5)]
            for (prompt, old, earned), (_, new, earns) in pairs
        ],
        "prompts": prompts,
    }


def curve(record: dict[str, Any]) -> Figure:
    """The held-out reward by step, beside the references' and that of each step's samples."""
    drawn, (axes,) = style.figure(height=2.9)
    rows = record["steps"]
    trained = [(row["step"], row["reward"]) for row in rows if "reward" in row]
    axes.plot(*zip(*trained, strict=True), color="0.72", linewidth=0.9)
    tried = [(row["step"], row["eval_reward"]) for row in rows if "eval_reward" in row]
    axes.plot(*zip(*tried, strict=True), color=style.BLUE, linewidth=2.4)
    axes.axhline(record["references"], color=style.RED, linestyle="--", linewidth=1.6)
    last = rows[-1]["step"]
    axes.text(last, 0.64, "the references", color=style.RED, ha="right", va="top")
    axes.text(
        last,
        0.93,
        "answers to held-out prompts",
        color=style.BLUE,
        ha="right",
        va="top",
    )
    axes.text(
        last, 0.84, "samples that a step trains on", color="0.45", ha="right", va="top"
    )
    axes.set(xlabel="step", ylabel="mean reward", xlim=(0, last), ylim=(0.3, 1.03))
    return drawn


def coloured(record: dict[str, Any]) -> Figure:
    """Each answer as a row of tokens: blue where training made a token likelier, orange where less likely."""
    drawn = Figure(figsize=(style.WIDTH, 3.9))
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, style.WIDTH), ylim=(3.9, 0))
    axes.axis("off")
    top = 0.12
    for shown in record["prompts"]:
        axes.text(
            0.12,
            top + 0.14,
            f"prompt  {shown['prompt']}",
            va="center",
            size=12,
            weight="bold",
        )
        top += 0.3
        for name, (tokens, changes) in shown["answers"].items():
            axes.text(0.12, top + 0.24, name, va="center", size=11.5)
            for n, (token, change) in enumerate(zip(tokens, changes, strict=True)):
                _cell(axes, 1.75 + 0.53 * n, top, token, change)
            top += 0.52
        top += 0.06
    return drawn


def _cell(axes: Axes, left: float, top: float, token: str, change: float) -> None:
    face = colour(change, FULL)
    axes.add_patch(
        Rectangle(
            (left, top), 0.51, 0.48, facecolor=face, edgecolor="0.75", linewidth=0.8
        )
    )
    word = "end" if token == "." else token
    axes.text(left + 0.255, top + 0.16, word, ha="center", va="center", size=13)
    axes.text(
        left + 0.255, top + 0.37, signed(change), ha="center", va="center", size=10
    )


def fingerprint(path: Path = RECORD) -> str:
    """The hash of the record that a picture was drawn from."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save(drawn: Figure, path: Path) -> None:
    """As a PNG on white, in 64 colours, with the record's hash in it."""
    raw, about = BytesIO(), PngInfo()
    drawn.savefig(raw, format="png", dpi=180, facecolor="white")
    about.add_text("record", fingerprint())
    Image.open(raw).convert("RGB").quantize(64).save(
        path, "PNG", optimize=True, pnginfo=about
    )


def main(arguments: list[str] | None = None) -> None:
    """Read a run where one is given, and draw both pictures."""
    parser = argparse.ArgumentParser(
        "python -m tutorials.pictures", description=__doc__
    )
    parser.add_argument(
        "--record",
        type=Path,
        metavar="RUN",
        help="a folder of make train, to read first",
    )
    options = parser.parse_args(arguments)
    if options.record is not None:
        RECORD.write_text(
            json.dumps(read(options.record), ensure_ascii=False, indent=1) + "\n"
        )
    record = json.loads(RECORD.read_text())
    save(curve(record), TRAINING)
    save(coloured(record), TOKENS)


if __name__ == "__main__":
    main()
