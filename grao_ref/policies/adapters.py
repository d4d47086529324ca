"""Adapters that are there already: found in a folder or on the hub, put on the base that they name, merged into it.

An adapter is a folder with an adapter_config.json, as peft, TRL and this package write it. Its base may be a hub id,
a folder, or one of the short names.
"""

import importlib.util
import json
import warnings
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.utils.hub import cached_file
from transformers.utils.peft_utils import find_adapter_config_file

from grao_ref.policies.lora import BASE

# The end of the path at which a short name's model stands: adapters name it, and a package or a cache may move.
SHORT: dict[tuple[str, ...], str] = {("policies", "tiny"): "tiny", ("grao_ref", "SmolLM2-135M-Instruct"): "smollm2"}
INSTALL = "pip install 'grao_ref[peft]'"


def adapter_settings(name: str) -> dict[str, Any] | None:
    """The content of a model's adapter_config.json, in its folder or on the hub; None if the model is no adapter.

    Raises `ValueError` on a file that is no JSON object, an adapter of another task, and where peft is missing.
    """
    try:
        file = Path(name) / "adapter_config.json" if Path(name).is_dir() else find_adapter_config_file(name)
    except OSError:  # no name of a repository, or no access: whoever loads the model gets the reason
        return None
    if file is None or not Path(file).is_file():
        return None
    try:
        settings = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name} is an adapter whose adapter_config.json can't be read: {error}") from None
    if not isinstance(settings, dict):
        raise ValueError(f"{name} is an adapter whose adapter_config.json is no object")
    task = settings.get("task_type") or "CAUSAL_LM"
    if task != "CAUSAL_LM":
        raise ValueError(f"{name} is an adapter for the task {task}: a language model's has the task CAUSAL_LM")
    if importlib.util.find_spec("peft") is None:
        raise ValueError(f"{name} is an adapter, which needs peft: {INSTALL}")
    return settings


def base_of(name: str, settings: dict[str, Any]) -> str:
    """The model that an adapter belongs to: a folder, a short name or a hub id.

    A folder that also holds a whole model is its own base. A relative path is looked up from the current folder, then
    from each folder above the adapter's. Raises `ValueError` where no base is named, or a path leads nowhere.
    """
    folder = Path(name)
    if (folder / "config.json").is_file():
        return name
    named = settings.get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise ValueError(f"{name} is an adapter whose adapter_config.json names no base_model_name_or_path: add it")
    path = Path(named).expanduser()
    if path.is_dir() or named in SHORT.values():
        return str(path)
    if path.name == BASE and (folder.parent / BASE / "config.json").is_file():
        return str(folder.parent / BASE)  # the run's folder was moved
    if path.parts[-2:] in SHORT:
        return SHORT[path.parts[-2:]]
    if not path.is_absolute():
        for parent in folder.resolve().parents if folder.is_dir() else ():
            if (parent / path / "config.json").is_file():
                return str(parent / path)
    if path.is_absolute() or named[0] in ".~" or named.count("/") > 1:
        raise ValueError(
            f"the base of the adapter {name} is not there: its adapter_config.json names {named} as its "
            "base_model_name_or_path"
        )
    return named


def has_tokenizer(name: str) -> bool:
    """Whether an adapter has a tokenizer of its own; otherwise it uses its base's."""
    folder, file = Path(name), "tokenizer_config.json"
    if folder.is_dir():
        return (folder / file).is_file()
    return cached_file(name, file, _raise_exceptions_for_missing_entries=False) is not None


def with_adapter(model: PreTrainedModel, name: str, *, merge: bool = False) -> PreTrainedModel:
    """The model with the adapter of this name on it, trainable; or merged into it: W + (α/r) B A, an ordinary model.

    Raises `ValueError` where the two don't fit, and on a kind of adapter that is no part of the model's layers.
    """
    from peft import PeftConfig, PeftModel

    def misfit(reason: object) -> ValueError:
        words = " ".join(str(reason).split())[:200] or type(reason).__name__
        return ValueError(f"the adapter {name} can't be put on its base {model.name_or_path}: {words}")

    try:
        kind = PeftConfig.from_pretrained(name)
        if kind.is_prompt_learning or kind.is_adaption_prompt:
            raise ValueError(f"{kind.peft_type.value} is no part of its layers")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of, missing tensors, is an error below
            adapted = PeftModel.from_pretrained(model, name, is_trainable=not merge)
            found = adapted.load_adapter(name, "default", is_trainable=not merge)  # again, for its report
    except Exception as error:  # peft and torch raise many kinds, some of them over many lines
        raise misfit(error) from None
    absent = [*found.missing_keys, *found.unexpected_keys]
    if absent:
        raise misfit(f"{len(absent)} tensors are in one of the two alone, such as {absent[0]}")
    if not merge:
        kind = next(iter(adapted.peft_config.values()))
        kind.base_model_name_or_path = model.name_or_path  # where it was found, which the file may not say
        return unwrapped(adapted)
    try:
        whole: PreTrainedModel = adapted.merge_and_unload(safe_merge=True)
    except Exception as error:
        raise misfit(error) from None
    whole.name_or_path = whole.config._name_or_path = ""  # it is no longer the base of that name
    return whole.requires_grad_(True)


def unwrapped(model: Any) -> PreTrainedModel:
    """The model inside of a `PeftModel`, with its adapter in its layers, as transformers' own `add_adapter` leaves it.

    Any other model is returned as it is.
    """
    if not hasattr(model, "get_base_model"):
        return model  # type: ignore[no-any-return]
    inner: PreTrainedModel = model.get_base_model()
    inner.peft_config, inner._hf_peft_config_loaded = model.peft_config, True
    return inner
