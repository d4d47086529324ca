"""Tokens of prompts and answers, by hand: no special token twice, none forgotten; lists give what single texts give."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.policies.embedded import tiny_tokenizer
from grao_ref.text.encoding import Encoder, context_of
from grao_ref.text.remarks import remarks
from tests import cases
from tests.cases import byte_tokenizer, piece_tokenizer
from tests.rewards.tiny import WORDS, tokenizer

TALK = [{"role": "user", "content": "hello a"}]
ASK = [{"role": "user", "content": "Name one."}]
BEGUN = [*ASK, {"role": "assistant", "content": "My choice is"}]


def words(ids):
    return " ".join(WORDS[token] for token in ids)


def pair(prompt, answer, *, closed=False):
    encoder = Encoder(tokenizer())
    (question,), (said,) = encoder.prompt_ids([prompt]), encoder.answer_ids([prompt], [answer], closed=closed)
    return words(question), words(said)


def test_control_the_tokenizer_would_add_its_special_token_again():
    assert words(tokenizer()("<s> hello")["input_ids"]) == "<s> <s> hello"


def test_a_conversation_has_each_special_token_once():
    assert pair(TALK, "b c") == ("<s> user : hello a </s> <s> assistant :", "b c")
    assert pair(TALK, "b c", closed=True)[1] == "b c </s>"
    (whole,) = Encoder(tokenizer()).conversation_ids([TALK], ["b c"])
    assert words(whole) == "<s> user : hello a </s> <s> assistant : b c </s>"


def test_a_text_gets_the_tokenizer_s_own_special_tokens_once():
    assert pair("hello a", "b c") == ("<s> hello a", "b c")
    assert words(Encoder(tokenizer()).conversation_ids(["hello a "], ["b c"])[0]) == "<s> hello a b c"


def test_a_closed_answer_ends_with_the_end_of_sequence_token_once():
    assert pair("hello a ", "b c", closed=True) == ("<s> hello a", "b c </s>")
    assert pair("hello a ", "b c </s>", closed=True) == ("<s> hello a", "b c </s>")  # in the data it stands already
    encoder = Encoder(tokenizer())
    assert encoder.answer_ids(["hello"], [""], closed=True) == [[1]]
    assert encoder.answer_ids(["hello"], [""], closed=False) == [[]]
    assert encoder.answer_ids(["hello"], [None], closed=True) == [[]]


def test_a_tokenizer_of_whole_words_reads_prompt_and_answer_apart():
    """Its tokens give no text back, with or without a blank between the two."""
    assert pair("hello", "b c", closed=True) == ("<s> hello", "b c </s>")


prompts = st.one_of(
    st.sampled_from(["hello ", "hello a b ", "yes "]),
    st.sampled_from(["a", "b c"]).map(lambda text: [{"role": "user", "content": text}]),
)


@given(st.lists(st.tuples(prompts, st.sampled_from(["", "yes", "no a b"])), max_size=6))
def test_lists_in_which_texts_and_conversations_are_mixed_keep_their_order(pairs):
    encoder = Encoder(tokenizer())
    asked, answers = [prompt for prompt, _ in pairs], [answer for _, answer in pairs]
    assert encoder.prompt_ids(asked) == [encoder.prompt_ids([prompt])[0] for prompt in asked]
    alone = [encoder.conversation_ids([prompt], [answer])[0] for prompt, answer in pairs]
    assert encoder.conversation_ids(asked, answers) == alone
    for closed in (False, True):
        alone = [encoder.answer_ids([prompt], [answer], closed=closed)[0] for prompt, answer in pairs]
        assert encoder.answer_ids(asked, answers, closed=closed) == alone


def test_a_prompt_s_tokens_are_those_of_the_chat_template_itself():
    reader = tokenizer()
    whole = reader.apply_chat_template(TALK, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert Encoder(reader).prompt_ids([TALK]) == [whole]


MAKERS = {
    "bytes": byte_tokenizer,
    "pieces, first": piece_tokenizer,
    "pieces, always": lambda template: piece_tokenizer(template, scheme="always"),
    "pieces, normalized": lambda template: piece_tokenizer(template, scheme=None),
}
TEMPLATES = ["TURNS", "THINKING", "HEADERS", "ALTERNATING", "INST", "TWO_ENDS", "PLAIN"]
ENDS = {"INST": "<eos>", "PLAIN": "<eos>"}  # the others': <stop>


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("prompt", [ASK, BEGUN], ids=["asked", "begun"])
def test_prompt_and_answer_read_as_the_template_writes_them_up_to_the_end_of_the_turn(maker, name, prompt):
    reader = MAKERS[maker](getattr(cases, name))
    encoder, answer, end = Encoder(reader), " City 1" if prompt is BEGUN else "City 1", ENDS.get(name, "<stop>")
    (question,), (said,) = encoder.prompt_ids([prompt]), encoder.answer_ids([prompt], [answer])
    whole = encoder.template.whole(prompt, answer)
    written = whole[: whole.rindex("City 1")] + "City 1" + end
    plainly = reader(written, add_special_tokens=False)["input_ids"]
    assert reader.decode([*question, *said]) == reader.decode(plainly)
    assert reader.decode(question) == reader.decode(encoder.prompt_ids([prompt])[0])
    assert reader.convert_ids_to_tokens(said[-1]) == end
    assert said.count(said[-1]) == 1
    assert said[-1] in encoder.end_ids
    assert reader.eos_token_id in encoder.end_ids
    assert encoder.text(said, prompt) == answer
    (open_answer,) = encoder.answer_ids([prompt], [answer], closed=False)
    assert open_answer == said[:-1]


@pytest.mark.parametrize("maker", MAKERS)
def test_the_blank_in_front_of_a_text_is_neither_lost_nor_doubled_at_the_seam(maker):
    reader = MAKERS[maker](None)
    encoder = Encoder(reader)
    for prompt, answer in (("a b", " City"), ("a b", "City"), ("a b ", "City"), ("a b:", "is"), ("a b  ", " City")):
        (question,), (said,) = encoder.prompt_ids([prompt]), encoder.answer_ids([prompt], [answer], closed=False)
        assert reader.decode([*question, *said]) == prompt + answer
        assert encoder.text(said) == answer
        assert question == reader(prompt, add_special_tokens=False)["input_ids"]


def test_control_tokens_of_the_answer_alone_would_have_another_blank():
    reader = piece_tokenizer(None)
    alone = reader("City", add_special_tokens=False)["input_ids"]
    assert reader.decode(reader("a b:", add_special_tokens=False)["input_ids"] + alone) == "a b: City"
    assert Encoder(reader).answer_ids(["a b:"], ["City"], closed=False)[0] != alone


@pytest.mark.parametrize("around", ["$A <eos>", "<bos> $A", "<bos> $A <eos>", "<begin> <bos> $A <eos> <stop>", "$A"])
@pytest.mark.parametrize("make", [byte_tokenizer, piece_tokenizer])
def test_a_text_prompt_keeps_what_the_tokenizer_adds_at_its_start_and_nothing_at_its_end(make, around):
    reader = make(None, around=around)
    plain = make(None)("ab ab", add_special_tokens=False)["input_ids"]
    start = reader.convert_tokens_to_ids(around.split("$A")[0].split())
    encoder = Encoder(reader)
    assert encoder.prompt_ids(["ab ab", "ab ab"]) == [start + plain] * 2
    (said,) = encoder.answer_ids(["ab ab"], [" City"])
    assert said.count(reader.eos_token_id) == 1
    added = reader("ab ab")["input_ids"]
    assert added == start + plain + added[len(start) + len(plain) :]  # control
    assert (added[-1] == reader.eos_token_id) == around.endswith("<eos>")


def test_a_long_prompt_gives_the_tokens_that_it_gives_as_a_whole():
    for make in (byte_tokenizer, piece_tokenizer):
        reader = make(cases.TURNS)
        encoder = Encoder(reader)
        for prompt in ("ab City is it. " * 60 + "x:", [{"role": "user", "content": "ab City is it. " * 60}]):
            (question,), (said,) = encoder.prompt_ids([prompt]), encoder.answer_ids([prompt], [" City"], closed=False)
            text = prompt if isinstance(prompt, str) else encoder.template.opened(prompt)
            assert [*question, *said] == reader(text + " City", add_special_tokens=False)["input_ids"]


def test_what_the_template_writes_around_an_answer_is_no_part_of_its_text():
    encoder = Encoder(byte_tokenizer(cases.THINKING))
    (said,) = encoder.answer_ids([ASK], ["City"])
    assert encoder.text(said, ASK) == "City"
    assert encoder.text(said) == encoder.text(said, "a text") == "<think>\n\n</think>\n\nCity"
    thoughts = encoder.tokenizer("<think>\nWhy.\n</think>\n\nCity", add_special_tokens=False)["input_ids"]
    assert encoder.text(thoughts, ASK) == "<think>\nWhy.\n</think>\n\nCity"  # thoughts of its own stay


def test_an_answer_that_begins_as_the_first_reference_does_is_kept_whole_behind_thoughts_that_the_prompt_opens():
    encoder = Encoder(byte_tokenizer(cases.FORCED))
    first, other = encoder.answer_ids([ASK, ASK], ["<think>\nWhy.</think>City", "<think>\nWhy.</think>City 2"])
    assert encoder.text(first, ASK) == "Why.</think>City"
    assert encoder.text(other, ASK) == "Why.</think>City 2"


def test_special_tokens_are_kept_on_request_but_for_the_end():
    reader = byte_tokenizer(None, extra=("<think>", "</think>"))
    text = "<think>1</think>City"
    (said,) = Encoder(reader).answer_ids(["Q:"], [text])
    assert Encoder(reader).text(said) == "1City"
    assert Encoder(reader, skip_special_tokens=False).text(said) == text
    assert Encoder(reader, skip_special_tokens=False).text(said[:-1]) == text  # cut off before its end


def test_every_end_is_known_before_a_row_is_read():
    reader = byte_tokenizer(cases.TWO_ENDS)
    stop, eos, pad = reader.convert_tokens_to_ids(["<stop>", "<eos>", "<pad>"])
    assert Encoder(reader).end_ids == tuple(sorted((eos, stop)))
    assert Encoder(reader, ends=[pad]).end_ids == tuple(sorted((pad, eos, stop)))
    assert Encoder(byte_tokenizer(None)).end_ids == (eos,)
    assert Encoder(byte_tokenizer(cases.SILENT)).end_ids == (eos,)  # refused when it is used, fine for texts
    assert Encoder(byte_tokenizer(None, eos=None)).end_ids == ()


def test_prompts_alone_end_as_the_template_ends_a_turn_even_where_a_reference_could_not_be_written():
    tokenizer = byte_tokenizer(cases.FORCED)  # its generation prompt begins thoughts that a finished turn does not have
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<eos>", "<stop>")]
    assert Encoder(tokenizer).end_ids == tuple(sorted(ends))
    with pytest.raises(ValueError, match="writes '<think>"):  # control
        Encoder(tokenizer).answer_ids([ASK], ["City"])
    assert Encoder(byte_tokenizer(cases.SILENT)).end_ids == (ends[0],)  # control: nothing is read off such a template


def test_special_tokens_around_an_answer_leave_no_blanks_in_its_text():
    tokenizer = byte_tokenizer(cases.THINKING, extra=("<think>", "</think>"))
    for kept in (False, True):
        encoder = Encoder(tokenizer, skip_special_tokens=not kept)
        (ids,) = encoder.answer_ids([ASK], ["City"])
        assert tokenizer.decode(ids) == "<think>\n\n</think>\n\nCity<stop>"
        assert encoder.text(ids, ASK) == ("<think>\n\n</think>\n\nCity" if kept else "City")


def test_a_conversation_that_is_closed_otherwise_ends_with_its_own_token():
    by_system = cases.TURNS.replace("<stop>", "{{ '<begin>' if messages[0]['role'] == 'system' else '<stop>' }}")
    encoder = Encoder(byte_tokenizer(by_system))
    ends = encoder.answer_ids([ASK, [{"role": "system", "content": "Be brief."}, *ASK], ASK], ["A", "B", "C"])
    names = [encoder.tokenizer.convert_ids_to_tokens(ids[-1]) for ids in ends]
    assert names == ["<stop>", "<begin>", "<stop>"]
    assert {ids[-1] for ids in ends} <= set(encoder.end_ids)


def test_an_end_that_nobody_marked_as_special_is_found_too():
    reader = byte_tokenizer(cases.TURNS.replace("<stop>", "<over>"))
    reader.add_tokens(["<over>", "\n"])
    (said,) = Encoder(reader).answer_ids([ASK], ["City"])
    assert reader.convert_ids_to_tokens(said[-1]) == "<over>"
    assert Encoder(reader).answer_ids([ASK], ["City"])[0][:-1] == said[:-1]
    encoder = Encoder(reader)
    encoder.answer_ids([ASK], ["City"])
    assert encoder.text(said, ASK) == "City"


def test_without_any_special_end_the_tokenizer_s_own_is_used_and_said():
    encoder = Encoder(byte_tokenizer(cases.PLAIN))
    (said,) = encoder.answer_ids([ASK], ["City"])
    assert encoder.tokenizer.decode(said) == " City<eos>"
    assert remarks(encoder, []) == (
        "Note: the chat template ends a turn without a special token, so answers end with the tokenizer's "
        "end-of-sequence token, <eos>.",
    )
    encoder = Encoder(byte_tokenizer(cases.TURNS))
    encoder.answer_ids([ASK], ["City"])
    assert remarks(encoder, []) == ()  # control


def test_special_tokens_in_references_that_rewards_would_not_see_are_said():
    reader = byte_tokenizer(None, extra=("<think>", "</think>"))
    references = ["<think>1</think>1", "2", "3<eos>", None]  # an end of its own is no loss
    (note,) = remarks(Encoder(reader), references)
    assert note.startswith("Note: 1 references hold special tokens (</think>, <think>), which are cut out of sampled")
    assert "--no-skip-special-tokens" in note
    assert remarks(Encoder(reader, skip_special_tokens=False), references) == ()
    assert remarks(Encoder(byte_tokenizer(None)), references) == ()


def test_answers_that_the_template_rewrites_are_said():
    encoder = Encoder(byte_tokenizer(cases.FORGETFUL))
    encoder.answer_ids(encoder.opened([ASK] * 3, [4, 5, 6]), ["A", "<think>b</think>B", "C"])
    (note,) = remarks(encoder, [])
    assert note.startswith(
        "Note: the chat template does not write 1 answers as they are in the data (the first: row 5)"
    )


def test_a_system_prompt_stands_before_conversations_without_one_and_nowhere_else():
    encoder = Encoder(byte_tokenizer(), system="Be brief.")
    own = [{"role": "system", "content": "Be long."}, *ASK]
    opened = encoder.opened([ASK, own])
    assert opened.prompts == [[{"role": "system", "content": "Be brief."}, *ASK], own]
    assert [text.startswith(f"[system] Be {word}.") for text, word in zip(opened.texts, ("brief", "long"), strict=True)]
    with pytest.raises(
        ValueError, match=r"^row 2: system_prompt is put before conversations, and this prompt is text$"
    ):
        encoder.opened([ASK, "text"])


@pytest.mark.parametrize("template", [None, ""])
def test_a_conversation_without_a_template_is_refused_with_its_row(template):
    bare = tokenizer()
    bare.chat_template = template
    encoder = Encoder(bare)
    for encode in (
        lambda: encoder.opened(["hello", TALK], [3, 7]),
        lambda: encoder.conversation_ids(["a"] * 6 + [TALK], ["b"] * 7),
    ):
        with pytest.raises(ValueError, match=r"^row 7: its prompt is conversational, and the tokenizer has no chat"):
            encode()


def test_closing_without_an_end_of_sequence_token_is_refused():
    bare = tokenizer()
    bare.eos_token = None
    assert Encoder(bare).answer_ids(["hello"], ["b"], closed=False)
    with pytest.raises(ValueError, match=r"^row 1: the tokenizer has no end-of-sequence token"):
        Encoder(bare).answer_ids(["hello"], ["b"], closed=True)


@pytest.mark.parametrize("name", ["TURNS", "HEADERS"])
def test_the_template_s_end_is_enough_without_an_end_of_sequence_token(name):
    encoder = Encoder(byte_tokenizer(getattr(cases, name), eos=None))
    (said,) = encoder.answer_ids([ASK], ["City"])
    assert encoder.tokenizer.convert_ids_to_tokens(said[-1]) == "<stop>"


def test_a_text_that_the_tokenizer_has_no_tokens_for_is_refused_with_its_row():
    encoder = Encoder(tiny_tokenizer())
    with pytest.raises(
        ValueError, match=r"^row 2: the tokenizer of .*tiny' can't encode a text \(Exception: WordLevel"
    ):
        encoder.prompt_ids(["52314=", "52a14="])
    with pytest.raises(ValueError, match=r"^row 9: the tokenizer of .*tiny' can't encode a text"):
        encoder.answer_ids(encoder.opened(["52314=", "52314="], [8, 9]), ["12345", "1b345"])


def test_half_a_character_is_one_line_with_its_row():
    with pytest.raises(ValueError, match=r"^row 2: the tokenizer can't encode a text \(") as caught:
        Encoder(byte_tokenizer(None)).prompt_ids(["a", "\ud800"])
    assert "\n" not in str(caught.value)


def test_ids_beyond_the_model_s_embeddings_are_refused_with_row_and_token():
    reader = byte_tokenizer(None, extra=("<answer>",))
    encoder, opened = Encoder(reader, rows=len(reader) - 1), ["Q:"]
    for encode in (
        lambda: encoder.opened(["Q:", "<answer>"], [1, 5]),
        lambda: encoder.answer_ids(encoder.opened(opened, [5]), ["<answer>"]),
        lambda: encoder.conversation_ids(["Q:"] * 4 + ["<answer>"], ["A"] * 5),
    ):
        with pytest.raises(ValueError, match=r"^row 5: the token '<answer>' has the id \d+, and the model has \d+ emb"):
            encode()
    assert Encoder(reader, rows=len(reader)).answer_ids(opened, ["<answer>"])  # control


@pytest.mark.parametrize(
    ("of_model", "of_tokenizer", "context"), [(64, 10**30, 64), (None, 512, 512), (64, 32, 32), (64, 100, 64)]
)
def test_the_context_is_the_smaller_limit_of_the_two(of_model, of_tokenizer, context):
    config = SimpleNamespace(max_position_embeddings=of_model)
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config))
    assert context_of(model, SimpleNamespace(model_max_length=of_tokenizer)) == context
