"""Whatever a chat template writes for whatever conversation: tokens, or one `ValueError` that names the row."""

from hypothesis import given
from hypothesis import strategies as st

from grao_ref.text.encoding import Encoder
from grao_ref.text.remarks import remarks
from grao_ref.text.template import ChatTemplate
from tests import cases

FRAGMENTS = [
    "{% for m in messages %}", "{% endfor %}", "{{ m['role'] }}", "{{ m['content'] }}", "{{ m.content | trim }}",
    "{% if add_generation_prompt %}", "{% endif %}", "{% else %}", "{{ bos_token }}", "{{ eos_token }}", "<stop>",
    "<begin>", "\n", " ", "yes", "{{ 1 / 0 }}", "{{ missing.key }}", "{{ raise_exception('no') }}", "{{", "}}", "{%",
    "{{ messages[-1]['content'] }}", "{{ messages | tojson }}", "{{ m['content'] * 3 }}", "{{ loop.index }}",
    "{{ strftime_now('%Y') }}", "{% set x = namespace(a=1) %}", "{% generation %}", "{% endgeneration %}", "\ud800",
    "\0",
    "{{ m['content'][::-1] }}", "{{ messages[99]['role'] }}", "{% break %}", "{{ ''.__class__ }}", "{# ",
]  # fmt: skip
KNOWN = [
    cases.ALTERNATING, cases.FORCED, cases.FORGETFUL, cases.HEADERS, cases.INST, cases.PLAIN, cases.SILENT,
    cases.THINKING, cases.TURNS, cases.TWO_ENDS,
]  # fmt: skip
TOKENIZER = cases.byte_tokenizer()  # making one takes longer than any example
LOOPS = st.lists(st.sampled_from(FRAGMENTS), max_size=4).map(
    lambda parts: "{% for m in messages %}" + "".join(parts) + "{% endfor %}"
)
TEMPLATES = st.one_of(
    st.sampled_from(KNOWN),
    LOOPS,
    st.tuples(LOOPS, st.sampled_from(FRAGMENTS)).map("".join),
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=5).map("".join),
    st.text(min_size=1, max_size=10),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["", " ", "\0", "<stop>", "<eos>", "yes", "no", "\n\n", "{{ x }}", "</think>", "é" * 50]),
)
ROLES = st.sampled_from(["user", "assistant", "system", "tool", "", "\0"])
MESSAGES = st.lists(
    st.builds(lambda role, content: {"role": role, "content": content}, ROLES, TEXTS), min_size=1, max_size=4
)
PROMPTS = MESSAGES | TEXTS
OPTIONS = st.sampled_from(
    [{}, {"enable_thinking": False}, {"x": None}, {"tools": []}, {"documents": 3}, {"padding": True}]
)


def with_template(template: str):
    TOKENIZER.chat_template = template
    return TOKENIZER


def refused(function, *arguments) -> ValueError | None:
    """The error of a call that is refused; any other error is a failure."""
    found = None
    try:
        function(*arguments)
    except ValueError as error:
        found = error
    assert found is None or (str(found).strip() and not isinstance(found, UnicodeError))
    return found


@given(TEMPLATES, MESSAGES, TEXTS, OPTIONS)
def test_any_template_and_any_conversation(template, messages, answer, options):
    chat = ChatTemplate(with_template(template), options)
    if refused(chat.opened, messages) is None:
        refused(chat.turn, messages, chat.opened(messages), answer)
    refused(chat.whole, messages, answer)
    refused(chat.end_id, messages)


@given(TEMPLATES, st.lists(st.tuples(PROMPTS, TEXTS | st.none()), min_size=1, max_size=3), OPTIONS, st.booleans())
def test_any_rows_through_an_encoder(template, rows, options, closed):
    encoder = Encoder(with_template(template), options=options, rows=400)
    prompts, answers = [prompt for prompt, _ in rows], [answer for _, answer in rows]
    assert all(isinstance(end, int) for end in encoder.end_ids)

    def encoded() -> None:
        for ids in (encoder.prompt_ids(prompts), encoder.answer_ids(prompts, answers, closed=closed)):
            assert len(ids) == len(rows)
            for each, prompt in zip(ids, prompts, strict=True):
                encoder.text(each, prompt)
        remarks(encoder, answers)

    error = refused(encoded)
    assert error is None or str(error).startswith(("row ", "the tokenizer"))


@given(TEMPLATES, PROMPTS, st.sampled_from(["", "Be brief.", "\0"]))
def test_any_system_prompt(template, prompt, system):
    encoder = Encoder(with_template(template), system=system)
    refused(encoder.opened, [prompt])
    refused(encoder.conversation_ids, [prompt], ["an answer"])
