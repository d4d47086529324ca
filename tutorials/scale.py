"""Tables of the page *Scale*: estimates beside measured peaks, and the largest model that trains on a card.

`python -m tutorials.scale` computes the second one again (some minutes) and writes tutorials/recorded/largest.json.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from grao_ref.memory.counting import (
    GRADIENTS,
    MOMENTS,
    REFERENCE,
    WEIGHTS,
)
from grao_ref.memory.estimate import Estimate, estimate
from grao_ref.memory.lengths import by_settings
from grao_ref.memory.words import refusal
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PAPER
from tutorials import style

RECORDED = Path(__file__).parent / "recorded"
LARGEST, MEASURED = RECORDED / "largest.json", RECORDED / "memory.json"
CARDS, CARDS_TOGETHER = (24, 80), 8
FILLED = 0.9  # of a card: the rest is for CUDA itself and for gaps
SHARDED = (WEIGHTS, GRADIENTS, MOMENTS, REFERENCE)
QWEN = {  # Qwen2.5, as published: layers, width, width of the MLP, heads, key-value heads, vocabulary, tied
    "Qwen2.5-0.5B": (24, 896, 4864, 14, 2, 151936, True),
    "Qwen2.5-1.5B": (28, 1536, 8960, 12, 2, 151936, True),
    "Qwen2.5-3B": (36, 2048, 11008, 16, 2, 151936, True),
    "Qwen2.5-7B": (28, 3584, 18944, 28, 4, 152064, False),
    "Qwen2.5-14B": (48, 5120, 13824, 40, 8, 152064, False),
    "Qwen2.5-32B": (64, 5120, 27648, 40, 8, 152064, False),
    "Qwen2.5-72B": (80, 8192, 29568, 64, 8, 152064, False),
}
STEP = Config(  # one group of 8 at a time: prompts of 256 tokens, answers of 512
    num_generations=8,
    per_device_train_batch_size=8,
    per_device_eval_batch_size=8,
    gradient_accumulation_steps=8,
    max_prompt_length=256,
    max_completion_length=512,
    gradient_checkpointing=True,
)
WAYS = {
    "full": STEP,
    "adapter": replace(STEP, use_peft=True, dtype="bfloat16"),
}


def architecture(name: str) -> Any:
    """The config of a model of the family."""
    layers, width, inner, heads, pairs, vocabulary, tied = QWEN[name]
    return AutoConfig.for_model(
        "qwen2",
        num_hidden_layers=layers,
        hidden_size=width,
        intermediate_size=inner,
        num_attention_heads=heads,
        num_key_value_heads=pairs,
        vocab_size=vocabulary,
        tie_word_embeddings=tied,
        max_position_embeddings=32768,
    )


def needed(name: str, way: str) -> dict[str, Any]:
    """What a step of the model needs, on one card and on each of eight."""
    config = WAYS[way]
    model = architecture(name)
    found = estimate(config, model, by_settings(config), cuda=True)
    return {
        "model": name,
        "way": way,
        "parameters": found.parameters,
        "trained": found.trained,
        "phase": found.phase,
        "parts": found.phases[found.phase],
        "one card": found.peak,
        "each of 8": each_of(found, model, CARDS_TOGETHER),
    }


def each_of(found: Estimate, model: Any, cards: int) -> int:
    """Bytes on each of several cards: weights, gradients and moments in shards, the rest whole.

    Two layers and the embeddings are gathered in bfloat16 at a time.
    """
    most = 0
    embeddings = model.vocab_size * model.hidden_size
    layer = (found.parameters - embeddings) / model.num_hidden_layers
    for parts in found.phases.values():
        state = sum(size for kind, size in parts.items() if kind in SHARDED)
        whole = sum(
            size
            for kind, size in parts.items()
            if kind not in SHARDED and "bfloat16" not in kind
        )
        gathered = 2 * (embeddings + 2 * layer)
        most = max(most, round(state / cards + whole + gathered))
    return most


def paper() -> dict[str, Any]:
    """The preset `paper` on one card of 80 GB, and what the command says to it."""
    found = estimate(PAPER, architecture("Qwen2.5-7B"), by_settings(PAPER), cuda=True)
    return {
        "parameters": found.parameters,
        "phases": found.phases,
        "refusal": refusal(found, 80 * 10**9, None),
    }


def main() -> int:
    """Compute every row again; models that are far too large are left out."""
    rows = [needed(name, "full") for name in list(QWEN)[:6]]
    rows += [needed(name, "adapter") for name in list(QWEN)[2:]]
    content = {"filled": FILLED, "paper": paper(), "rows": rows}
    LARGEST.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def largest_table() -> None:
    """The largest model of the family by card and way, with the arithmetic."""
    rows = json.loads(LARGEST.read_text())["rows"]
    shown = []
    for way in WAYS:
        for card, key in [(card, "one card") for card in CARDS] + [(80, "each of 8")]:
            fitting = [
                row
                for row in rows
                if row["way"] == way and row[key] <= FILLED * card * 1e9
            ]
            where = f"{card} GB" if key == "one card" else f"8 × {card} GB"
            by = "GRAO" if key == "one card" else "GRAOTrainer, FSDP"
            if fitting:
                best = max(fitting, key=lambda row: int(row["parameters"]))
                need = f"{best[key] / 1e9:.1f} GB"
                shown.append(
                    [where, by, way, best["model"], need, sum_of(best, key), "computed"]
                )
    heading = ["memory", "with", "trained", "largest", "needs, each", "of this", ""]
    style.table(heading, shown)


def sum_of(row: dict[str, Any], key: str) -> str:
    """The arithmetic of a row."""
    parts = row["parts"]
    if key == "one card":
        words = [
            f"{size / 1e9:.1f} {kind}" for kind, size in parts.items() if size >= 5e7
        ]
    else:
        state = sum(size for kind, size in parts.items() if kind in SHARDED) / 1e9
        words = [
            f"{state:.1f} state / 8 = {state / 8:.1f}",
            f"{row[key] / 1e9 - state / 8:.1f} activations, logits, gathered layers",
        ]
    return " + ".join(words)


def needs_table() -> None:
    """What each model of the family needs."""
    rows = json.loads(LARGEST.read_text())["rows"]
    style.table(
        ["model", "trained", "parameters", "one card", "each of 8"],
        [
            [
                row["model"],
                row["way"],
                f"{row['trained']:,} of {row['parameters']:,}",
                f"{row['one card'] / 1e9:.1f} GB",
                f"{row['each of 8'] / 1e9:.1f} GB",
            ]
            for row in rows
        ],
    )


def measured_table() -> None:
    """Estimates beside the peaks of real runs."""
    record = json.loads(MEASURED.read_text())
    style.table(
        ["run", "parameters", "phase", "predicted", "measured", "ratio"],
        [
            [
                row["name"],
                f"{row['parameters'] / 1e6:.0f} million",
                row["phase"],
                f"{row['predicted'] / 1e6:,.0f} MB",
                f"{row['measured'] / 1e6:,.0f} MB",
                f"{row['ratio']:.2f}",
            ]
            for row in record["runs"]
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
