"""The Python door: a user's own objects go in, reports come out, and the model is trained in place."""

import asyncio
import copy
import subprocess
import sys
from dataclasses import fields, replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel, pipeline

import grao_ref
from grao_ref import finetune
from grao_ref.data.load import load_rows
from grao_ref.methods.registry import METHODS
from grao_ref.runs.own_objects import ELSEWHERE
from grao_ref.settings.config import Config
from grao_ref.train import main
from tests.command import rows_of
from tests.extensions.ipo import IPO
from tests.language import pairs, save_model, save_rows, share_of_wanted, texts

FAST = {"max_completion_length": 8, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def model(folder):
    return AutoModelForCausalLM.from_pretrained(folder)


@pytest.fixture(scope="module")
def tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


def test_eight_lines_train_the_user_s_own_model_which_then_generates(model, tokenizer):
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    rewards = []
    for report in finetune(model, tokenizer, pairs(), reward_funcs=share_of_wanted, max_steps=25, **FAST):
        rewards.append(report.means()["reward"])
    assert len(rewards) == 25
    assert rewards[0] < 0.2
    assert rewards[-1] > 0.7
    assert not any(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
    answer = pipeline("text-generation", model=model, tokenizer=tokenizer)(
        pairs(1)[0]["prompt"], max_new_tokens=8, do_sample=False, return_full_text=False
    )
    assert answer[0]["generated_text"].startswith("eeee")


def test_it_trains_as_the_command_does(model, tokenizer, folder, tmp_path):
    """The same settings, rows and seed, the same numbers: evaluations before, on the way and at the end included."""
    settings = {"max_steps": 4, "eval_steps": 2, "num_generations": 4, "per_device_train_batch_size": 8, "seed": 3}
    run = finetune(model, tokenizer, pairs(), reward_funcs=share_of_wanted, test_size=0.1, **settings, **FAST)
    ours = [run.before, *(report.means() for report in run)]
    flags = [word for name, value in (settings | FAST).items() for word in (f"--{name}", str(value))]
    data = save_rows(tmp_path / "pairs.jsonl", pairs())
    flags += ["--model-name-or-path", folder, "--dataset-name", data, "--test-size", "0.1"]
    flags += ["--reward-funcs", "tests.language.share_of_wanted", "--output-dir", str(tmp_path / "run")]
    assert main(flags) == 0
    theirs = [
        {name: value for name, value in row.items() if name not in ("run", "seed", "step")}
        for row in rows_of(tmp_path / "run")
    ]
    assert [step | {"step_time": 0} for step in ours] == [step | {"step_time": 0} for step in theirs]
    assert "eval_reward" in ours[2]
    assert "eval_reward" not in ours[3]
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model")
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), trained.parameters(), strict=True))


@pytest.mark.parametrize("method", ["sft", "dpo", IPO])
def test_methods_that_sample_nothing_need_no_reward_and_are_evaluated(method, model, tokenizer):
    try:
        run = finetune(
            model, tokenizer, pairs(30), eval_rows=pairs(40)[30:], method=method, max_steps=8, eval_steps=4, **FAST
        )
        reports = list(run)
        assert [len(report.batch) for report in reports] == [16] * 8  # the batch counts rows
        assert [report.step for report in reports if "eval_loss" in report.metrics] == [4, 8]
        last = reports[-1].means()
        assert last["eval_reference/logp_per_token"] > run.before["eval_reference/logp_per_token"] + 0.5
        if method != "sft":
            assert run.before["eval_rewards/accuracies"] == 0
            assert last["eval_rewards/accuracies"] == 1
        assert "eval_reward" not in last
        assert run.completions(reports[-1]) == []
    finally:
        METHODS.pop("ipo", None)


def test_a_method_may_be_defined_again_as_in_a_notebook_s_cell(model, tokenizer):
    try:
        for scale in (1.0, 2.0):
            mine = replace(IPO, kl_weight=scale)
            assert finetune(model, tokenizer, pairs(), method=mine, max_steps=1, **FAST).config.method == "ipo"
            assert METHODS["ipo"].kl_weight == scale
        with pytest.raises(ValueError, match="there is another method 'grpo' already"):
            finetune(model, tokenizer, pairs(), method=replace(IPO, name="grpo"), max_steps=1, **FAST)
    finally:
        METHODS.pop("ipo", None)


def test_prompts_alone_are_enough_for_grpo_and_grao_says_which_row_has_no_reference(model, tokenizer):
    alone = [{"prompt": row["prompt"], "wanted": "e"} for row in pairs()]
    common = {"reward_funcs": share_of_wanted, "eval_rows": alone[:4], "max_steps": 2, "eval_steps": 1, **FAST}
    with pytest.warns(UserWarning, match="4 of 40 rows are left out: their prompts are in eval_rows"):
        run = finetune(model, tokenizer, alone, method="grpo", **common)
    reports = list(run)
    assert set(run.before) == {"eval_reward"}
    assert not {name for report in reports for name in report.means() if name.startswith("reference/")}
    with pytest.raises(ValueError, match="grao needs a reference answer in every row, and row 1 of rows has none"):
        finetune(model, tokenizer, alone, **(common | {"eval_rows": None}))


def test_the_default_is_one_pass_through_the_rows(model, tokenizer):
    run = finetune(model, tokenizer, pairs(), reward_funcs=share_of_wanted, **FAST)
    assert len(run) == run.config.max_steps == 20  # 40 rows, 2 prompts a step with 8 samples each
    next(run)
    assert len(run) == 19
    assert repr(run) == "Finetuning(step 1 of 20)"
    assert len(finetune(model, tokenizer, pairs(), method="sft", num_train_epochs=2, **FAST)) == 5  # 16 rows a step


def test_what_a_user_has_set_is_as_it_was_when_the_iterator_ends_breaks_or_was_never_started(folder, tokenizer):
    model = AutoModelForCausalLM.from_pretrained(folder, attention_dropout=0.1)
    model.train()
    model.lm_head.eval()
    model.model.embed_tokens.requires_grad_(False)  # tied: the head is frozen too
    state = (model.config.to_dict(), model.generation_config.to_dict(), str(tokenizer), tokenizer.chat_template)

    def condition():
        modes = [module.training for module in model.modules()]
        dropout = [layer.self_attn.attention_dropout for layer in model.model.layers]
        grads = [(p.requires_grad, p.grad is None) for p in model.parameters()]
        return modes, dropout, grads, torch.backends.cuda.cudnn_sdp_enabled(), torch.get_num_threads()

    before, rng = condition(), torch.random.get_rng_state()
    frozen = model.model.embed_tokens.weight.clone()
    run = finetune(model, tokenizer, pairs(), reward_funcs=share_of_wanted, gradient_checkpointing=True, **FAST)
    assert condition() == before
    next(run)
    assert condition() != before  # control: in evaluation mode, without dropout
    assert model.model.layers[0].self_attn.attention_dropout == 0
    run.close()
    assert condition() == before
    assert list(run) == []
    for report in finetune(model, tokenizer, pairs(), reward_funcs=share_of_wanted, **FAST):
        if report.step == 2:
            break
    assert condition() == before  # nobody holds the iterator any more

    def fails(completions, trainer_state, **columns):
        if trainer_state.global_step == 1:
            raise RuntimeError("out of order")
        return [0.0] * len(completions)

    with pytest.raises(ValueError, match="'fails' raised RuntimeError: out of order"):
        list(finetune(model, tokenizer, pairs(), reward_funcs=fails, **FAST))
    assert condition() == before
    assert state == (
        model.config.to_dict(), model.generation_config.to_dict(), str(tokenizer), tokenizer.chat_template
    )  # fmt: skip
    assert torch.equal(frozen, model.model.embed_tokens.weight)
    assert torch.equal(rng, torch.random.get_rng_state())
    assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def test_a_new_adapter_is_trained_and_the_model_s_own_weights_stay(model, tokenizer):
    before = {name: p.clone() for name, p in model.named_parameters()}
    list(finetune(model, tokenizer, pairs(), method="sft", use_peft=True, lora_r=4, max_steps=3, **FAST))
    assert model.peft_config["default"].r == 4
    after = {name.replace(".base_layer", ""): p for name, p in model.named_parameters()}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(p.abs().sum() > 0 for name, p in after.items() if "lora_B" in name)


def test_the_dropout_of_an_adapter_depends_on_the_seed_alone_and_the_user_s_random_numbers_go_on(model, tokenizer):
    def losses(seed):
        copied = copy.deepcopy(model)
        settings = {"method": "sft", "use_peft": True, "lora_dropout": 0.3, "max_steps": 4, "seed": seed}
        found = []
        for report in finetune(copied, tokenizer, pairs(), **settings, **FAST):
            found.append(report.means()["loss"])
            torch.rand(len(found))  # what a user draws between two steps
        return found

    torch.manual_seed(5)
    first, drawn = losses(0), torch.rand(3)
    assert losses(0) == first
    assert losses(1) != first
    torch.manual_seed(5)
    for count in (1, 2, 3, 4):
        torch.rand(count)
    assert torch.equal(drawn, torch.rand(3))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft's own
def test_a_peft_model_s_adapter_is_trained_in_its_place(model, tokenizer):
    from peft import LoraConfig, get_peft_model

    base = copy.deepcopy(model)
    settings = LoraConfig(task_type="CAUSAL_LM", r=4, lora_dropout=0.1, target_modules=["q_proj", "v_proj"])
    wrapped = get_peft_model(model, settings).train()
    list(finetune(wrapped, tokenizer, pairs(), method="dpo", max_steps=3, **FAST))
    assert any(p.abs().sum() > 0 for name, p in wrapped.named_parameters() if "lora_B" in name)
    with wrapped.disable_adapter():
        ids = torch.arange(4, 12)[None]
        torch.testing.assert_close(wrapped(ids).logits, base(ids).logits)
    drops = [module for module in wrapped.modules() if isinstance(module, torch.nn.Dropout)]
    assert drops
    assert all(drop.training and drop.p == 0.1 for drop in drops)  # as the user had it
    assert settings.lora_dropout == 0.1
    merged = wrapped.merge_and_unload()
    assert not getattr(merged, "_hf_peft_config_loaded", False)  # `save_pretrained` would write an adapter


def test_rewards_may_be_several_names_and_functions_with_weights_and_what_they_log_is_in_the_report(model, tokenizer):
    def short(completions, log_metric, log_extra, **columns):
        log_metric("kinds", len({completion[0]["content"] for completion in completions}))
        log_extra("letters", [len(completion[0]["content"]) for completion in completions])
        return [-len(completion[0]["content"]) for completion in completions]

    run = finetune(
        model, tokenizer, pairs(), reward_funcs=["exact", short], reward_weights=[1, 0.5], max_steps=1,
        num_generations=4, per_device_train_batch_size=8, test_size=0.1, **FAST,
    )  # fmt: skip
    (report,) = run
    means, rows = report.means(), run.completions(report)
    assert {"rewards/exact/mean", "rewards/short/mean", "kinds", "eval_kinds"} <= set(means)
    assert list(rows[0]) == ["step", "prompt", "completion", "exact", "short", "advantage", "letters"]
    assert (
        [row["letters"] for row in rows] == [len(row["completion"]) for row in rows] == [-row["short"] for row in rows]
    )
    assert means["reward"] == pytest.approx(means["rewards/exact/mean"] + 0.5 * means["rewards/short/mean"])
    assert repr(report).startswith("Report(step=1, loss=")


@pytest.mark.parametrize("name", ["reward", "reference/logp_per_token", "mine"])
def test_what_a_reward_function_logs_is_never_counted_as_the_evaluation_s_own_metric(name, model, tokenizer):
    def zero(completions, log_metric, **columns):
        log_metric(name, 100)
        return [0.0 for _ in completions]

    def begin():
        rows = {"eval_rows": pairs()[:4], "reward_funcs": zero}
        with pytest.warns(UserWarning, match="their prompts are in eval_rows"):
            return finetune(model, tokenizer, pairs(), method="sft", max_steps=1, **rows, **FAST)

    if name == "mine":
        before = begin().before
        assert (before["eval_reward"], before["eval_mine"]) == (0.0, 100.0)
    else:
        with pytest.raises(ValueError, match=f"logs the metric '{name}', which an evaluation has itself; rename it"):
            begin()


def test_an_asynchronous_reward_works_in_a_notebook_s_running_loop(model, tokenizer):
    async def waits(completions, **columns):
        await asyncio.sleep(0)
        return [float(len(completion[0]["content"])) for completion in completions]

    async def cell():
        return [report.step for report in finetune(model, tokenizer, pairs(), reward_funcs=waits, max_steps=2, **FAST)]

    assert asyncio.run(cell()) == [1, 2]


def test_rows_of_every_kind_are_read_and_none_is_changed(model, tokenizer, tmp_path):
    datasets = pytest.importorskip("datasets")
    file = save_rows(tmp_path / "texts.jsonl", texts())
    for rows in (texts(), tuple(texts()), iter(texts()), datasets.Dataset.from_list(texts()), load_rows(file)):
        run = finetune(model, tokenizer, rows, method="sft", max_steps=1, **FAST)
        assert "Data: rows, 40 rows to train on, 0 held out, 0 dropped as too long." in run.notes
    mine = [row | {"tests": {"cases": []}} for row in pairs()]

    def spoils(completions, tests, **columns):
        for test in tests:
            test["cases"].append("spoiled")
        return [0.0] * len(completions)

    before = copy.deepcopy(mine)
    list(finetune(model, tokenizer, mine, reward_funcs=spoils, max_steps=2, **FAST))
    assert mine == before


def test_rows_that_are_left_out_are_said(model, tokenizer):
    long = [*pairs(), pairs(1)[0] | {"prompt": [{"role": "user", "content": "long one " * 4}]}]
    with pytest.warns(UserWarning, match=r"1 of 41 rows are left out, as too long \(max_prompt_length 20, max_comp"):
        finetune(model, tokenizer, long, method="sft", max_prompt_length=20, max_steps=1, **FAST)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lerning_rate": 1e-3}, "finetune has the unknown key 'lerning_rate'; did you mean learning_rate?"),
        ({"use_vllm": True, "lr": 1}, "use_vllm: not here"),
        ({"output_dir": "x"}, r"finetune has no output_dir: nothing is written; model.save_pretrained\(folder\)"),
        ({"report_to": "wandb"}, "finetune has no report_to: the reports are yours to log"),
        ({"device": "cuda"}, "finetune has no device: the model is trained where it is"),
        ({"dataset_name": "gsm8k"}, "finetune has no dataset_name: the rows are the third argument"),
        ({"max_steps": 0}, "max_steps must be a finite number > 0, got 0"),
        ({"per_device_train_batch_size": 12}, "must be a multiple of num_generations"),
        ({"method": "grpoo"}, "unknown method 'grpoo'; did you mean grpo?"),
        ({"reward_funcs": ()}, "grao samples answers, and nothing scores them: give finetune reward_funcs"),
        ({"reward_funcs": "exacct"}, "unknown reward function 'exacct'; did you mean exact?"),
        ({"reward_funcs": [1]}, "reward_funcs must be functions or their names, one or a list; got 1"),
        ({"reward_funcs": torch.nn.Linear(1, 1)}, "reward_funcs has a model: give its folder or hub id"),
        ({"reward_weights": [1, 2]}, r"1 reward functions \(share_of_wanted\) got 2 weights"),
        ({"eval_rows": pairs(2), "test_size": 0.1}, "eval_rows are given, and test_size would hold out others"),
        ({"eval_rows": pairs()}, "every prompt of rows is in eval_rows too: nothing is left to train on"),
        ({"rows": []}, "rows is empty: it has no rows"),
        ({"rows": "rows.jsonl"}, "rows must be a list of dictionaries or a datasets.Dataset, got str"),
        ({"rows": {"train": pairs()}}, r"of several splits, name one: rows\['train'\]"),
        ({"rows": [{"prompt": "a", "completion": "b"}, "c"]}, "row 2 of rows must be a dictionary, got str"),
        ({"rows": [{"prompt": "a", "completion": ""}]}, "row 1 of rows: completion is empty"),
        ({"model": "gpt2"}, r"the model must be loaded: AutoModelForCausalLM.from_pretrained\('gpt2'\)"),
        ({"model": torch.nn.Linear(1, 1)}, "the model must be one of transformers, got Linear"),
        ({"tokenizer": "gpt2"}, r"the tokenizer must be loaded: AutoTokenizer.from_pretrained\('gpt2'\)"),
        ({"tokenizer": object()}, "the tokenizer must be one of transformers, got object"),
    ],
)
@pytest.mark.usefixtures("without_shape_checks")
def test_what_can_not_be_trained_is_refused_at_the_call_in_one_line(changes, message, model, tokenizer):
    before, mode = copy.deepcopy(model.state_dict()), model.training
    arguments = {"model": model, "tokenizer": tokenizer, "rows": pairs(), "reward_funcs": share_of_wanted, **FAST}
    with pytest.raises(ValueError, match=message) as error:
        finetune(**(arguments | changes))
    assert "\n" not in str(error.value)
    assert model.training == mode
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.usefixtures("without_shape_checks")
def test_models_that_nothing_can_be_trained_of_are_refused_and_half_precision_is_warned_of(model, tokenizer):
    common = {"tokenizer": tokenizer, "rows": pairs(), "method": "sft", "max_steps": 1, **FAST}
    tiny = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    with pytest.raises(
        ValueError, match="must be a causal language model, such as AutoModelForCausalLM loads, got Ber"
    ):
        finetune(model=BertModel(BertConfig(**tiny)), **common)
    with pytest.raises(ValueError, match="no parameter of the model has requires_grad"):
        finetune(model=copy.deepcopy(model).requires_grad_(False), **common)
    with torch.device("meta"):
        absent = type(model)(model.config)
    with pytest.raises(ValueError, match="the model must be on one device, and is on meta"):
        finetune(model=absent, **common)
    with pytest.warns(UserWarning, match="trained weights are bfloat16, which rounds away small steps"):
        finetune(model=copy.deepcopy(model).to(torch.bfloat16), **common)
    finetune(model=copy.deepcopy(model).to(torch.bfloat16), **common, use_peft=True, lora_r=2)  # an adapter is float32


def test_every_setting_of_the_command_is_taken_or_refused_by_name():
    assert set(ELSEWHERE) <= {field.name for field in fields(Config)} | {"merge_adapter", "dataset_test_name"}


def test_the_door_is_open_without_loading_what_is_behind_it():
    code = (
        "import sys, grao_ref; "
        "assert 'finetune' in grao_ref.__all__ and 'finetune' in dir(grao_ref); "
        "assert not {'torch', 'transformers'} & set(sys.modules), 'not yet'; "
        "sys.modules['torch'] = None; from grao_ref import finetune"  # an import of torch is an error there
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: import of torch halted")
    assert grao_ref.finetune is finetune
