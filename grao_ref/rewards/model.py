"""Reward models: a sequence classifier with one label, and a linear head on a frozen language model's features."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from grao_ref.policies.load import NoTokenizerError, embedding_rows, load_language_model, load_tokenizer
from grao_ref.policies.products import use_faster_products
from grao_ref.rewards.features import answer_features, require_features
from grao_ref.text.encoding import Encoder, context_of
from grao_ref.text.messages import Completion, Prompt, answer_text
from grao_ref.text.padding import padded

WEIGHTS, DESCRIPTION = "head.safetensors", "head.json"


@dataclass(frozen=True)
class Head:
    """r = w · f + b on the mean-pooled features of the language model that `about` names."""

    weight: Float[Tensor, "H"]
    bias: float
    about: dict[str, Any]  # `model_name_or_path`, and what its training measured

    def save(self, folder: Path) -> None:
        """Write the two files; the folder is made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        bias = torch.tensor([self.bias], dtype=torch.float32)
        save_file({"weight": self.weight.float().contiguous(), "bias": bias}, folder / WEIGHTS)
        (folder / DESCRIPTION).write_text(json.dumps(self.about, indent=2, ensure_ascii=False) + "\n")


def load_head(folder: Path) -> Head:
    """The head in a folder. Raises `ValueError` where a file is missing or can't be read."""
    try:
        about = json.loads((folder / DESCRIPTION).read_text())
        tensors = load_file(folder / WEIGHTS)
        head = Head(tensors["weight"], float(tensors["bias"]), about)
        if not isinstance(about["model_name_or_path"], str) or head.weight.dim() != 1:
            raise ValueError("model_name_or_path has to be text and the weight a vector")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ValueError(f"{str(folder)!r} holds no reward head that can be read: {_reason(error)}") from None
    return head


class HeadReward:
    """A trained head's score of each answer; one without a token, or too long for the model, gets None.

    `folder`: what `python -m grao_ref.reward_head` wrote. Raises `ValueError` on a head that can't be read or that
    belongs to another model.
    """

    def __init__(self, folder: str | Path, *, device: torch.device, batch_size: int = 16) -> None:
        head = load_head(Path(folder))
        self.model, tokenizer = load_language_model(head.about["model_name_or_path"], device=device)
        self.encoder = Encoder(tokenizer, rows=embedding_rows(self.model))
        size = self.model.config.get_text_config().hidden_size
        if head.weight.shape != (size,):
            raise ValueError(
                f"the head in {str(folder)!r} has {len(head.weight)} weights, and its model "
                f"{head.about['model_name_or_path']!r} has features of size {size}"
            )
        require_features(self.model)
        self.head, self.batch_size = head, batch_size
        self.__name__ = Path(folder).resolve().name

    def __call__(
        self, prompts: Sequence[Prompt], completions: Sequence[Completion], **columns: Any
    ) -> list[float | None]:
        """r of each completion."""
        opened = self.encoder.opened(prompts)
        answers = self.encoder.answer_ids(opened, [answer_text(c) for c in completions], closed=False)
        pairs = list(zip(opened.ids, answers, strict=True))
        limit = context_of(self.model, self.encoder.tokenizer)
        rows = [row for row, (prompt, answer) in enumerate(pairs) if answer and len(prompt) + len(answer) <= limit]
        features = answer_features(self.model, [pairs[row] for row in rows], batch_size=self.batch_size)
        scores = features @ self.head.weight + self.head.bias
        return _in_place(rows, scores, len(pairs))


class ModelReward:
    """The one logit of an `AutoModelForSequenceClassification`; a text too long for the model gets None.

    `name`: a folder or a hub id. Raises `ValueError` on a model that can't be loaded, has another number of labels
    than one, or whose reward head was never trained.
    """

    def __init__(self, name: str, *, device: torch.device, batch_size: int = 16) -> None:
        tokenizer, self.model = _load_classifier(name)
        self.model = self.model.to(device).eval()  # type: ignore[arg-type]
        self.encoder = Encoder(tokenizer, rows=embedding_rows(self.model))
        self.batch_size = batch_size
        self.__name__ = Path(name).name

    @torch.no_grad()
    def __call__(
        self, prompts: Sequence[Prompt], completions: Sequence[Completion], **columns: Any
    ) -> list[float | None]:
        """The logit of each prompt with its completion, rendered by the chat template where it is conversational."""
        texts = self.encoder.conversation_ids(prompts, [answer_text(c) for c in completions])
        limit = context_of(self.model, self.encoder.tokenizer)
        rows = sorted((row for row, ids in enumerate(texts) if 0 < len(ids) <= limit), key=lambda row: len(texts[row]))
        scores = torch.empty(len(rows))
        for start in range(0, len(rows), self.batch_size):
            batch = [texts[row] for row in rows[start : start + self.batch_size]]
            scores[start : start + self.batch_size] = self._logits(batch).float().cpu()
        return _in_place(rows, scores, len(texts))

    def _logits(self, batch: list[list[int]]) -> Float[Tensor, "B"]:
        """The classifier finds a text's last token by the pad id of its config, so padding is done with that id.

        A config without one gets, for this batch, an id that none of its texts contains.
        """
        config = self.model.config.get_text_config()
        own = config.pad_token_id
        padding = own if own is not None else _absent({token for ids in batch for token in ids})
        tokens = padded(batch, value=padding, device=self.model.device)
        config.pad_token_id = padding
        try:
            logits: Tensor = self.model(input_ids=tokens.ids, attention_mask=tokens.mask.long()).logits[:, 0]
        finally:
            config.pad_token_id = own
        return logits


def _load_classifier(name: str) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    try:
        tokenizer = load_tokenizer(name)
        model, report = AutoModelForSequenceClassification.from_pretrained(
            name, dtype=torch.float32, output_loading_info=True
        )
    except NoTokenizerError:
        raise
    except Exception as error:  # whatever a model's class or its files may cause
        raise ValueError(f"no reward model could be loaded from {name!r} ({_reason(error)})") from None
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"]))
        raise ValueError(f"{name!r} is no trained reward model: its files have no {missing}")
    if model.config.num_labels != 1:
        raise ValueError(f"a reward model has one label, {name!r} has {model.config.num_labels}")
    use_faster_products(model)
    return tokenizer, model


def _absent(present: set[int]) -> int:
    return next(token for token in range(len(present) + 1) if token not in present)


def _in_place(rows: Sequence[int], scores: Tensor, count: int) -> list[float | None]:
    """The scores at their rows, None everywhere else."""
    result: list[float | None] = [None] * count
    for row, score in zip(rows, scores.tolist(), strict=True):
        result[row] = score
    return result


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"no {error}" if isinstance(error, KeyError) else lines[0]
