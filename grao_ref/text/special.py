"""A tokenizer's special tokens: which there are, which comes first in a text, which vanish when tokens are decoded."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

Tokenizer = Any  # a Hugging Face tokenizer, or what can be called like one


def added_tokens(tokenizer: Tokenizer) -> tuple[dict[str, int], dict[str, int]]:
    """(special tokens, other tokens that were added to the vocabulary), each text -> id.

    The unknown token is no special one here: it stands for a text, and never for the end of one.
    """
    special: dict[str, int] = {}
    added: dict[str, int] = {}
    for id_, token in getattr(tokenizer, "added_tokens_decoder", {}).items():
        (special if token.special else added)[str(token.content)] = id_
    if tokenizer.eos_token_id is not None:
        special[str(tokenizer.eos_token)] = tokenizer.eos_token_id
    if tokenizer.unk_token != tokenizer.eos_token:
        special.pop(str(tokenizer.unk_token), None)
    return special, added


def first_special(tokenizer: Tokenizer, text: str) -> tuple[str, str | None, int | None]:
    """(the text in front of its first special token, that token, its id); ("", None, None) where it has none.

    Tokens that were added and are not special (an end of turn that nobody marked as one) come second. Blanks with a
    token of their own end nothing.
    """
    special, added = added_tokens(tokenizer)
    for known in (special, {token: id_ for token, id_ in added.items() if token.strip()}):
        places = [(text.find(token), -len(token), token) for token in known if token and token in text]
        if places:
            place, _, token = min(places)
            return text[:place], token, known[token]
    return "", None, None


def lost_tokens(tokenizer: Tokenizer, texts: Iterable[str | None]) -> tuple[int, list[str]]:
    """How many texts hold special tokens, which decoding without special tokens would take away, and which these are.

    Tokens at the very end of a text are not counted: an answer's own end is no loss.
    """
    pattern = _pattern(tokenizer)
    if pattern is None:
        return 0, []
    count, found = 0, set()
    for text in texts:
        inside = {match[0] for match in pattern.finditer(text or "") if match.end() < len((text or "").rstrip())}
        count += bool(inside)
        found |= inside
    return count, sorted(found)


def without_special(tokenizer: Tokenizer, text: str) -> str:
    """The text without its special tokens, as decoding without special tokens leaves it."""
    pattern = _pattern(tokenizer)
    return text if pattern is None else pattern.sub("", text)


def _pattern(tokenizer: Tokenizer) -> re.Pattern[str] | None:
    """Finds every special token in a text, the longest first; None where there is none."""
    special = sorted(added_tokens(tokenizer)[0], key=len, reverse=True)
    return re.compile("|".join(map(re.escape, special))) if special else None


def require_embeddings(tokenizer: Tokenizer, sequences: Sequence[list[int]], names: Sequence[str], rows: int) -> None:
    """Raise `ValueError` with the name of the first sequence that has an id outside a model's `rows` of embeddings."""
    for ids, name in zip(sequences, names, strict=True):
        if ids and max(ids) >= rows:
            token = tokenizer.convert_ids_to_tokens(max(ids))
            raise ValueError(
                f"{name}: the token {token!r} has the id {max(ids)}, and the model has {rows} embeddings: its "
                "tokenizer has tokens that the model was never given (resize_token_embeddings makes room for them)"
            )


def called(tokenizer: Tokenizer) -> str:
    """The tokenizer, by the name of its model where it has one."""
    return f"the tokenizer of {tokenizer.name_or_path!r}" if tokenizer.name_or_path else "the tokenizer"


def reason(error: Exception) -> str:
    """The kind of an exception and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
