"""TRL's formats of data: how each is read, which methods train on it, what is refused."""

import copy
import re

import pytest

from grao_ref import finetune
from grao_ref.data.load import load_rows
from grao_ref.data.rows import rows_of
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, anything, said, ten, texts
from tests.language import save_rows

row = scripts_of("Data columns")
LONG = SMALL | {"max_completion_length": 24}
NEEDS_ANSWER = "needs a reference answer in every row, and row 1 of rows has none"


def methods_that_train(chat, rows) -> dict[str, object]:
    """Method -> its report of a step on these rows, for the methods that take them."""
    reports = {}
    for method in ("sft", "dpo", "ppo", "grpo", "grao"):
        rewards = {} if method in ("sft", "dpo") else {"reward_funcs": anything}
        try:
            reports[method] = next(finetune(copy.deepcopy(chat[0]), chat[1], rows, method=method, **rewards, **LONG))
        except ValueError as error:
            if not re.search("needs|whole text without a prompt", str(error)):
                raise
    return reports


def trained_on(chat, report) -> list[str]:
    return sorted(texts(chat[1], report.batch.references))


def prompts_of(chat, report) -> list[str]:
    return sorted(texts(chat[1], report.batch.prompts))


TEN = [f"Say {n}" for n in range(10)]
ASKED = sorted(f"[user] Say {n}<stop>\n[assistant] " for n in range(10))  # as the template writes the prompts
ANSWERED = sorted(f"{n}<stop>" for n in range(10))


@row("language modelling | text", "sft: every token is trained on but the first, which no model predicts")
def test_a_text_is_trained_on_as_a_whole(chat):
    reports = methods_that_train(chat, [{"text": words} for words in TEN])
    assert list(reports) == ["sft"]
    assert prompts_of(chat, reports["sft"]) == ["S"] * 8
    assert set(trained_on(chat, reports["sft"])) <= {words[1:] + "<eos>" for words in TEN}


@row(
    "language modelling | messages",
    "every method but dpo. The last message of the assistant is the reference y, what stands before it the prompt, "
    "which is not trained on",
)
def test_the_last_message_of_the_assistant_is_the_answer(chat):
    rows = [{"messages": said("Hi", "Yes?", words, str(n))} for n, words in enumerate(TEN)]
    assert [each.reference for each in rows_of(rows, "rows")] == [str(n) for n in range(10)]
    reports = methods_that_train(chat, rows)
    assert list(reports) == ["sft", "ppo", "grpo", "grao"]
    earlier = "[user] Hi<stop>\n[assistant] Yes?<stop>\n"
    for report in reports.values():
        assert set(trained_on(chat, report)) <= set(ANSWERED)
        assert set(prompts_of(chat, report)) <= {earlier + asked for asked in ASKED}


@row("prompt only | prompt, and columns for the rewards", "grpo, ppo. GRAO and SFT need a reference as well")
def test_a_prompt_alone_is_enough_for_methods_that_read_no_reference(chat):
    rows = [{"prompt": said(words), "solution": str(n)} for n, words in enumerate(TEN)]
    seen = []

    def keeps(completions, solution, **columns):
        seen.extend(solution)
        return anything(completions)

    for method in ("grpo", "ppo"):
        list(finetune(copy.deepcopy(chat[0]), chat[1], rows, method=method, reward_funcs=keeps, **LONG))
    assert set(seen) <= {str(n) for n in range(10)}
    assert len(seen) >= 16
    for method in ("grao", "sft"):
        with pytest.raises(ValueError, match=f"{method} {NEEDS_ANSWER} .*; ppo and grpo train on prompts alone"):
            finetune(chat[0], chat[1], rows, method=method, reward_funcs=keeps, **LONG)


@row("prompt and completion | prompt, completion", "every method but dpo; the completion is the reference y")
def test_the_completion_is_the_reference(chat):
    rows = [{"prompt": said(words), "completion": said("", str(n))[1:]} for n, words in enumerate(TEN)]
    reports = methods_that_train(chat, rows)
    assert list(reports) == ["sft", "ppo", "grpo", "grao"]
    assert all(set(trained_on(chat, report)) <= set(ANSWERED) for report in reports.values())


@row("preference | prompt, chosen, rejected", "every method: chosen is the reference y, and rejected is read by dpo")
@row("preference, implicit prompt | chosen, rejected", "the same; both hold the prompt's messages")
def test_the_chosen_answer_is_the_reference_and_dpo_reads_the_rejected_one(chat):
    right, wrong = ([said("", answer)[1:] for answer in answers] for answers in ("0123456789", "abcdefghij"))
    explicit = [
        {"prompt": said(words), "chosen": c, "rejected": r} for words, c, r in zip(TEN, right, wrong, strict=True)
    ]
    implicit = [{"chosen": e["prompt"] + e["chosen"], "rejected": e["prompt"] + e["rejected"]} for e in explicit]
    assert list(rows_of(implicit, "rows")) == list(rows_of(explicit, "rows"))
    for rows in (explicit, implicit):
        reports = methods_that_train(chat, rows)
        assert list(reports) == ["sft", "dpo", "ppo", "grpo", "grao"]
        assert all(set(trained_on(chat, report)) <= set(ANSWERED) for report in reports.values())
        assert set(texts(chat[1], reports["dpo"].batch.rejected)) <= {f"{letter}<stop>" for letter in "abcdefghij"}


@row(
    "unpaired preference | prompt, completion, label",
    "not here, as KTO: keep the rows whose label is true, without the column",
)
def test_labelled_answers_are_refused_and_the_good_ones_can_be_kept(chat):
    rows = [each | {"label": n % 2 == 0} for n, each in enumerate(ten("prompt", "completion"))]
    with pytest.raises(
        ValueError, match=r"row 1 of rows: label is true for good completions .* keep the rows where it"
    ):
        finetune(*chat, rows, method="sft", **LONG)
    good = [{name: each[name] for name in ("prompt", "completion")} for each in rows if each["label"]]
    assert next(finetune(*chat, good, method="sft", **LONG)).step == 1


@row("stepwise supervision | prompt, completions, labels", "not here: a reward is a number for a whole answer")
def test_labels_of_steps_are_refused(chat):
    rows = [{"prompt": words, "completions": ["One.", "Two."], "labels": [True, False]} for words in TEN]
    for method in ("sft", "grpo"):
        with pytest.raises(
            ValueError, match=r"row 1 of rows: labels are .* a reward here is one number for a whole answer"
        ):
            finetune(*chat, rows, method=method, reward_funcs=anything, **LONG)


@row(
    "part of the prompt | images, tools, chat_template_kwargs",
    "not here: a prompt is text, rendered in every row with the same settings",
)
@pytest.mark.parametrize("name", ["images", "tools", "chat_template_kwargs"])
def test_columns_that_would_change_the_prompt_are_refused(chat, name):
    rows = ten("prompt", "completion")
    with pytest.raises(
        ValueError, match=f"row 1 of rows: the column '{name}' is part of the prompt in TRL, and only text"
    ):
        finetune(*chat, [each | {name: [{"a": 1}]} for each in rows], method="sft", **LONG)
    assert next(finetune(*chat, [each | {name: None} for each in rows], method="sft", **LONG)).step == 1
    part = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]
    with pytest.raises(
        ValueError, match="a part of the type 'image' in a message, and only text can be trained on here"
    ):
        rows_of([{"prompt": part, "completion": "A cat."}], "rows")


@row("other names | ", "--column prompt=question completion=answer")
def test_columns_get_their_names_by_a_setting(chat, tmp_path):
    rows = [{"question": words, "answer": str(n)} for n, words in enumerate(TEN)]
    renamed = load_rows(save_rows(tmp_path / "qa.jsonl", rows), column=["prompt=question", "completion=answer"])
    assert [(each.prompt, each.reference) for each in renamed] == [(words, str(n)) for n, words in enumerate(TEN)]
    own = [{"frage": words, "antwort": str(n)} for n, words in enumerate(TEN)]
    with pytest.raises(ValueError, match="rows has the columns frage, antwort; expected one of"):
        finetune(*chat, own, method="sft", **LONG)
    (report,) = finetune(*chat, own, method="sft", column={"prompt": "frage", "completion": "antwort"}, **LONG)
    assert set(trained_on(chat, report)) <= {f"{n}<eos>" for n in range(10)}


def test_what_stands_below_the_table(chat):
    """A prompt that ends in the assistant's words is continued; an answer ends as the template ends a turn."""
    begun = [{"prompt": said(words, "It is"), "completion": said("", f" {n}")[1:]} for n, words in enumerate(TEN)]
    (report,) = finetune(*chat, begun, method="sft", **LONG)
    assert all(words.endswith("[assistant] It is") for words in prompts_of(chat, report))
    assert set(trained_on(chat, report)) <= {f" {n}<stop>" for n in range(10)}
    (report,) = finetune(
        *chat, [{"messages": said(w, "a")} for w in TEN], method="sft", system_prompt="Be brief.", **LONG
    )
    assert all(words.startswith("[system] Be brief.<stop>\n[user] Say") for words in prompts_of(chat, report))
