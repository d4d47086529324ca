"""What a user should know about how texts become tokens: lines for the log of a run."""

from collections.abc import Iterable

from grao_ref.text.encoding import Encoder
from grao_ref.text.special import lost_tokens


def remarks(encoder: Encoder, references: Iterable[str | None]) -> tuple[str, ...]:
    """What a user should know about how the template and the tokenizer treat these references."""
    found = []
    if not encoder.ends_with_special:
        found.append(
            "Note: the chat template ends a turn without a special token, so answers end with the tokenizer's "
            f"end-of-sequence token, {encoder.tokenizer.eos_token}."
        )
    if encoder.rewritten:
        found.append(
            f"Note: the chat template does not write {len(encoder.rewritten)} answers as they are in the data (the "
            f"first: {min(encoder.rewritten, key=len)}); what it writes is what is trained on."
        )
    count, lost = lost_tokens(encoder.tokenizer, references)
    if count and encoder.skip_special_tokens:
        found.append(
            f"Note: {count} references hold special tokens ({', '.join(lost[:4])}), which are cut out of sampled "
            "answers before a reward sees them; --no-skip-special-tokens leaves them in."
        )
    return tuple(found)
