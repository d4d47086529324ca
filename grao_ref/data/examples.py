"""Rows with their tokens, and the selection of those that are short enough."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grao_ref.data.parts import WHOLE
from grao_ref.data.rows import Row
from grao_ref.text.encoding import Encoder
from grao_ref.text.whole import whole_text_ids


@dataclass(frozen=True)
class Example:
    """A row and its tokens."""

    row: Row
    prompt: list[int]  # up to the point where the answer begins
    reference: list[int]  # no token in a row that is a prompt alone
    rejected: list[int] | None


@dataclass(frozen=True)
class Limits:
    """The most tokens of a prompt (chat template included), of an answer, and of the two together; None is no limit."""

    prompt: int | None = None
    completion: int | None = None
    together: int | None = None


def encode(rows: Sequence[Row], encoder: Encoder, *, closed: bool) -> list[Example]:
    """Every row with its tokens, in order. `closed`: answers end with the token that ends their turn.

    A row that is one whole text has its first token as prompt (`whole_text_ids`). A system prompt of the encoder's is
    in the examples' rows too, so that rewards see what the policy sees. Raises `ValueError` that names the row where
    `Encoder.answer_ids` or `whole_text_ids` does.
    """
    texts = [row for row in rows if row.prompt == WHOLE]
    ids = whole_text_ids(encoder, [row.reference or "" for row in texts], [row.number for row in texts], closed=closed)
    whole = iter([Example(row, prompt, answer, None) for row, (prompt, answer) in zip(texts, ids, strict=True)])
    asked = iter(_asked([row for row in rows if row.prompt != WHOLE], encoder, closed=closed))
    return [next(whole if row.prompt == WHOLE else asked) for row in rows]


def _asked(rows: Sequence[Row], encoder: Encoder, *, closed: bool) -> list[Example]:
    """Rows that have a prompt, with their tokens."""
    opened = encoder.opened([row.prompt for row in rows], [row.number for row in rows])
    references = encoder.answer_ids(opened, [row.reference for row in rows], closed=closed)
    rejected = encoder.answer_ids(opened, [row.rejected for row in rows], closed=closed)
    return [
        Example(
            row if asked is row.prompt else replace(row, prompt=asked),
            prompt,
            reference,
            None if row.rejected is None else other,
        )
        for row, asked, prompt, reference, other in zip(
            rows, opened.prompts, opened.ids, references, rejected, strict=True
        )
    ]


def select(
    examples: Sequence[Example], limits: Limits, *, distinct: bool = False
) -> tuple[list[Example], dict[str, int]]:
    """The examples that can be used, in order, and how many there are of each kind: left out by reason, and `used`.

    An example is left out where an answer has no token or where its prompt or longer answer exceeds a limit.
    `distinct`: also where both answers have the same tokens.
    """
    counts = dict.fromkeys(["same answer twice", "an answer without a token", "too long", "used"], 0)
    kinds = [_kind(example, limits, distinct) for example in examples]
    for kind in kinds:
        counts[kind] += 1
    return [example for example, kind in zip(examples, kinds, strict=True) if kind == "used"], counts


def training_examples(
    rows: Sequence[Row], encoder: Encoder, limits: Limits, *, context: int | None
) -> tuple[list[Example], dict[str, int]]:
    """The rows that a policy can be trained on, with closed answers, and the counts of `select`.

    `limits.completion` is also the longest answer that is sampled, and is needed. `context`: the most tokens the model
    takes. Raises `ValueError` where `encode` does, on a selected prompt that leaves no room in the context for the
    longest answer, and where no row is selected.
    """
    if limits.completion is None:
        raise ValueError("training needs a limit for the length of an answer, got None")
    examples, counts = select(encode(rows, encoder, closed=True), limits)
    for place, example in enumerate(examples, start=1):
        if context is not None and len(example.prompt) + limits.completion > context:
            number = example.row.number or place
            raise ValueError(
                f"the prompt of row {number} has {len(example.prompt)} tokens, which with max_completion_length "
                f"{limits.completion} exceeds the model's context of {context}; max_prompt_length drops such rows"
            )
    if not examples:
        raise ValueError(
            f"none of {len(rows)} rows fits: max_prompt_length is {limits.prompt} and max_completion_length "
            f"{limits.completion} tokens"
        )
    return examples, counts


def _kind(example: Example, limits: Limits, distinct: bool) -> str:
    given = ((example.reference, example.row.reference), (example.rejected, example.row.rejected))
    prompt, answers = len(example.prompt), [ids or [] for ids, text in given if text is not None]
    longest = max(map(len, answers), default=0)
    lengths = ((prompt, limits.prompt), (longest, limits.completion), (prompt + longest, limits.together))
    if distinct and example.reference == example.rejected:
        return "same answer twice"
    if not all(answers):
        return "an answer without a token"
    if any(limit is not None and length > limit for length, limit in lengths):
        return "too long"
    return "used"
