"""Language models by name: `tiny`, `smollm2`, a local folder, or an id on the Hugging Face hub."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.plugins.blame import briefly
from grao_ref.plugins.manifest import MANIFEST, DamagedError, require_whole
from grao_ref.policies.adapters import adapter_folder, adapter_settings, base_of, has_tokenizer, with_adapter
from grao_ref.policies.embedded import tiny_folder
from grao_ref.policies.lora import BASE
from grao_ref.policies.products import use_faster_products
from grao_ref.policies.smollm2 import smollm2_folder

EMBEDDED = {"tiny": tiny_folder, "smollm2": smollm2_folder}  # name -> its folder; these two need no hub
TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges*", "spiece*", "*.model", "*.tiktoken", "tekken*")
_NO_TOKENIZER = (
    "{!r} has no tokenizer: a model needs its tokenizer's files beside config.json, such as tokenizer.json and "
    "tokenizer_config.json"
)


def load_language_model(
    name: str,
    *,
    device: torch.device,
    dtype: torch.dtype | str = torch.float32,
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
    merge_adapter: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model, in evaluation mode, and its tokenizer. An adapter comes on its base, or merged with `merge_adapter`.

    float32 is the default on a GPU too: steps of an ordinary learning rate vanish when bfloat16 weights are rounded.
    dtype: also by its name, or "auto", as the weights were saved. attn_implementation: transformers' own choice where
    it is None. trust_remote_code: run the Python files that come with the model.
    Raises `ValueError` on a name that nothing can be loaded from, on files without all of the model's weights, on a
    merged base that is damaged, and on an attention that this machine has not.
    """
    adapter, place, base, words = _places(name)
    if merge_adapter and adapter is None:
        raise ValueError(f"merge_adapter is for an adapter, and {name} is none: no adapter_config.json is found there")
    folder = str(EMBEDDED[base]()) if base in EMBEDDED else base
    _require_whole_base(Path(folder))
    options: dict[str, Any] = {"dtype": dtype, "trust_remote_code": trust_remote_code}
    if attn_implementation is not None:
        options["attn_implementation"] = attn_implementation
    try:
        AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)  # else the tokenizer would be blamed
        tokenizer = load_tokenizer(words, trust_remote_code=trust_remote_code)
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
        model, report = loaded
    except NoTokenizerError:
        raise
    except Exception as error:  # whatever a model's class or its files may cause
        if "trust_remote_code" in str(error):
            raise ValueError(_OWN_CODE.format(name)) from None
        reason = briefly(error)
        if attn_implementation is not None and ("attention" in reason.lower() or "attn" in reason):
            raise ValueError(f"attn_implementation {attn_implementation!r} of {name!r}: {reason}") from None
        near = "; did you mean smollm2?" if difflib.get_close_matches(name, ["smollm2"], cutoff=0.7) else ""
        raise ValueError(
            f"no language model could be loaded from {name!r}{near}: it has to be tiny, tabular, smollm2, a folder or "
            f"an id on the hub ({reason})"
        ) from None
    if report["missing_keys"]:  # transformers draws them at random, and says so in a log alone
        first, *others = sorted(report["missing_keys"])
        more = f" and {len(others)} other weights" if others else ""
        raise ValueError(f"the files of {base!r} are no whole language model: they have no {first}{more}")
    use_faster_products(model)
    whole = model if adapter is None else with_adapter(model, place, merge=merge_adapter)
    return whole.to(device).eval(), tokenizer  # type: ignore[arg-type]


@dataclass(frozen=True)
class Architecture:
    """What is known of a model before its weights are loaded."""

    config: Any
    adapter: dict[str, Any] | None  # the settings of an adapter, where it is one
    words: str  # the folder or hub id of its tokenizer


def architecture_of(name: str, *, trust_remote_code: bool = False) -> Architecture:
    """A model's config and its adapter's settings. Raises `ValueError` where there is none, or it can't be fetched."""
    adapter, _, base, words = _places(name)
    folder = str(EMBEDDED[base]()) if base in EMBEDDED else base
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except Exception as error:
        raise ValueError(
            f"the config of {name!r} can't be read, by which its size is known: name a folder that holds its "
            f"config.json, or an id on the hub where there is a network ({briefly(error)})"
        ) from None
    return Architecture(config, adapter, words)


def _places(name: str) -> tuple[dict[str, Any] | None, str, str, str]:
    """An adapter's settings and its folder, if it is one; the folder, short name or hub id of base and tokenizer."""
    adapter = None if name in EMBEDDED else adapter_settings(name)
    place = name if adapter is None else adapter_folder(name)
    base = name if adapter is None else base_of(place, adapter)
    folder = str(EMBEDDED[base]()) if base in EMBEDDED else base
    return adapter, place, base, place if adapter is not None and has_tokenizer(place) else folder


def _require_whole_base(folder: Path) -> None:
    """Raise `ValueError` where a base that a run has merged and written is not as it was written."""
    if folder.name != BASE or not (folder / MANIFEST).is_file():
        return
    try:
        require_whole(folder)
    except DamagedError as error:
        raise ValueError(
            f"the base in {folder} is damaged: {error}. A run merged an adapter into it and trained another one on it; "
            "to go on with that run writes it again"
        ) from None


_OWN_CODE = (
    "the model {!r} comes with Python files of its own, which have to run on this machine to load it, and can do there "
    "whatever you can: read them, and then set --trust-remote-code"
)


class NoTokenizerError(ValueError):
    """A model that comes without a tokenizer, or with one that can't be loaded."""


def load_tokenizer(folder: str, *, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """The tokenizer of a model's folder or hub id.

    Raises `NoTokenizerError` where the model is there and no tokenizer is: then transformers makes one without a
    vocabulary for some models, and fails to for others.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    except Exception as error:
        if not (Path(folder) / "config.json").is_file():
            raise
        if not any(file for pattern in TOKENIZER_FILES for file in Path(folder).glob(pattern)):
            raise NoTokenizerError(_NO_TOKENIZER.format(folder)) from None
        raise NoTokenizerError(f"the tokenizer in {folder!r} can't be loaded ({briefly(error)})") from None
    if len(tokenizer.get_vocab()) <= len(tokenizer.added_tokens_decoder):
        raise NoTokenizerError(_NO_TOKENIZER.format(folder))
    return tokenizer


def embedding_rows(model: PreTrainedModel) -> int:
    """How many token ids the model has an embedding for."""
    return len(model.get_input_embeddings().weight)  # type: ignore[arg-type]
