"""Whole texts, which are trained on without a prompt."""

from collections.abc import Sequence

from grao_ref.text.encoding import Encoder
from grao_ref.text.opened import names_of
from grao_ref.text.seam import Ids, tokens


def whole_text_ids(
    encoder: Encoder, texts: Sequence[str], numbers: Sequence[int] | None = None, *, closed: bool = True
) -> list[tuple[Ids, Ids]]:
    """(prompt, answer) of each text: its first token, which no model predicts, and all others.

    The tokens are those of the text with the special tokens that the tokenizer puts in front of it, so the prompt is
    the beginning-of-sequence token where there is one and the text's own first token elsewhere. These are the tokens
    that TRL's SFT trains on. `closed`: the answer ends with one end-of-sequence token, whether or not the text or the
    tokenizer wrote it. `numbers`: of the rows in the file, for messages. Raises `ValueError` that names the row where
    the tokenizer refuses a text, on an id that the model has no embedding for, on a system prompt, which has no place
    in a text, and on `closed` where there is no end-of-sequence token.
    """
    names, end = names_of(texts, numbers), encoder.tokenizer.eos_token_id
    if texts and encoder.system is not None:
        raise ValueError(f"{names[0]}: system_prompt is put before conversations, and this row is a whole text")
    if texts and closed and end is None:
        raise ValueError("the tokenizer has no end-of-sequence token, so the end of a text can't be learned")
    result = []
    for ids in encoder.within(tokens(encoder.tokenizer, texts, names, special=True), names):
        kept = len(ids)
        while kept and ids[kept - 1] == end:
            kept -= 1
        written = [*ids[:kept], *([end] if closed else [])]
        result.append((written[:1], written[1:]))
    return result
