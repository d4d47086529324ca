"""Reasons for which settings of TRL's are not here, as what is done instead: rows of data.

test_words.py proves that TRL's names are refused with these reasons.
"""

import copy

import pytest
import torch
from datasets import Dataset

from grao_ref import finetune
from grao_ref.data.rows import rows_of
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, anything, likelihoods, said, ten, texts

row = scripts_of("NOT_HERE")
SFT = {"method": "sft", **SMALL}


@row("rows stay separate and whole: none is packed, cut, or padded beyond its batch")
def test_a_batch_has_a_row_for_each_row_as_long_as_the_longest(chat):
    rows = [{"messages": said("?" * n, "!" * n)} for n in range(1, 11)]
    given = SFT | {"num_train_epochs": 1, "max_completion_length": 32, "per_device_train_batch_size": 4}
    given = {name: value for name, value in given.items() if name != "max_steps"}
    seen = []
    for report in finetune(*chat, rows, **given):
        answers = report.batch.references
        assert answers.ids.shape[1] == answers.mask.sum(-1).max()
        seen += texts(chat[1], answers)
    wanted = {f"{'!' * n}<stop>" for n in range(1, 11)}
    assert set(seen) == wanted  # none is cut, and none follows another


@row("rows are read at once, into memory, in one process")
def test_rows_are_all_read_before_the_first_step(model, tokenizer):
    read = []

    def rows():
        for each in ten("prompt", "completion"):
            read.append(each)
            yield each

    run = finetune(model, tokenizer, Dataset.from_list(ten("prompt", "completion")).to_iterable_dataset(), **SFT)
    assert len(run.setup.rows) == 10
    finetune(copy.deepcopy(model), tokenizer, rows(), **SFT)
    assert len(read) == 10


@row("every column goes to the reward functions")
def test_a_function_gets_every_other_column(model, tokenizer):
    seen = {}

    def keeps(completions, **columns):
        seen.update(columns)
        return anything(completions)

    rows = [each | {"unused": n, "nested": {"a": n}} for n, each in enumerate(ten("prompt", "solution", "level"))]
    list(finetune(model, tokenizer, rows, method="grpo", reward_funcs=keeps, **SMALL))
    assert {"solution", "level", "unused", "nested"} <= set(seen)
    assert all(value == {"a": n} for n, value in zip(seen["unused"], seen["nested"], strict=True))


@row("a prompt is never trained on, only its answer")
def test_sft_s_loss_is_that_of_the_answers_alone(embedded, model, tokenizer):
    (report,) = finetune(model, tokenizer, ten("prompt", "completion"), **SFT)
    found = likelihoods(embedded, report.batch.prompts, report.batch.references)
    assert report.means()["loss"] == pytest.approx(-sum(each.mean().item() for each in found) / len(found), rel=1e-5)


@row("an answer ends as the chat template ends a turn")
def test_the_end_of_a_turn_is_learnt_and_ends_a_sample(chat):
    model, tokenizer = chat
    assert tokenizer.eos_token == "<eos>"
    (report,) = finetune(
        copy.deepcopy(model), tokenizer, [{"messages": said(f"{n}?", "Yes")} for n in range(10)], **SFT
    )
    assert set(texts(tokenizer, report.batch.references)) == {"Yes<stop>"}
    with torch.no_grad():
        model.lm_head.weight[tokenizer.convert_tokens_to_ids("<stop>")] += 5 * model.lm_head.weight.abs().max()
    rows = [{"prompt": said(f"{n}?")} for n in range(10)]
    given = SMALL | {"max_completion_length": 64}
    (report,) = finetune(model, tokenizer, rows, method="grpo", reward_funcs=anything, **given)
    samples = report.batch.samples
    ended = [text for text, end in zip(texts(tokenizer, samples), samples.ended.flatten(), strict=True) if end]
    assert all(text.endswith(("<stop>", "<eos>")) for text in ended)
    assert any(text.endswith("<stop>") for text in ended)


@row("rows are shuffled anew for each epoch")
def test_each_pass_has_another_order(model, tokenizer):
    given = SFT | {"per_device_train_batch_size": 5, "max_steps": 6}
    orders = [report.batch.rows.tolist() for report in finetune(model, tokenizer, ten("prompt", "completion"), **given)]
    passes = [orders[0] + orders[1], orders[2] + orders[3], orders[4] + orders[5]]
    assert all(sorted(each) == list(range(10)) for each in passes)
    assert passes[0] != passes[1] != passes[2] != list(range(10))


@row("answers are text, without tools or images")
def test_a_part_that_is_no_text_is_refused():
    part = [{"role": "user", "content": [{"type": "image", "url": "a.png"}]}]
    with pytest.raises(ValueError, match="row 1 of rows: prompt has a part of the type 'image' in a message, and only"):
        rows_of([{"prompt": part, "completion": "A cat."}], "rows")
    part[0]["content"][0] = {"type": "text", "text": "A cat?"}
    assert rows_of([{"prompt": part, "completion": "Yes."}], "rows")[0].prompt == said("A cat?")
