"""What a chat template writes around an answer, in the shapes of the field's templates; what it can't be used for."""

import pytest

from grao_ref.text.template import ChatTemplate, answered, system_text, template_at
from tests import cases
from tests.cases import byte_tokenizer

ASK = [{"role": "user", "content": "Name one."}]
BEGUN = [*ASK, {"role": "assistant", "content": "My choice is"}]
TURNS = {  # template -> before an answer's text, behind it, the end token
    "TURNS": ("", "<stop>\n", "<stop>"),
    "THINKING": ("<think>\n\n</think>\n\n", "<stop>\n", "<stop>"),
    "HEADERS": ("", "<stop>", "<stop>"),
    "ALTERNATING": ("", "<stop>\n", "<stop>"),
    "INST": (" ", "<eos>", "<eos>"),
    "TWO_ENDS": ("", "<stop>\n<eos>", "<stop>"),
    "PLAIN": (" ", "\n", None),
}


def template(name, **options) -> ChatTemplate:
    return ChatTemplate(byte_tokenizer(getattr(cases, name)), options)


def turn(name, prompt=ASK, **options):
    made = template(name, **options)
    return made.turn(prompt, made.opened(prompt))


@pytest.mark.parametrize("name", TURNS)
def test_a_turn_is_what_stands_around_the_answer_and_ends_with_the_first_special_token_behind_it(name):
    before, after, end = TURNS[name]
    found = turn(name)
    assert (found.before, found.after, found.gap, found.end) == (before, after, "", end)
    ids = byte_tokenizer().convert_tokens_to_ids(["<stop>", "<eos>"])
    assert found.end_id == {"<stop>": ids[0], "<eos>": ids[1], None: None}[end]


@pytest.mark.parametrize("name", TURNS)
def test_the_opened_prompt_and_the_turn_are_the_whole_conversation(name):
    made = template(name)
    found = turn(name)
    assert made.opened(ASK) + found.before + "City 1" + found.after == made.whole(ASK, "City 1")


def test_what_the_template_writes_in_front_of_the_end_token_is_known():
    blank = cases.INST.replace("{{ m['content'] }}{{ eos_token }}", "{{ m['content'] }} {{ eos_token }}")
    made = ChatTemplate(byte_tokenizer(blank))
    found = made.turn(ASK, made.opened(ASK))
    assert (found.before, found.after, found.gap, found.end) == (" ", " <eos>", " ", "<eos>")


def test_options_reach_the_template():
    assert template("THINKING", enable_thinking=False).opened(ASK).endswith("assistant\n<think>\n\n</think>\n\n")
    assert turn("THINKING", enable_thinking=False).before == ""
    assert template("THINKING").opened(ASK).endswith("assistant\n")  # control


@pytest.mark.parametrize("option", ["tokenize", "add_generation_prompt", "continue_final_message"])
def test_options_that_are_set_for_each_text_are_refused(option):
    with pytest.raises(ValueError, match=f"chat_template_kwargs can't set {option}"):
        template("TURNS", **{option: True})


@pytest.mark.parametrize("name", TURNS)
def test_a_message_that_was_begun_is_left_open_and_continued(name):
    made = template(name)
    assert made.opened(BEGUN).endswith("My choice is")
    assert "My choice is City" in made.whole(BEGUN, " City")
    assert made.opened(BEGUN).count("My choice is") == made.whole(BEGUN, " City").count("My choice is") == 1
    assert turn(name, BEGUN).before == ""  # the block of thoughts stands before the message that was begun
    assert turn(name, BEGUN).after == TURNS[name][1]


def test_an_answer_is_a_message_of_its_own_unless_one_was_begun():
    assert answered(ASK, "A") == [*ASK, {"role": "assistant", "content": "A"}]
    assert answered(BEGUN, " A") == [*ASK, {"role": "assistant", "content": "My choice is A"}]


def test_a_prompt_that_the_answer_does_not_stand_behind_is_refused_with_both_texts():
    with pytest.raises(ValueError, match=r"writes '<think>\\n' before an answer is generated, and 'yes<stop>\\n' in"):
        turn("FORCED")
    made = template("FORCED")
    found = made.turn(ASK, made.opened(ASK), "<think>\nWhy.</think>")  # answers that begin with the thoughts fit
    assert (found.before, found.after, found.end) == ("", "<stop>\n", "<stop>")


def test_a_template_that_leaves_answers_out_is_refused():
    with pytest.raises(ValueError, match="leaves the assistant's answer out"):
        turn("SILENT")


@pytest.mark.parametrize(
    "conversation", [[{"role": "system", "content": "Be brief."}, *ASK], [*ASK, *ASK], [BEGUN[1], *ASK]]
)
def test_a_template_that_refuses_a_conversation_is_one_line_with_its_reason(conversation):
    with pytest.raises(ValueError, match=r"the chat template refuses this conversation \(TemplateError: ") as caught:
        template("ALTERNATING").opened(conversation)
    assert "\n" not in str(caught.value)
    assert template("TURNS").opened(conversation)  # control


@pytest.mark.parametrize("broken", ["{% for m in messages %}", "{{ messages[7]['content'] }}", "{{ 1 / 0 }}"])
def test_whatever_a_template_raises_is_one_line(broken):
    with pytest.raises(ValueError, match="the chat template refuses this conversation") as caught:
        ChatTemplate(byte_tokenizer(broken)).opened(ASK)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("none", [None, ""])
def test_a_conversation_without_a_template_is_refused(none):
    with pytest.raises(ValueError, match="its prompt is conversational, and the tokenizer has no chat template; chat_"):
        ChatTemplate(byte_tokenizer(none)).opened(ASK)


def test_a_template_comes_from_a_file_or_from_a_model_s_folder(tmp_path):
    (tmp_path / "own.jinja").write_text("\ufeff" + cases.TURNS)  # with a byte order mark
    byte_tokenizer(cases.HEADERS).save_pretrained(tmp_path / "model")
    assert template_at(str(tmp_path / "own.jinja")) == cases.TURNS
    assert template_at(str(tmp_path / "model")) == cases.HEADERS
    byte_tokenizer(None).save_pretrained(tmp_path / "bare")
    (tmp_path / "empty.jinja").write_text(" \n")
    for name in ("bare", "empty.jinja"):
        with pytest.raises(ValueError, match=rf"^chat_template_path '.*{name}' holds no chat template$"):
            template_at(str(tmp_path / name))
    with pytest.raises(ValueError, match=r"^chat_template_path '.*nowhere.jinja' can't be read \(OSError") as caught:
        template_at(str(tmp_path / "nowhere.jinja"))
    assert "\n" not in str(caught.value)


def test_a_system_prompt_is_a_text_or_the_text_of_a_file(tmp_path):
    file = tmp_path / "system.txt"
    file.write_text("Be brief.\n")
    assert system_text(str(file)) == "Be brief."
    for text in ("Be brief.", "Be brief. " * 500, "a\0b"):
        assert system_text(text) == text
    file.write_text(" ")
    for empty in (str(file), " "):
        with pytest.raises(ValueError, match=r"^system_prompt '.*' is empty$"):
            system_text(empty)
    file.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match=r"^system_prompt '.*' can't be read"):
        system_text(str(file))
