"""Reward functions: what they are called with, and what their answers do."""

import asyncio
import copy
import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from grao_ref import finetune
from grao_ref.policies.causal_lm import CausalLMPolicy
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, anything, right, said, ten
from tests.rewards.tiny import classifier_folder

row = scripts_of("Reward functions")
GRPO = SMALL | {"method": "grpo"}


@row("prompts, completions, the data set's columns", "the same; lists of messages for conversational prompts")
def test_a_function_gets_one_entry_for_each_completion(model, tokenizer, chat):
    calls = []

    def keeps(prompts, completions, solution, level, **columns):
        calls.append((prompts, completions, solution, level))
        assert "prompt" not in columns
        return anything(completions)

    (report,) = finetune(model, tokenizer, ten("prompt", "solution", "level"), reward_funcs=keeps, **GRPO)
    prompts, completions, solution, level = calls[-1]
    rows = {each["prompt"]: each for each in ten("prompt", "solution", "level")}
    assert len(prompts) == len(completions) == 8
    assert all(isinstance(text, str) for text in (*prompts, *completions))
    assert [rows[prompt]["solution"] for prompt in prompts] == solution
    assert [rows[prompt]["level"] for prompt in prompts] == level
    assert report.batch.rewards.outputs.flatten().tolist() == pytest.approx(anything(completions))
    talk = [{"prompt": said(f"{n}?"), "solution": str(n), "level": n} for n in range(10)]
    list(finetune(*chat, talk, reward_funcs=keeps, **GRPO))
    prompts, completions, _, level = calls[-1]
    assert prompts == [said(f"{n}?") for n in level]
    assert all(len(each) == 1 and each[0]["role"] == "assistant" for each in completions)


def test_a_step_trains_on_the_ids_that_were_sampled_though_their_text_reads_otherwise(chat, monkeypatch):
    drawn, sample = [], CausalLMPolicy.sample

    def watched(self, *args, **settings):
        drawn.append(sample(self, *args, **settings))
        return drawn[-1]

    monkeypatch.setattr(CausalLMPolicy, "sample", watched)
    model, tokenizer = chat
    talk = [{"prompt": said(f"{n}?")} for n in range(10)]
    (report,) = finetune(model, tokenizer, talk, reward_funcs=anything, **GRPO)
    samples = report.batch.samples
    (drawn,) = (each for each in drawn if each.ids.shape[:2] == samples.ids.shape[:2])
    assert torch.equal(samples.ids, drawn.ids)
    assert torch.equal(samples.mask, drawn.mask)
    rows = [ids[kept].tolist() for ids, kept in zip(samples.ids.flatten(0, 1), samples.mask.flatten(0, 1), strict=True)]
    again = [tokenizer(tokenizer.decode(row), add_special_tokens=False)["input_ids"] for row in rows]
    assert again != rows  # control: decoded and encoded, they would be others


@row("completion_ids", "the same")
def test_the_ids_are_the_sampled_tokens_their_end_included(model, tokenizer):
    calls = []

    def keeps(completions, completion_ids):
        calls.append((completions, completion_ids))
        return anything(completions)

    (report,) = finetune(model, tokenizer, ten("prompt"), reward_funcs=keeps, **GRPO)
    (completions, ids) = calls[-1]
    samples = report.batch.samples
    assert ids == [
        row[kept].tolist() for row, kept in zip(samples.ids.flatten(0, 1), samples.mask.flatten(0, 1), strict=False)
    ]
    assert [tokenizer.decode(each, skip_special_tokens=True) for each in ids] == completions
    assert any(each[-1] == tokenizer.eos_token_id for each in ids)


@row("trainer_state, log_metric, log_extra", "the same")
def test_a_function_sees_the_step_and_logs_of_its_own(model, tokenizer):
    def tells(completions, trainer_state, log_metric, log_extra, **columns):
        log_metric("done", trainer_state.global_step)
        log_extra("first", [text[:1] for text in completions])
        return anything(completions)

    run = finetune(model, tokenizer, ten("prompt"), reward_funcs=tells, **GRPO | {"max_steps": 3})
    reports = list(run)
    assert [report.means()["done"] for report in reports] == [0, 1, 2]
    entries = run.completions(reports[0])
    assert [entry["first"] for entry in entries] == [entry["completion"][:1] for entry in entries]


@row("", "references: the rows' reference answers")
def test_a_function_may_ask_for_the_references(model, tokenizer):
    def same(completions, references):
        return [float(text == reference) for text, reference in zip(completions, references, strict=True)]

    rows = ten("prompt", "completion")
    run = finetune(model, tokenizer, rows, reward_funcs=same, **SMALL | {"method": "grao"})
    (report,) = run
    assert report.means()["reference/reward"] == 1
    sorted_ones = [entry["completion"] == "".join(sorted(entry["prompt"][:5])) for entry in run.completions(report)]
    assert report.means()["reward"] == pytest.approx(sum(sorted_ones) / len(sorted_ones))
    with pytest.raises(ValueError, match="'same' asks for 'references', and there is only"):
        finetune(model, tokenizer, ten("prompt"), reward_funcs=same, **GRPO)


@row(
    "called with samples",
    "called with samples, and in a call of its own with the references, as if they had been sampled",
)
def test_the_references_are_scored_by_the_same_function_in_a_call_of_their_own(model, tokenizer):
    calls = []

    def keeps(prompts, completions, **columns):
        calls.append(list(zip(prompts, completions, strict=True)))
        return anything(completions)

    (report,) = finetune(model, tokenizer, ten("prompt", "completion"), reward_funcs=keeps, **SMALL)
    samples, references = calls[-2:]
    assert [len(samples), len(references)] == [8, 2]
    assert all(answer == "".join(sorted(prompt[:5])) for prompt, answer in references)
    wanted = sum(anything([answer for _, answer in references])) / 2
    assert report.means()["reference/reward"] == pytest.approx(wanted)


@row("None for an answer", "that function is left out of its reward; an answer without any reward is ignored")
def test_none_is_left_out_and_an_answer_without_rewards_teaches_nothing(model, tokenizer):
    def even(completions, **columns):
        return [reward if n % 2 == 0 else None for n, reward in enumerate(anything(completions))]

    def first(completions, **columns):
        return [10.0 if n % 4 == 0 else None for n, _ in enumerate(completions)]

    (report,) = finetune(model, tokenizer, ten("prompt"), reward_funcs=[even, first], **GRPO)
    rewards, advantages = report.batch.rewards, report.batch.advantages.outputs
    alone = rewards.parts.values[..., 0]
    assert rewards.scored.tolist() == [[True, False, True, False]] * 2
    assert rewards.outputs[:, 0].tolist() == pytest.approx((alone[:, 0] + 10).tolist())
    assert rewards.outputs[:, 2].tolist() == pytest.approx(alone[:, 2].tolist())
    assert not advantages[~rewards.scored].any()
    assert advantages[rewards.scored].abs().min() > 0
    assert report.means()["frac_unscored"] == 0.5


@row(
    "trl.rewards.accuracy_reward and others",
    "exact, final_number; or by dotted path: --reward-funcs trl.rewards.think_format_reward",
)
def test_a_rule_by_its_name_or_a_stand_in_for_trl_s_by_its_dotted_path(chat, grao, chat_folder, tmp_path):
    """tests/parity has trl.rewards itself."""
    path = "tests.coming_from_trl.rewards.think_format_reward"
    answers = [f"{'<think>a</think>' if n % 2 else ''}{n}" for n in range(10)]
    rows = [{"prompt": said(f"{n}?"), "completion": said("", a)[1:], "solution": str(n)} for n, a in enumerate(answers)]
    given = SMALL | {"max_completion_length": 24, "per_device_train_batch_size": 40}
    (report,) = finetune(*chat, rows, reward_funcs=[path, "exact", "final_number"], **given)
    parts = report.batch.rewards
    assert report.means()["reference/reward"] == pytest.approx(0.5 + 0.5 + 1)  # the thoughts, the text, the number
    assert [name for name in report.means() if name.startswith("rewards/")] == [
        f"rewards/{name}/mean" for name in ("think_format_reward", "exact", "final_number")
    ]
    assert parts.reference.unique().tolist() == [2.0]
    data = tmp_path / "ten.jsonl"
    data.write_text("".join(json.dumps(each) + "\n" for each in rows))
    words = ["--dataset-name", data, "--model-name-or-path", chat_folder, "--reward-funcs", path]
    code, out, err = grao(
        "train", *words, "--output-dir", tmp_path / "run", **given | {"per_device_train_batch_size": 8}
    )
    assert code == 0, err
    assert "Rewards: think_format_reward;" in out


@row("a reward model's name", "the same")
def test_a_reward_model_is_named_and_its_logit_is_the_reward(model, tokenizer, tmp_path):
    folder = classifier_folder(tmp_path / "judge")
    run = finetune(model, tokenizer, ten("prompt"), reward_funcs=[str(folder)], **GRPO)
    (report,) = run
    judge, own = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    read = own([e["prompt"] + e["completion"] for e in run.completions(report)], return_tensors="pt", padding=True)
    assert report.means()["reward"] == pytest.approx(judge(**read).logits.mean().item(), abs=1e-4)
    with pytest.raises(ValueError, match="no reward model could be loaded from 'nobody/judge'"):
        finetune(model, tokenizer, ten("prompt"), reward_funcs="nobody/judge", **GRPO)


def test_what_stands_above_the_table(model, tokenizer):
    """Keywords are chosen by name, async functions work, and reward_weights weigh them."""

    async def slow(completions):
        await asyncio.sleep(0)
        return anything(completions)

    def exact_share(solution, completions):
        return right(completions, solution)

    rows, functions = ten("prompt", "solution"), [slow, exact_share]
    (report,) = finetune(
        copy.deepcopy(model), tokenizer, rows, reward_funcs=functions, reward_weights=[2.0, 0.5], **GRPO
    )
    means = report.means()
    parts = [means[f"rewards/{function.__name__}/mean"] for function in functions]
    assert means["reward"] == pytest.approx(2 * parts[0] + 0.5 * parts[1])
