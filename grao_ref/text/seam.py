"""The tokens of a text behind another text whose tokens are given: where a prompt ends and its answer begins.

A tokenizer reads the two together otherwise than one after the other: it merges letters across the seam, and
SentencePiece puts a blank in front of a text. A model samples behind the prompt's own tokens, so these stay as they
are, and the answer gets tokens that give exactly its text in that place.
"""

import unicodedata
from collections.abc import Sequence

from grao_ref.text.special import Tokenizer, called, reason

Ids = list[int]
WINDOW = 120  # characters of a prompt that are read again with each of its answers; tokenizers are local
ANCHORS = ("\n", ".", ":", "a", "1", ")", "x ")  # texts whose tokens stay apart from what follows, for one or the other


def tokens(
    tokenizer: Tokenizer, texts: Sequence[str], names: Sequence[str] = (), *, special: bool = False
) -> list[Ids]:
    """Tokens of each text; `special`: with the special tokens that the tokenizer adds.

    Raises `ValueError` with the name of the first text that the tokenizer refuses, whatever it raises.
    """
    if not texts:  # tokenizers refuse an empty list
        return []
    try:
        ids: list[Ids] = tokenizer(list(texts), add_special_tokens=special)["input_ids"]
    except Exception as error:  # a bare Exception where there is no unknown token, a TypeError on broken text
        if len(texts) > 1:
            return [
                tokens(tokenizer, [text], [name], special=special)[0] for text, name in zip(texts, names, strict=True)
            ]
        name = f"{names[0]}: " if names else ""
        raise ValueError(f"{name}{called(tokenizer)} can't encode a text ({reason(error)})") from None
    return ids


def tail_ids(
    tokenizer: Tokenizer, starts: Sequence[tuple[str, Ids]], tails: Sequence[str], names: Sequence[str]
) -> list[Ids]:
    """Tokens of each tail behind its start, a text with its tokens.

    They are those of the whole text where it begins with the start's tokens. Otherwise they are the tail's own, or its
    own behind another text, if decoding start and tail gives what decoding the whole gives. A tokenizer whose tokens
    don't give a text back anyway, such as one of whole words, has the tail's own. Raises `ValueError` with the name of
    the first tail for which there are none.
    """
    cut = _windows(tokenizer, starts)
    wholes = tokens(tokenizer, [text + tail for (text, _), tail in zip(cut, tails, strict=True)], names)
    found: dict[int, Ids] = {
        row: whole[len(ids) :]
        for row, ((_, ids), whole) in enumerate(zip(cut, wholes, strict=True))
        if whole[: len(ids)] == ids
    }
    own: dict[int, Ids | None] = {}
    for anchor in ("", *ANCHORS):
        left = [row for row in range(len(tails)) if row not in found]
        tried = dict(zip(left, _behind(tokenizer, anchor, [tails[row] for row in left]), strict=True))
        own = own or tried
        for row, ids in tried.items():
            if ids is not None and _reads(tokenizer, [*cut[row][1], *ids]) == _reads(tokenizer, wholes[row]):
                found[row] = ids
    for row in [row for row in own if row not in found]:
        ids, text = own[row], unicodedata.normalize("NFC", cut[row][0] + tails[row])
        if ids is None or _reads(tokenizer, wholes[row]).lstrip(" ") == text.lstrip(" "):
            raise ValueError(
                f"{names[row]}: {called(tokenizer)} has no tokens for {tails[row][:20]!r} behind "
                f"{starts[row][0][-20:]!r} that give this text again; end the prompt in another place"
            )
        found[row] = ids
    return [found[row] for row in range(len(tails))]


def leading_ids(tokenizer: Tokenizer, text: str, ids: Ids) -> Ids:
    """The special tokens that the tokenizer puts in front of a text. `ids`: the text's own tokens."""
    whole = tokens(tokenizer, [text], special=True)[0]
    places = [place for place in range(len(whole)) if whole[place : place + len(ids)] == ids]
    if places:
        return whole[: places[0]]
    return whole[:1] if whole[:1] == [tokenizer.bos_token_id] else []


def blank_keeper(tokenizer: Tokenizer) -> Ids:
    """The tokens of "a", if tokens have to be decoded behind others to keep a blank at their start, else nothing.

    SentencePiece's decoders take one blank away where a text begins. Tokenizers that put blanks between all their
    tokens get no anchor: they would add one.
    """
    try:
        start, spaced, joined = tokens(tokenizer, ["a", "a b", "a.b"])
    except ValueError:  # a vocabulary without these letters
        return []
    for ids, text in ((spaced, "a b"), (joined, "a.b")):
        if ids[: len(start)] != start or tokenizer.decode(ids, skip_special_tokens=True) != text:
            return []
    return start if tokenizer.decode(spaced[len(start) :], skip_special_tokens=True) == "b" else []


def _windows(tokenizer: Tokenizer, starts: Sequence[tuple[str, Ids]]) -> list[tuple[str, Ids]]:
    """The ends of long starts, from a blank on, wherever their tokens are the last ones of the start; else the starts.

    So a long prompt is not read as a whole once for each of its answers.
    """
    places = [max(text.rfind(" ", 0, max(len(text) - WINDOW, 0)), 0) for text, _ in starts]
    long = [row for row, place in enumerate(places) if place > WINDOW]
    result = list(starts)
    ends = [starts[row][0][places[row] :] for row in long]
    for row, text, ids in zip(long, ends, tokens(tokenizer, ends, [""] * len(ends)), strict=True):
        if ids and starts[row][1][-len(ids) :] == ids:
            result[row] = text, ids
    return result


def _behind(tokenizer: Tokenizer, anchor: str, texts: Sequence[str]) -> list[Ids | None]:
    """Tokens of each text behind the anchor, without the anchor's; None where they are not apart."""
    try:
        start = tokens(tokenizer, [anchor])[0] if anchor and texts else []
        wholes = tokens(tokenizer, [anchor + text for text in texts])
    except ValueError:  # the anchor has no tokens here
        return [None] * len(texts)
    return [whole[len(start) :] if whole[: len(start)] == start else None for whole in wholes]


def _reads(tokenizer: Tokenizer, ids: Ids) -> str:
    """What tokens read, letters composed: a normalizer may have composed two across the seam."""
    text = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return unicodedata.normalize("NFC", text)
