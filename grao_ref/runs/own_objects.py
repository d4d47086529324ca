"""What `finetune` is given: a user's own model, tokenizer, rows and settings, each checked as it comes."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.data.rows import Row, rows_of
from grao_ref.methods.interface import Method
from grao_ref.methods.registry import use
from grao_ref.policies.adapters import unwrapped
from grao_ref.policies.modes import as_it_was
from grao_ref.settings.config import Config
from grao_ref.settings.kinds import kinds_of
from grao_ref.settings.presets import OWN
from grao_ref.settings.unknown import require_known
from grao_ref.settings.values import as_kind

# Settings of the command that have no place here, and what has it.
ELSEWHERE = {
    **dict.fromkeys(
        ("model_name_or_path", "dtype", "attn_implementation", "trust_remote_code", "merge_adapter"),
        "the model is the first argument, as you loaded it",
    ),
    **dict.fromkeys(
        ("dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "dataset_test_name"),
        "the rows are the third argument, and eval_rows those that are evaluated on",
    ),
    "chat_template_path": "the tokenizer is the second argument; set its chat_template",
    **dict.fromkeys(
        ("dry_run", "device_memory"), "the model is loaded already; the command estimates what a run needs"
    ),
    "device": "the model is trained where it is; model.to(...) moves it",
    **dict.fromkeys(
        ("output_dir", "overwrite_output_dir", "save_steps", "save_total_limit", "push_to_hub", "hub_model_id"),
        "nothing is written; model.save_pretrained(folder) writes the model, at any step",
    ),
    "resume_from_checkpoint": "there are no checkpoints here; the command goes on from one",
    **dict.fromkeys(
        ("report_to", "run_name", "logging_steps", "log_completions", "num_completions_to_print"),
        "the reports are yours to log: report.means(), and completions(report)",
    ),
    **dict.fromkeys(("compare", "num_seeds"), "one model is trained, once"),
}
MARKS = ("peft_config", "_hf_peft_config_loaded")  # by which transformers knows a model with an adapter in its layers


def require_tokenizer(tokenizer: Any) -> None:
    """Raise `ValueError` on another kind of thing, such as a processor or a name."""
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return
    got = type(tokenizer).__name__
    if isinstance(tokenizer, str):
        raise ValueError(f"the tokenizer must be loaded: AutoTokenizer.from_pretrained({tokenizer!r})")
    inner = "; its tokenizer is .tokenizer" if hasattr(tokenizer, "tokenizer") else ""
    raise ValueError(f"the tokenizer must be one of transformers, got {got}{inner}")


def trainable(model: Any, *, new_adapter: bool = False) -> PreTrainedModel:
    """The model itself; of a `PeftModel`, the model inside with its adapter in place.

    Warns of half precision, where small steps are lost, unless a `new_adapter` is trained instead. Raises `ValueError`
    on what is no causal language model on one device with a trainable parameter.
    """
    if isinstance(model, str):
        raise ValueError(f"the model must be loaded: AutoModelForCausalLM.from_pretrained({model!r})")
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    kind = type(inner).__name__
    if not isinstance(inner, PreTrainedModel):
        raise ValueError(f"the model must be one of transformers, got {kind}")
    if not inner.can_generate() or getattr(inner.config, "is_encoder_decoder", False):
        raise ValueError(f"the model must be a causal language model, such as AutoModelForCausalLM loads, got {kind}")
    devices = {parameter.device for parameter in model.parameters()}
    if len(devices) != 1 or next(iter(devices)).type == "meta":
        places = ", ".join(sorted(map(str, devices)))
        raise ValueError(f"the model must be on one device, and is on {places}: load it without a device_map")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("no parameter of the model has requires_grad: nothing would be trained")
    half = {parameter.dtype for parameter in trained} & {torch.bfloat16, torch.float16}
    if half and not new_adapter:
        name = str(half.pop()).removeprefix("torch.")
        warnings.warn(
            f"the model's trained weights are {name}, which rounds away small steps: load it in float32, and let "
            "bf16=True compute in bfloat16",
            stacklevel=3,
        )
    return inner


@contextmanager
def borrowed(model: Any) -> Iterator[PreTrainedModel]:
    """The model that is trained; when the block ends, its modes and marks are those that the user's model had.

    The model inside a `PeftModel` is marked as transformers marks one with an adapter of its own. Left there, the marks
    would make its `save_pretrained` write an adapter after `merge_and_unload`.
    """
    inner: PreTrainedModel = model.get_base_model() if hasattr(model, "get_base_model") else model
    marked = {name: vars(inner)[name] for name in MARKS if name in vars(inner)}
    try:
        unwrapped(model)
        with as_it_was(inner):
            yield inner
    finally:
        if inner is not model:
            for name in MARKS:
                vars(inner).pop(name, None)
            vars(inner).update(marked)


class OwnNumbers:
    """Within a block, torch's global generator gives this training's numbers; the caller's own continue after it.

    A new adapter and its dropout draw from that generator. The first block begins with the seed.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(seed)
            self._state = self._now()

    def __enter__(self) -> None:
        self._before = self._now()
        self._set(self._state)

    def __exit__(self, *_: object) -> None:
        self._state = self._now()
        self._set(self._before)

    def _now(self) -> list[torch.Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in self._devices)]

    def _set(self, states: list[torch.Tensor]) -> None:
        torch.set_rng_state(states[0])
        for device, state in zip(self._devices, states[1:], strict=True):
            torch.cuda.set_rng_state(state, device)


def config_from(settings: dict[str, Any]) -> Config:
    """The settings over those of `OWN`. Raises `ValueError` on names that have no place here, or are none."""
    settings, kinds = dict(settings), kinds_of(Config)
    for name in settings:
        if name in ELSEWHERE:
            raise ValueError(f"finetune has no {name}: {ELSEWHERE[name]}")
    known = [field.name for field in fields(Config) if field.name not in (*ELSEWHERE, "reward_funcs")]
    unknown = {name: value for name, value in settings.items() if name not in known}
    if unknown:
        require_known(unknown, {}, [*known, "reward_funcs", "eval_rows"], "finetune")
    if isinstance(settings.get("method"), Method):
        settings["method"] = use(settings["method"])
    if "max_steps" in settings:
        settings.setdefault("num_train_epochs", None)
    values = {name: as_kind(value, kinds[name]) for name, value in settings.items() if name in known}
    return replace(OWN, **values, dataset_name="rows", dataset_test_name="eval_rows")


def rows_from(given: Any, name: str, config: Config) -> list[Row]:
    """The rows of a user's table. Raises `ValueError` on another kind of thing, and where a row can't be read."""
    wrong = f"{name} must be a list of dictionaries or a datasets.Dataset, got {type(given).__name__}"
    if hasattr(given, "to_dict") and hasattr(given, "iloc"):
        raise ValueError(f"{wrong}: {name}.to_dict('records') is one")
    if isinstance(given, Mapping):
        raise ValueError(f"{wrong}; of several splits, name one: {name}[{next(iter(given), 'train')!r}]")
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ValueError(f"{wrong}; grao_ref.data.load.load_rows reads a file")
    table = list(given)
    if table and all(isinstance(entry, Row) for entry in table):
        return table
    for number, entry in enumerate(table, start=1):
        if not isinstance(entry, Mapping):
            raise ValueError(f"row {number} of {name} must be a dictionary, got {type(entry).__name__}")
    return rows_of([dict(entry) for entry in table], name, column=config.column)
