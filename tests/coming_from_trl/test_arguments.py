"""The arguments of TRL's trainers, each as `finetune` has it, and what `finetune` answers to TRL's word."""

import copy

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from grao_ref import finetune
from grao_ref.equations.masked import masked_mean
from grao_ref.methods.interface import Method, Needs, Terms, prompt_count
from grao_ref.methods.registry import METHODS
from grao_ref.settings import trl_words
from tests.cases import TURNS, byte_tokenizer
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, anything, right, said, ten, texts, weights
from tests.rewards.tiny import classifier_folder

written, row = scripts_of("Arguments of a trainer"), scripts_of("ARGUMENTS")
SFT = {"method": "sft", **SMALL}
GRPO = {"method": "grpo", "reward_funcs": anything, **SMALL}


@pytest.mark.parametrize("name", [name for names in trl_words.ARGUMENTS for name in names.split()])
def test_an_argument_of_trl_s_is_answered_as_on_the_page(name, model, tokenizer):
    with pytest.raises(ValueError, match=r"^finetune has the unknown key") as error:
        finetune(model, tokenizer, ten("prompt", "completion"), **SFT, **{name: object()})
    (says,) = (text for names, text in trl_words.ARGUMENTS.items() if name in names.split())
    assert says.replace("`", "") in str(error.value)


def test_several_arguments_of_trl_s_are_answered_at_once(model, tokenizer):
    with pytest.raises(ValueError, match=r"callbacks: here: the body of your loop; .*tools: not here: agents"):
        finetune(model, tokenizer, ten("prompt", "completion"), **SFT, callbacks=[print], tools=[print])


@written("model, a name", "the loaded model: AutoModelForCausalLM.from_pretrained(name)")
def test_a_model_s_name_is_answered_with_the_call_that_loads_it(tokenizer):
    with pytest.raises(ValueError, match=r"must be loaded: AutoModelForCausalLM.from_pretrained\('Qwen/Qwen3-0.6B'\)"):
        finetune("Qwen/Qwen3-0.6B", tokenizer, ten("prompt", "completion"), **SFT)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's own
@written("model, a PeftModel", "the same: its adapter is trained")
@row("peft_config", "use_peft=True, lora_r, lora_alpha and others; or a model that is a PeftModel already")
def test_an_adapter_is_a_setting_or_is_there_already(model, tokenizer, embedded):
    from peft import LoraConfig, get_peft_model

    wrapped = get_peft_model(copy.deepcopy(model), LoraConfig(task_type="CAUSAL_LM", r=2))
    for trained, more in ((model, {"use_peft": True, "lora_r": 3, "lora_alpha": 5}), (wrapped, {})):
        list(finetune(trained, tokenizer, ten("prompt", "completion"), **SFT, **more))
        named = dict(trained.named_parameters())
        assert any(weight.any() for name, weight in named.items() if "lora_B" in name)
        assert all("lora_" in name for name, weight in named.items() if weight.requires_grad)
        base = {name.removeprefix("base_model.model.").replace(".base_layer", ""): w for name, w in named.items()}
        assert all(torch.equal(base[name], weight) for name, weight in embedded.named_parameters())
    assert (model.peft_config["default"].r, model.peft_config["default"].lora_alpha) == (3, 5)
    assert wrapped.peft_config["default"].r == 2


@written("reward_funcs", "the same: one or several, each a function or a name")
def test_rewards_are_one_or_several_functions_and_names(model, tokenizer):
    rows = ten("prompt", "completion", "solution")
    for given, names in ((right, ["right"]), ("exact", ["exact"]), ([anything, "exact"], ["anything", "exact"])):
        (report,) = finetune(copy.deepcopy(model), tokenizer, rows, **GRPO | {"reward_funcs": given})
        means = report.means()
        assert [name for name in means if name.startswith("rewards/")] == [f"rewards/{name}/mean" for name in names]
        assert means["reward"] == pytest.approx(sum(means[f"rewards/{name}/mean"] for name in names))


@row("args", "settings are keywords of finetune, under the names of TRL's configs")
def test_a_keyword_changes_the_training(model, tokenizer):
    slow, fast = (copy.deepcopy(model) for _ in range(2))
    for each, rate in ((slow, 1e-6), (fast, 1e-2)):
        list(finetune(each, tokenizer, ten("prompt", "completion"), **SFT | {"learning_rate": rate}))
    moved = [(weights(each) - weights(model)).abs().max().item() for each in (slow, fast)]
    assert moved == pytest.approx([1e-6, 1e-2], rel=0.1)  # Adam's first step


@row("processing_class", "tokenizer, the second argument")
def test_the_tokenizer_reads_and_writes_what_the_model_sees(chat):
    """Two tokenizers, two templates: the prompts are those that each writes."""
    model, tokenizer = chat
    other = byte_tokenizer(
        TURNS.replace("[{{ m['role'] }}]", "({{ m['role'] }})").replace("[assistant]", "(assistant)")
    )
    rows = [{"prompt": said(f"{n}?"), "completion": said("", f"{n}")[1:]} for n in range(10)]
    for each in (tokenizer, other):
        (report,) = finetune(copy.deepcopy(model), each, rows, **SFT)
        wanted = {each.apply_chat_template(e["prompt"], tokenize=False, add_generation_prompt=True) for e in rows}
        assert set(texts(each, report.batch.prompts)) <= wanted
    with pytest.raises(ValueError, match=r"the tokenizer must be loaded: AutoTokenizer\.from_pretrained"):
        finetune(model, "Qwen/Qwen3-0.6B", rows, **SFT)


@row("train_dataset", "rows, the third argument: a datasets.Dataset or a list of dictionaries")
@row("eval_dataset", "eval_rows, of the same kinds")
def test_a_data_set_and_a_list_of_its_rows_are_the_same(model, tokenizer):
    rows, found = ten("prompt", "completion"), []
    for kind in (list, Dataset.from_list):
        run = finetune(copy.deepcopy(model), tokenizer, kind(rows[:7]), eval_rows=kind(rows[7:]), **SFT)
        found.append([run.before, *({**report.means(), "step_time": 0} for report in run)])
    assert found[0] == found[1]
    assert "eval_loss" in found[0][1]
    with pytest.raises(ValueError, match=r"rows must be a list of dictionaries or a datasets\.Dataset, got str"):
        finetune(model, tokenizer, "trl-lib/tldr", **SFT)


@row("reward_processing_classes", "not needed: a reward model brings its tokenizer")
def test_a_reward_model_reads_with_its_own_tokenizer(model, tokenizer, tmp_path):
    """The policy's tokens are digits; the reward model's are words. One token would be read as another's."""
    folder = classifier_folder(tmp_path / "judge")
    run = finetune(model, tokenizer, ten("prompt"), **GRPO | {"reward_funcs": str(folder)})
    (report,) = run
    judge, own = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for entry in run.completions(report):
        read = own(entry["prompt"] + entry["completion"], return_tensors="pt")
        assert entry["judge"] == pytest.approx(judge(**read).logits.item(), abs=1e-4)


@row("ref_model", "not an argument: it is the model as it is before the first step")
def test_the_reference_model_is_the_model_before_the_first_step(model, tokenizer, embedded):
    reports = list(finetune(model, tokenizer, ten("prompt"), **GRPO | {"max_steps": 2, "beta": 0.1}))
    assert reports[0].means()["kl"] == pytest.approx(0, abs=1e-9)
    assert reports[1].means()["kl"] > 1e-5
    prompts, samples = reports[1].batch.prompts, reports[1].batch.samples
    ids = torch.cat([prompts.ids[0].expand(4, -1), samples.ids[0]], dim=-1)
    with torch.no_grad():
        logits = embedded(ids).logits
    before = torch.log_softmax(logits, -1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0][:, prompts.ids.shape[1] - 1 :]
    mask = samples.mask[0]
    torch.testing.assert_close(reports[1].batch.reference_model.samples[0][mask], before[mask], atol=1e-4, rtol=1e-4)


@row("quantization_config", "not here: weights are not quantised")
def test_weights_keep_the_type_that_they_have(model, tokenizer):
    kinds = {parameter.dtype for parameter in model.parameters()}
    list(finetune(model, tokenizer, ten("prompt", "completion"), **SFT))
    assert {parameter.dtype for parameter in model.parameters()} == kinds == {torch.float32}


@row("callbacks", "the body of your loop")
def test_the_body_of_the_loop_sees_each_step_and_may_stop(model, tokenizer):
    run, seen = finetune(model, tokenizer, ten("prompt", "completion"), **SFT | {"max_steps": 50}), []
    for report in run:
        seen.append(report.means()["loss"])
        if len(seen) == 2:
            run.close()
    assert len(seen) == 2
    assert seen[1] < seen[0]
    assert list(run) == []


@row(
    "compute_metrics preprocess_logits_for_metrics",
    "the body of your loop: report.batch has the samples, their log-probabilities and rewards",
)
def test_a_metric_is_computed_from_the_report_s_batch(model, tokenizer):
    (report,) = finetune(model, tokenizer, ten("prompt"), **GRPO)
    samples, rewards = report.batch.samples, report.batch.rewards
    assert samples.ids.shape[:2] == rewards.outputs.shape == (2, 4)
    assert rewards.outputs.mean().item() == pytest.approx(report.means()["reward"])
    entropy = masked_mean(-samples.logprobs, samples.mask).mean().item()
    assert entropy == pytest.approx(report.means()["entropy"])


@row("compute_loss_func", "a method of your own")
def test_a_loss_is_a_method(model, tokenizer):
    def objective(logprobs, batch, config):
        return Terms(3 * logprobs.references.sum(dim=-1))

    mine = Method(
        name="mine", needs=lambda config: Needs(references=True), objective=objective, denominator=prompt_count
    )
    try:
        (report,) = finetune(copy.deepcopy(model), tokenizer, ten("prompt", "completion"), **SFT | {"method": mine})
    finally:
        METHODS.pop("mine", None)
    (sft,) = finetune(model, tokenizer, ten("prompt", "completion"), **SFT)
    assert report.means()["loss"] == pytest.approx(3 * 6 * sft.means()["loss"], rel=1e-4)  # six tokens an answer


@row(
    "formatting_func data_collator",
    "not needed: rows are dictionaries with the columns of a known format, and padding never changes a result",
)
def test_padding_changes_nothing_and_rows_need_no_function(chat):
    """The loss of a short and a long row together is the mean of their losses alone."""
    model, tokenizer = chat
    rows = [{"messages": said("Hi?", "Yes.")}, {"messages": said("How are you " * 3, "No, " * 5)}]
    given = SFT | {"max_completion_length": 64, "per_device_train_batch_size": 1}
    alone = [next(finetune(copy.deepcopy(model), tokenizer, [each], **given)).means()["loss"] for each in rows]
    both = next(finetune(model, tokenizer, rows, **given | {"per_device_train_batch_size": 2}))
    assert not both.batch.references.mask.all()  # one of them is padded
    assert both.means()["loss"] == pytest.approx(sum(alone) / 2, rel=1e-5)
    assert abs(alone[0] - alone[1]) > 1e-3


@row("optimizers optimizer_cls_and_kwargs", "optimizer, learning_rate, lr_scheduler_type and warmup_steps")
def test_the_optimizer_and_its_schedule_are_settings(model, tokenizer):
    rows, start = ten("prompt", "completion"), weights(model)
    given = SFT | {"max_steps": 3, "lr_scheduler_type": "linear", "warmup_steps": 1, "learning_rate": 0.1}
    reports = list(finetune(copy.deepcopy(model), tokenizer, rows, **given))
    assert [report.means()["learning_rate"] for report in reports] == pytest.approx([0, 0.1, 0.05])
    (report,) = finetune(model, tokenizer, rows, **SFT | {"optimizer": "sgd", "learning_rate": 0.1})
    norm = min(report.means()["grad_norm"], 1.0)  # clipped to max_grad_norm
    assert (weights(model) - start).norm().item() == pytest.approx(0.1 * norm, rel=1e-3)  # θ − 0.1 g: plain SGD


@row("tools environment_factory rollout_func", "not here: agents are no goal of this package")
def test_a_conversation_with_a_tool_is_refused(model, tokenizer):
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {}}}]}
    with pytest.raises(ValueError, match="calls of tools can't be trained on here"):
        finetune(model, tokenizer, [{"messages": [*said("2 + 2?"), call, *said("", "4")[1:]]}], **SFT)
