"""Where a prompt ends and its answer begins: every split of a text has tokens that give the text back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.text.seam import blank_keeper, leading_ids, tail_ids, tokens
from tests.cases import byte_tokenizer, piece_tokenizer
from tests.rewards.tiny import tokenizer as word_tokenizer

READERS = {
    "bytes": byte_tokenizer(None),
    "pieces": piece_tokenizer(None),
    "pieces, always": piece_tokenizer(None, scheme="always"),
    "pieces, normalized": piece_tokenizer(None, scheme=None),
}
texts = st.text("ab City\n.é中", max_size=12)


def ids_of(reader, text):
    return tokens(reader, [text])[0]


@pytest.mark.parametrize("kind", READERS)
@given(start=texts.filter(str.strip), tail=texts)
def test_start_and_tail_read_as_the_whole_wherever_it_is_split(kind, start, tail):
    reader = READERS[kind]
    (found,) = tail_ids(reader, [(start, ids_of(reader, start))], [tail], ["row 1"])
    assert reader.decode([*ids_of(reader, start), *found]) == reader.decode(ids_of(reader, start + tail))


@pytest.mark.parametrize("kind", READERS)
def test_control_one_after_the_other_reads_otherwise_for_pieces_only(kind):
    reader = READERS[kind]
    apart = reader.decode(ids_of(reader, "a:") + ids_of(reader, "City"))
    assert (apart == "a:City") == (kind == "bytes")


@pytest.mark.parametrize("kind", READERS)
def test_many_at_once_are_as_each_alone(kind):
    reader = READERS[kind]
    starts = [(text, ids_of(reader, text)) for text in ("a", "a b ", "City is it. " * 40, "x:" * 100)]
    tails = [" City", "City", "City", " b"]
    names = [f"row {n}" for n in range(4)]
    alone = [tail_ids(reader, [start], [tail], ["r"])[0] for start, tail in zip(starts, tails, strict=True)]
    assert tail_ids(reader, starts, tails, names) == alone
    assert tail_ids(reader, [], [], []) == []


class Counted:
    """Counts the characters that it is given."""

    name_or_path, bos_token_id = "counted", None

    def __init__(self):
        self.characters, self.inner = 0, byte_tokenizer(None)

    def __call__(self, texts, add_special_tokens):
        self.characters += sum(map(len, texts))
        return self.inner(texts, add_special_tokens=add_special_tokens)


def test_a_long_prompt_is_not_read_again_with_each_answer():
    reader, prompt = Counted(), "City is it. " * 500
    start = (prompt, ids_of(reader, prompt))
    before = reader.characters
    tail_ids(reader, [start] * 10, [" City"] * 10, ["row"] * 10)
    assert reader.characters - before < 10 * 300 < len(prompt)


class Words:
    """Three words, each a token; no other text has tokens."""

    name_or_path, bos_token_id = "words", None
    words = ("a", "ab", "b")

    def __init__(self, known=3):
        self.known = self.words[:known]

    def __call__(self, texts, add_special_tokens):
        return {"input_ids": [[self.known.index(text)] for text in texts]}

    def decode(self, ids, **options):
        return "".join(self.known[token] for token in ids)


def test_a_tail_without_tokens_is_refused_with_its_row_and_both_texts():
    with pytest.raises(
        ValueError, match=r"^row 4: the tokenizer of 'words' has no tokens for 'b' behind 'a' that give"
    ):
        tail_ids(Words(known=2), [("a", [0])], ["b"], ["row 4"])
    assert tail_ids(Words(), [("a", [0])], ["b"], ["row 4"]) == [[2]]  # control


def test_the_text_that_the_tokenizer_refuses_is_named_whatever_it_raises():
    for error in (TypeError("no\ntext"), Exception("unknown"), RuntimeError()):

        class Raising(Words):
            def __call__(self, texts, add_special_tokens, error=error):
                if "bad" in texts:
                    raise error
                return {"input_ids": [[0] for _ in texts]}

        with pytest.raises(ValueError, match=r"^third: the tokenizer of 'words' can't encode a text \(\w+: ") as caught:
            tokens(Raising(), ["a", "a", "bad", "a"], ["first", "second", "third", "fourth"])
        assert "\n" not in str(caught.value)


def test_what_the_tokenizer_puts_in_front_is_found_around_the_text_s_own_tokens():
    for around, expected in (("$A", []), ("<bos> $A <eos>", ["<bos>"]), ("<stop> <bos> $A", ["<stop>", "<bos>"])):
        for reader in (byte_tokenizer(None, around=around), piece_tokenizer(None, around=around)):
            assert reader.convert_ids_to_tokens(leading_ids(reader, "ab", ids_of(reader, "ab"))) == expected


def test_a_blank_is_kept_behind_another_token_where_the_decoder_takes_it_away():
    assert {kind: bool(blank_keeper(reader)) for kind, reader in READERS.items()} == {
        "bytes": False,
        "pieces": True,
        "pieces, always": True,
        "pieces, normalized": True,
    }
    assert blank_keeper(word_tokenizer()) == []  # it would put a blank of its own there
    assert blank_keeper(Words()) == []
