"""HH-RLHF's transcripts as conversations and back. Every transcript here is synthetic."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grao_ref.data.hh import as_text, conversation, pair
from grao_ref.data.parts import OddRowError

words = st.text(st.sampled_from("ab \n.:H"), min_size=1).map(str.strip).filter(bool)


@st.composite
def dialogues(draw: st.DrawFn) -> list[dict[str, str]]:
    """Turns that alternate, the last of them the user's, perhaps with a system message before."""
    roles = ["user", "assistant"] * draw(st.integers(0, 3)) + ["user"]
    roles = roles[draw(st.booleans()) if len(roles) > 1 else 0 :]
    system = [{"role": "system", "content": draw(words)}] if draw(st.booleans()) else []
    return system + [{"role": role, "content": draw(words)} for role in roles]


@given(dialogues())
def test_a_conversation_survives_being_text(dialogue):
    text = as_text(dialogue)
    assert text.endswith("\n\nAssistant:")
    assert conversation(text.removesuffix("\n\nAssistant:")) == dialogue


@given(dialogues(), words, words)
def test_a_transcript_survives_being_a_row(dialogue, chosen, rejected):
    start = as_text(dialogue)
    prompt, first, second = pair(f"{start} {chosen}", f"{start} {rejected}")
    assert (prompt, first, second) == (dialogue, chosen, rejected)
    assert f"{as_text(prompt)} {first}" == f"{start} {chosen}"


@given(dialogues(), words)
def test_roles_alternate_whoever_spoke_twice(dialogue, extra):
    last = dialogue[-1]["content"]
    twice = conversation(as_text([*dialogue, {"role": "user", "content": extra}]).removesuffix("\n\nAssistant:"))
    assert twice == [*dialogue[:-1], {"role": "user", "content": f"{last}\n\n{extra}"}]
    assert all(one["role"] != other["role"] for one, other in pairwise(twice))


def test_by_hand():
    text = "Be kind.\n\nHuman:  Hi \n\nAssistant: Wait.\n\nAssistant:\n\nAssistant: Hello,\n\nfriend."
    text += "\n\nHuman: Why, Human: x?"
    assert conversation(text) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Wait.\n\nHello,\n\nfriend."},
        {"role": "user", "content": "Why, Human: x?"},
    ]
    assert conversation("Human: no blank lines before the first turn") == [
        {"role": "user", "content": "no blank lines before the first turn"}
    ]
    assert conversation("") == conversation("\n\nHuman: \n\nAssistant:") == []


def test_text_stays_as_it_is():
    assert as_text("2 + 2 =") == "2 + 2 ="


def test_a_role_without_a_mark_is_named():
    with pytest.raises(ValueError, match=r"^a prompt as text knows the roles user, assistant, system; got 'tool'$"):
        as_text([{"role": "tool", "content": "4"}])


def test_the_answer_begins_behind_the_last_mark_even_where_both_answers_begin_alike():
    start = "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:"
    prompt, chosen, rejected = pair(start + " Yes, so.", start + " Yes, no.")
    assert [message["content"] for message in prompt] == ["a", "b", "c"]
    assert (chosen, rejected) == ("Yes, so.", "Yes, no.")


def test_pairs_that_part_before_the_last_answer_are_odd():
    with pytest.raises(OddRowError, match=r"^chosen and rejected differ before their last Assistant turn$"):
        pair("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d", "\n\nHuman: a\n\nAssistant: other")
