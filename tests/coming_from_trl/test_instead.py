"""What stands here instead of TRL's settings: data, model, rewards and folders. (test_words.py refuses TRL's names.)"""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import get_token
from transformers import AutoModelForCausalLM

from grao_ref import finetune
from grao_ref.data.splits import rows_of
from grao_ref.policies.build import language_policy
from grao_ref.rewards.load import load_scorer
from grao_ref.runs.trackers import tracker_of
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.training.machine import choose_device
from tests.cases import HEADERS
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, said, ten, texts, weights
from tests.command import parse
from tests.language import save_rows
from tests.rewards.tiny import classifier_folder

row = scripts_of("INSTEAD")
SFT = {"method": "sft", **SMALL}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory, file):
    """Two steps of the command, with nothing asked for but a tracker: no checkpoint, no evaluation on the way."""
    from grao_ref.train import main

    folder = tmp_path_factory.mktemp("runs") / "plain"
    words = ["--dataset-name", file, "--method", "sft", "--report-to", "tensorboard", "--eval-steps", "100"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("grao_ref.runs.train_command.draw", lambda *_: None)
        assert main([*words, "--max-steps", "2", "--output-dir", str(folder)]) == 0
    return folder


@row("eval_strategy=steps evaluation_strategy=steps do_eval=true", "eval_steps; there is always an evaluation")
def test_eval_steps_says_when_and_the_first_and_last_are_always_evaluated(plain_run, a_run, metrics_of):
    assert [e["step"] for e in metrics_of(plain_run) if "eval_loss" in e] == [0, 2]
    assert [e["step"] for e in metrics_of(a_run) if "eval_reward" in e] == [0, 1, 2]  # eval_steps 1


@row("save_strategy=steps", "save_steps; 0 saves the final model only")
def test_save_steps_says_when(plain_run, a_run):
    for folder, count in ((plain_run, 0), (a_run, 2)):
        assert len(list(folder.glob("checkpoint-*"))) == count
        assert (folder / "model" / "model.safetensors").exists()


@row("logging_dir", "output_dir; event files are in its folder tensorboard")
def test_event_files_are_in_the_run_s_folder(plain_run, a_run):
    assert list((plain_run / "tensorboard").glob("events.*"))
    assert not (a_run / "tensorboard").exists()  # control: no tracker


@row("num_sample_generations", "eval_steps; samples are written at every evaluation")
def test_samples_are_written_at_every_evaluation(a_run):
    files = sorted((a_run / "completions").iterdir())
    assert len(files) == 2
    entries = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert len(entries) == 8
    assert {"prompt", "completion", "exact", "advantage"} <= set(entries[0])


@row("sft_model_path", "model_name_or_path")
def test_a_model_that_sft_trained_is_where_the_next_method_begins(plain_run):
    policy, _ = language_policy(Config(model_name_or_path=str(plain_run / "model")), CPU)
    trained = AutoModelForCausalLM.from_pretrained(plain_run / "model")
    assert torch.equal(weights(policy.model), weights(trained))
    assert not torch.equal(weights(policy.model), weights(language_policy(Config(), CPU)[0].model))


@row("max_length max_seq_length", "max_prompt_length and max_completion_length")
def test_rows_with_longer_prompts_or_answers_are_left_out_whole(model, tokenizer):
    rows = ten("prompt", "completion")
    rows[0]["prompt"], rows[1]["completion"] = "1234567=", "1234567"
    given = SFT | {"max_prompt_length": 6, "max_completion_length": 6}
    with pytest.warns(UserWarning, match="2 of 10 rows are left out, as too long"):
        run = finetune(model, tokenizer, rows, **given)
    (report,) = run
    assert all(len(text) == 6 for text in texts(tokenizer, report.batch.prompts))


@row("max_new_tokens response_length", "max_completion_length")
def test_no_sample_is_longer(model, tokenizer):
    given = {"reward_funcs": "exact", "method": "grpo", **SMALL}
    for limit in (2, 4):
        rows = ten("prompt", "solution")
        (report,) = finetune(model, tokenizer, rows, **given | {"max_completion_length": limit})
        assert report.batch.samples.mask.sum(-1).max() == limit


@row("torch_dtype=float32", "dtype")
@row("model_init_kwargs", "dtype, attn_implementation and trust_remote_code")
def test_how_a_model_is_loaded_has_settings_of_its_own(tmp_path, embedded, tokenizer):
    loaded, _ = language_policy(Config(dtype="bfloat16", attn_implementation="eager"), CPU)
    assert (loaded.model.dtype, loaded.model.config._attn_implementation) == (torch.bfloat16, "eager")
    assert language_policy(Config(), CPU)[0].model.dtype == torch.float32
    embedded.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    described = json.loads((tmp_path / "config.json").read_text())
    described |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(described))
    (tmp_path / "own.py").write_text("raise RuntimeError('the code of the model ran')\n")
    for trusted, ran in ((False, False), (True, True)):
        with pytest.raises(ValueError, match=r"trust_remote_code|ran|own") as error:
            language_policy(Config(model_name_or_path=str(tmp_path), trust_remote_code=trusted), CPU)
        assert ("the code of the model ran" in str(error.value)) == ran


@row("fp16 half_precision_backend bf16_full_eval fp16_full_eval", "bf16, or dtype for the weights")
def test_bf16_is_the_precision_of_the_forward_pass_and_dtype_that_of_the_weights(tokenizer):
    ids = tokenizer("31524=", return_tensors="pt")["input_ids"]
    found = {}
    for bf16 in (False, True):
        policy, _ = language_policy(Config(bf16=bf16), CPU)
        assert policy.model.dtype == torch.float32
        assert policy.bf16 is bf16
        with torch.autocast("cpu", torch.bfloat16, enabled=policy.bf16):
            found[bf16] = policy.model(ids).logits.float()
    assert 0 < (found[True] - found[False]).abs().max() < 0.5
    assert language_policy(Config(dtype="float16", use_peft=True), CPU)[0].model.lm_head.weight.dtype == torch.float16


@row("use_cpu no_cuda", "device: cpu")
def test_the_device_is_a_setting(capsys):
    assert choose_device("cpu") == CPU
    assert language_policy(Config(), choose_device("cpu"))[0].device == CPU
    with pytest.raises(ValueError, match="device 'cuda:99' can't be used here"):
        choose_device("cuda:99")


@row("dataset_text_field=text", "a column text or messages is found by itself; --column maps other names")
def test_texts_and_messages_are_found_and_other_columns_named(chat):
    for rows, more in (([{"text": f"Say {n}"} for n in range(10)], {}),
                       ([{"messages": said(f"{n}?", "Yes")} for n in range(10)], {}),
                       ([{"story": f"Say {n}"} for n in range(10)], {"column": ["text=story"]})):  # fmt: skip
        assert next(finetune(*chat, rows, **SFT, **more)).step == 1
    with pytest.raises(ValueError, match=r"rows has the columns story; expected one of.*--column text=story"):
        finetune(*chat, rows, **SFT)


@row("datasets dataset_mixer", "dataset_name; one data set a run")
@row("test_split_size", "test_size")
def test_one_data_set_is_named_and_a_share_of_it_held_out(file):
    for share in (0.3, 0.5):
        training, held_out = rows_of(Config(dataset_name=str(file), test_size=share))
        assert (len(training), len(held_out)) == (10 - 10 * share, 10 * share)


@row("reward_model_name_or_path reward_model_path", "reward_funcs: the reward model's folder or id")
def test_a_reward_model_is_one_of_the_reward_functions(tmp_path):
    folder = classifier_folder(tmp_path / "judge")
    scorer = load_scorer((str(folder), "exact"))
    assert list(scorer.functions) == ["judge", "exact"]
    scores = scorer(["a"], ["b"], references=["b"], columns={})
    assert isinstance(scores.parts["judge"][0], float)


@row("chat_template", "chat_template_path")
@row("tokenizer_name_or_path", "model_name_or_path; the tokenizer lies in the model's folder")
def test_the_template_is_that_of_the_model_s_folder_or_of_a_file(chat_folder, tmp_path):
    rows = save_rows(tmp_path / "ten.jsonl", [{"messages": said(f"{n}?", "Yes")} for n in range(10)])
    other = tmp_path / "other.jinja"
    other.write_text(HEADERS)
    named = Config(model_name_or_path=chat_folder, dataset_name=rows, method="sft", max_completion_length=24)
    for path, begins in ((None, "[user] "), (str(other), "<bos><head>user</head>")):
        setup = prepare(Config(**{**vars(named), "chat_template_path": path}))
        tokenizer = setup.task.encoder.tokenizer
        (first, *_) = texts(tokenizer, setup.task.draw(torch.Generator()).prompts)
        assert first.startswith(begins)


@row("exp_name", "run_name")
@row("wandb_project", "the environment variable WANDB_PROJECT; the project is grao_ref otherwise")
@row("project", "the environment variable TRACKIO_PROJECT; the project is grao_ref otherwise")
@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_s_run_has_a_name_and_its_project_comes_from_the_environment(name, tmp_path, monkeypatch):
    opened = []
    client = SimpleNamespace(init=lambda **given: opened.append(given) or SimpleNamespace(finish=lambda: None))
    monkeypatch.setitem(sys.modules, name, client)
    monkeypatch.delenv(f"{name.upper()}_PROJECT", raising=False)
    config = Config(report_to=(name,), run_name="mine")
    tracker_of(config, tmp_path)
    monkeypatch.setenv(f"{name.upper()}_PROJECT", "ours")
    tracker_of(config, tmp_path)
    assert [(each["project"], each["name"]) for each in opened] == [("grao_ref", "mine"), ("ours", "mine")]


@row("hub_token", "the environment variable HF_TOKEN")
def test_the_hub_s_token_comes_from_the_environment(monkeypatch):
    """huggingface_hub's own `get_token`, which `push_to_hub` asks before a run starts."""
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
    assert get_token() == "hf_of_the_environment"


@row("env", "environment variables are set in the shell")
def test_a_variable_of_the_shell_is_seen_and_one_of_a_file_is_not_set(monkeypatch, tmp_path):
    scorer = load_scorer(["tests.coming_from_trl.rewards.number_in_the_shell"])
    monkeypatch.setenv("MY_NUMBER", "2.5")
    assert scorer(["a"], ["b"], references=["b"], columns={}).total == [2.5]
    (tmp_path / "trl.yaml").write_text("env: {MY_NUMBER: 7}\n")
    with pytest.raises(SystemExit):
        parse(["--config", str(tmp_path / "trl.yaml")])
    assert scorer(["a"], ["b"], references=["b"], columns={}).total == [2.5]
