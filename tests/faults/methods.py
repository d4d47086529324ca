"""SIGKILL and going on, for each method, with LoRA, and with models of Hugging Face's classes in folders."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grao_ref.methods.registry import BUILT_IN
from tests.faults.kills import STEPS
from tests.faults.outcomes import EXACT, WRONG, Trial, newest, resumed, steps
from tests.faults.workshop import PAIRS, PEFT, RECIPES, SAVED, Workshop, resume

TINY = Path(__file__).parents[2] / "grao_ref" / "policies" / "tiny"
CLASSES: dict[str, dict[str, Any]] = {  # random models of two layers
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "attn_pdrop": 0.0, "resid_pdrop": 0.0},
    "llama": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4},
    "qwen3": {
        "num_key_value_heads": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "head_dim": 8,
    },
}
LORA = ["--use-peft", "--lora-r", 4, "--lora-dropout", 0.1]


def trials(shop: Workshop) -> Iterator[Trial]:
    """A kill in the middle of a save, of an update and of sampling."""
    for name in kinds(shop):
        for phase in ("update", "save", "collect") if not shop.short else ("update",):
            yield killed(shop, name, phase)


def kinds(shop: Workshop) -> list[str]:
    """The recipes, added to those of the workshop."""
    for method in BUILT_IN:
        RECIPES[f"{method}, embedded model"] = [*SAVED, *PAIRS * (method == "dpo"), "--method", method]
        RECIPES[f"{method}, bandit"] = [*RECIPES["bandit"], "--method", method]
    RECIPES["grpo with a KL penalty, embedded model"] = [*SAVED, "--method", "grpo", "--beta", 0.05]
    for name, sizes in CLASSES.items():
        RECIPES[f"grao, {name} from a folder"] = [*SAVED, "--model-name-or-path", model(shop, name, sizes)]
    if PEFT:
        RECIPES["grao, LoRA"] = [*SAVED, *LORA]
        RECIPES["dpo, LoRA"] = [*SAVED, *PAIRS, *LORA, "--method", "dpo"]
        RECIPES["grao, LoRA on llama from a folder"] = [*RECIPES["grao, llama from a folder"], *LORA]
    own = [name for name in RECIPES if ", " in name]
    short = ["ppo, embedded model", "grao, LoRA", "grao, gpt2 from a folder"]
    return own if not shop.short else [name for name in short if name in own]


def model(shop: Workshop, name: str, sizes: dict[str, Any]) -> Path:
    """A folder as `save_pretrained` writes it, with the embedded model's tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = shop.folder / f"model-{name}"
    if not folder.exists():
        torch.manual_seed(0)
        ids = json.loads((TINY / "config.json").read_text())
        special = {
            key: ids[key] for key in ("vocab_size", "bos_token_id", "eos_token_id", "pad_token_id") if key in ids
        }
        AutoModelForCausalLM.from_config(AutoConfig.for_model(name, **sizes, **special)).save_pretrained(folder)
        for path in TINY.glob("tokenizer*"):
            shutil.copy(path, folder / path.name)
    return folder


def killed(shop: Workshop, name: str, phase: str) -> Trial:
    """Killed there once, and gone on."""
    whole, folder = shop.whole(name, STEPS), shop.fresh()
    arguments = [*RECIPES[name], "--max-steps", STEPS, "--output-dir", folder]
    child = shop.start(arguments)
    child.wait_for(phase, {"save": shop.rng.randint(2, 3)}.get(phase, shop.rng.randint(3, 6)))
    time.sleep(shop.rng.uniform(0, 0.01))
    child.send(signal.SIGKILL)
    child.wait()
    before = newest(folder)
    on = resume(folder, "--max-steps", STEPS) if before else [*arguments, "--overwrite-output-dir"]
    trial = resumed(shop.run(on), whole, folder, name)
    if trial.seen == EXACT and not moved(whole):
        return Trial(name, WRONG, "no figure changed from step to step: nothing was trained")
    if not trial.bad:
        shop.drop(folder)
    return Trial(name, trial.seen, trial.details or f"{phase}, from {before}, {len(steps(folder))} rows")


def moved(whole: Path) -> bool:
    """Whether the run trained anything: else everything is equal to everything."""
    from safetensors.torch import load_file

    newest_two = sorted(whole.glob("checkpoint-*"))[-2:]
    first, second = (load_file(path / "training.safetensors") for path in newest_two)
    return any(not (first[name] == second[name]).all() for name in first)
