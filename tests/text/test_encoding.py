"""Tokens of prompts and answers, by hand: no special token twice, none forgotten; lists give what single texts give."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.policies.embedded import tiny_tokenizer
from grao_ref.text.encoding import answer_ids, context_of, conversation_ids, prompt_ids
from tests.rewards.tiny import WORDS, tokenizer

TALK = [{"role": "user", "content": "hello a"}]


def words(ids):
    return " ".join(WORDS[token] for token in ids)


def pair(prompt, answer, *, closed=False):
    (question,), (said,) = prompt_ids(tokenizer(), [prompt]), answer_ids(tokenizer(), [answer], closed=closed)
    return words(question), words(said)


def test_control_the_tokenizer_would_add_its_special_token_again():
    assert words(tokenizer()("<s> hello")["input_ids"]) == "<s> <s> hello"


def test_a_conversation_has_each_special_token_once():
    assert pair(TALK, "b c") == ("<s> user : hello a </s> <s> assistant :", "b c")
    (whole,) = conversation_ids(tokenizer(), [TALK], ["b c"])
    assert words(whole) == "<s> user : hello a </s> <s> assistant : b c </s>"


def test_a_text_gets_the_tokenizer_s_own_special_tokens_once():
    assert pair("hello a", "b c") == ("<s> hello a", "b c")
    assert words(conversation_ids(tokenizer(), ["hello a "], ["b c"])[0]) == "<s> hello a b c"


def test_a_closed_answer_ends_with_the_end_of_sequence_token_once():
    assert pair("hello a", "b c", closed=True) == ("<s> hello a", "b c </s>")
    assert answer_ids(tokenizer(), [""], closed=True) == [[1]]
    assert answer_ids(tokenizer(), [""], closed=False) == [[]]


prompts = st.one_of(
    st.sampled_from(["hello", "hello a b", "yes"]),
    st.sampled_from(["a", "b c"]).map(lambda text: [{"role": "user", "content": text}]),
)


@given(st.lists(st.tuples(prompts, st.sampled_from(["", "yes", "no a b"])), max_size=6))
def test_lists_in_which_texts_and_conversations_are_mixed_keep_their_order(pairs):
    reader = tokenizer()
    asked, answers = [prompt for prompt, _ in pairs], [answer for _, answer in pairs]
    assert prompt_ids(reader, asked) == [prompt_ids(reader, [prompt])[0] for prompt in asked]
    assert conversation_ids(reader, asked, answers) == [conversation_ids(reader, [p], [a])[0] for p, a in pairs]
    for closed in (False, True):
        alone = [answer_ids(reader, [answer], closed=closed)[0] for answer in answers]
        assert answer_ids(reader, answers, closed=closed) == alone


def test_a_prompt_s_tokens_are_those_of_the_chat_template_itself():
    reader = tokenizer()
    whole = reader.apply_chat_template(TALK, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert prompt_ids(reader, [TALK]) == [whole]


@pytest.mark.parametrize("template", [None, ""])
def test_a_conversation_without_a_template_is_refused(template):
    bare = tokenizer()
    bare.chat_template = template
    for encode in (lambda: prompt_ids(bare, [TALK]), lambda: conversation_ids(bare, [TALK], ["b"])):
        with pytest.raises(
            ValueError, match=r"the prompts are conversational, and the tokenizer of .* no chat template"
        ):
            encode()


def test_closing_without_an_end_of_sequence_token_is_refused():
    bare = tokenizer()
    bare.eos_token = None
    assert answer_ids(bare, ["b"], closed=False)
    with pytest.raises(ValueError, match="the tokenizer has no end-of-sequence token"):
        answer_ids(bare, ["b"], closed=True)


def test_a_text_that_the_tokenizer_has_no_tokens_for_is_refused():
    with pytest.raises(ValueError, match=r"the tokenizer of .*tiny' can't encode a text: WordLevel error"):
        prompt_ids(tiny_tokenizer(), ["52a14="])


@pytest.mark.parametrize(
    ("of_model", "of_tokenizer", "context"), [(64, 10**30, 64), (None, 512, 512), (64, 32, 32), (64, 100, 64)]
)
def test_the_context_is_the_smaller_limit_of_the_two(of_model, of_tokenizer, context):
    config = SimpleNamespace(max_position_embeddings=of_model)
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config))
    assert context_of(model, SimpleNamespace(model_max_length=of_tokenizer)) == context
