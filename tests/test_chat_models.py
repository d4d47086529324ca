"""Chat models as people bring them, from the command line: how turns end, what a template refuses, what rewards see."""

import json
import re

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    MambaConfig,
    MambaForCausalLM,
    RwkvConfig,
    RwkvForCausalLM,
    pipeline,
)

from grao_ref.policies.build import encoder_of, language_policy
from grao_ref.reward_head import main as reward_head
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.text import template
from grao_ref.train import main
from grao_ref.training.loop import train
from tests import cases
from tests.cases import byte_tokenizer, chats, piece_tokenizer, save_model, save_rows

CPU = torch.device("cpu")
SIZES = ["--num-generations", "4", "--per-device-train-batch-size", "8", "--max-steps", "2", "--max-eval-prompts", "2"]
LONGEST = 32


def config_of(model, data, **more) -> Config:
    settings = {"num_generations": 4, "per_device_train_batch_size": 16, "max_eval_prompts": 4, "device": "cpu"} | more
    rewards = settings.pop("reward_funcs", ("tests.cases.same_as_reference",))
    return Config(
        model_name_or_path=model, dataset_name=data, reward_funcs=rewards, max_completion_length=LONGEST, **settings
    )


def command(model, data, folder, *more, reward="tests.cases.same_as_reference") -> list[str]:
    names = ["--model-name-or-path", model, "--dataset-name", data, "--output-dir", str(folder), "--device", "cpu"]
    return [*names, "--reward-funcs", reward, "--max-completion-length", str(LONGEST), *SIZES, *more]


def refusal(capsys, *arguments, command=main) -> str:
    """The one line with which a command refuses to begin."""
    capsys.readouterr()  # what the test itself has written
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(command([*arguments]))
    assert stopped.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert line.startswith("error: ")
    return line


@pytest.fixture
def data(tmp_path):
    return save_rows(tmp_path / "chats.jsonl", chats())


def cut_off(setup) -> float:
    """The share of sampled answers that did not end before the longest length."""
    ended = [
        samples.ended.float()
        for _, samples in setup.evaluation.held_out.sampled(setup.policy, num_generations=128, temperature=1.0, size=4)
    ]
    return 1 - torch.cat(ended).mean().item()


@pytest.fixture(scope="module")
def stopping(tmp_path_factory):
    """Two models that have learned to end a turn, by the template: with a token that is not eos, and with eos."""
    folders = {}
    for kind, eos in (("turns", "<eos>"), ("same", "<stop>")):
        place = tmp_path_factory.mktemp(kind)
        data = save_rows(place / "chats.jsonl", chats(20))
        model = save_model(place / "base", byte_tokenizer(eos=eos), eos=sorted({eos, "<stop>"}))
        setup = prepare(config_of(model, data, method="sft", max_steps=120, learning_rate=1e-2))
        for _ in train(setup.task, setup.policy, setup.config):
            pass
        setup.policy.save(place / "model")
        setup.save(place / "model")
        folders[kind] = str(place / "model"), data
    return folders


@pytest.mark.parametrize("method", ["sft", "grao"])
@pytest.mark.parametrize("kind", ["turns", "same"])
def test_a_model_that_ends_its_turns_keeps_ending_them_whether_or_not_with_eos(kind, method, stopping):
    setup = prepare(config_of(*stopping[kind], method=method, max_steps=16, learning_rate=3e-3))
    assert cut_off(setup) < 0.05
    for _ in train(setup.task, setup.policy, setup.config):
        pass
    assert cut_off(setup) < 0.05


@pytest.mark.parametrize("method", ["sft", "grao"])
def test_control_turns_closed_with_eos_unteach_a_model_to_stop(method, stopping, monkeypatch):
    """As it was before: every reference ends with eos, which the template never writes.

    SFT unlearns the end of a turn within ten steps, and within forty learns to write eos in its place.
    """
    monkeypatch.setattr(template, "first_special", lambda tokenizer, text: ("", None, None))
    steps = {"sft": 10, "grao": 16}[method]
    setup = prepare(config_of(*stopping["turns"], method=method, max_steps=steps, learning_rate=3e-3))
    assert cut_off(setup) < 0.05
    for _ in train(setup.task, setup.policy, setup.config):
        pass
    assert cut_off(setup) > 0.25


def test_a_trained_model_stops_in_a_pipeline_where_its_training_stopped(tmp_path):
    """Its own generation config names eos alone, as base models' do; the saved one names the end of a turn too."""
    model = save_model(tmp_path / "model", byte_tokenizer(), eos="<eos>")
    data = save_rows(tmp_path / "chats.jsonl", [row | {"completion": "City"} for row in chats(8)])
    flags = ["--max-steps", "40", "--learning-rate", "1e-2", "--eval-steps", "40", "--method", "sft"]
    assert main(command(model, data, tmp_path / "run", *flags)) == 0
    folder = str(tmp_path / "run" / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    stop, eos = tokenizer.convert_tokens_to_ids(["<stop>", "<eos>"])
    assert AutoModelForCausalLM.from_pretrained(model).generation_config.eos_token_id == eos  # control
    assert sorted(AutoModelForCausalLM.from_pretrained(folder).generation_config.eos_token_id) == sorted([stop, eos])
    generate = pipeline("text-generation", model=folder, device="cpu")
    (answer,) = generate(chats(1)[0]["prompt"], max_new_tokens=LONGEST, do_sample=False)
    assert answer["generated_text"][-1] == {"role": "assistant", "content": "City"}


TEMPLATES = ["TURNS", "THINKING", "HEADERS", "ALTERNATING", "INST", "TWO_ENDS", "PLAIN"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_references_end_as_the_template_ends_a_turn_and_the_sampler_stops_there(name, tmp_path, data):
    for make in (byte_tokenizer, piece_tokenizer):
        model = save_model(tmp_path / make.__name__, make(getattr(cases, name)))
        setup = prepare(config_of(model, data))
        task = setup.task
        ends = {example.reference[-1] for example in task.examples}
        assert ends <= set(setup.policy.eos_ids.tolist())
        assert all(ids.count(end) == 1 for end in ends for ids in (e.reference for e in task.examples))
        rows = task.rows(range(3))
        assert task.reward_references(rows).values.tolist() == [[[1.0]]] * 3
        decoded = task.reward(rows, rows.references.ids[:, None], rows.references.mask[:, None])
        assert decoded.values.tolist() == [[[1.0]]] * 3  # a sample with the reference's tokens earns as much


def test_every_row_of_a_pair_ends_its_turn(tmp_path):
    rows = [row | {"rejected": "No", "chosen": row["completion"]} for row in chats()]
    data = save_rows(tmp_path / "pairs.jsonl", [{k: v for k, v in row.items() if k != "completion"} for row in rows])
    model = save_model(tmp_path / "model", byte_tokenizer(cases.TWO_ENDS))
    task = prepare(config_of(model, data, method="dpo")).task
    stop = task.encoder.tokenizer.convert_tokens_to_ids("<stop>")
    assert {ids[-1] for example in task.examples for ids in (example.reference, example.rejected)} == {stop}


@pytest.mark.parametrize(
    "rows", [chats(20, system="Be brief."), [r | {"prompt": r["prompt"] * 2} for r in chats(20)]], ids=["system", "two"]
)
def test_a_conversation_that_the_template_refuses_is_one_line_with_its_row(rows, tmp_path, capsys):
    model = save_model(tmp_path / "model", byte_tokenizer(cases.ALTERNATING))
    rows = chats(20)[:6] + rows[6:]
    line = refusal(capsys, *command(model, save_rows(tmp_path / "rows.jsonl", rows), tmp_path / "run"))
    found = re.search(r"error: row (\d+): the chat template refuses this conversation \(TemplateError: ", line)
    assert found is not None
    assert int(found[1]) > 6
    assert not (tmp_path / "run").exists()
    assert main(command(model, save_rows(tmp_path / "good.jsonl", chats()), tmp_path / "run")) == 0  # control


def test_an_answer_begun_for_the_model_is_continued(tmp_path):
    model = save_model(tmp_path / "model", byte_tokenizer())
    task = prepare(config_of(model, save_rows(tmp_path / "begun.jsonl", chats(begun="My choice is")))).task
    tokenizer, example = task.encoder.tokenizer, task.examples[0]
    assert tokenizer.decode(example.prompt).endswith("[assistant] My choice is")
    assert tokenizer.decode(example.reference) == f"{example.row.reference}<stop>"
    assert example.row.reference.startswith(" City")


def test_thinking_is_written_as_the_template_writes_it_or_switched_off(tmp_path, data):
    model = save_model(tmp_path / "model", byte_tokenizer(cases.THINKING))
    for options, empty_thoughts_in in ((None, "reference"), ({"enable_thinking": False}, "prompt")):
        task = prepare(config_of(model, data, chat_template_kwargs=options)).task
        texts = {
            name: task.encoder.tokenizer.decode(getattr(task.examples[0], name)) for name in ("prompt", "reference")
        }
        assert {name: "<think>\n\n</think>" in text for name, text in texts.items()} == {
            "prompt": empty_thoughts_in == "prompt",
            "reference": empty_thoughts_in == "reference",
        }


def test_an_own_template_and_a_system_prompt_from_files_are_trained_on_and_the_template_is_saved(tmp_path, data):
    model = save_model(tmp_path / "model", byte_tokenizer(cases.ALTERNATING))
    (tmp_path / "own.jinja").write_text(cases.TWO_ENDS)
    (tmp_path / "system.txt").write_text("Be brief.\n")
    own = {"chat_template_path": str(tmp_path / "own.jinja"), "system_prompt": str(tmp_path / "system.txt")}
    flags = [word for name, value in own.items() for word in (f"--{name.replace('_', '-')}", value)]
    assert main(command(model, data, tmp_path / "run", *flags)) == 0
    assert AutoTokenizer.from_pretrained(tmp_path / "run" / "model").chat_template == cases.TWO_ENDS
    task = prepare(config_of(model, data, **own)).task
    text = task.encoder.tokenizer.decode(task.examples[0].prompt)
    assert text.startswith("<system>\nBe brief.<stop>\n<user>\nName capital")
    assert task.examples[0].row.prompt[0] == {"role": "system", "content": "Be brief."}  # rewards see it too


def test_an_own_template_leaves_the_tokenizer_that_was_given_as_it_is(tmp_path, data):
    tokenizer = byte_tokenizer(cases.ALTERNATING)
    (tmp_path / "own.jinja").write_text(cases.TWO_ENDS)
    model = AutoModelForCausalLM.from_pretrained(save_model(tmp_path / "model", tokenizer))
    config = config_of("x", data, chat_template_path=str(tmp_path / "own.jinja"))
    assert encoder_of(model, tokenizer, config).tokenizer.chat_template == cases.TWO_ENDS
    assert tokenizer.chat_template == cases.ALTERNATING


def test_a_system_prompt_for_text_is_refused(tmp_path, capsys):
    model = save_model(tmp_path / "model", byte_tokenizer())
    data = save_rows(tmp_path / "texts.jsonl", [{"prompt": f"Q{n}:", "completion": " A"} for n in range(20)])
    line = refusal(capsys, *command(model, data, tmp_path / "run", "--system-prompt", "Be brief."))
    assert ": system_prompt is put before conversations, and this prompt is text" in line


def test_tags_that_are_special_tokens_are_seen_in_references_said_and_seen_in_samples_on_request(tmp_path, capsys):
    model = save_model(tmp_path / "model", byte_tokenizer(None, extra=("<think>", "</think>")))
    rows = [{"prompt": f"Q{n}:", "completion": f"<think>{n}</think>{n}"} for n in range(20)]
    data = save_rows(tmp_path / "think.jsonl", rows)
    assert main(command(model, data, tmp_path / "run", reward="tests.cases.has_thoughts")) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "the held-out references score 1.000" in shown
    assert "18 references hold special tokens (</think>, <think>), which are cut out of sampled answers" in shown
    for skip, seen in ((True, 0.0), (False, 1.0)):
        setup = prepare(config_of(model, data, reward_funcs=("tests.cases.has_thoughts",), skip_special_tokens=skip))
        rows = setup.task.rows([0])
        sampled = setup.task.reward(rows, rows.references.ids[:, None], rows.references.mask[:, None])
        assert sampled.values.item() == seen
        assert setup.task.reward_references(rows).values.item() == 1.0
        assert any("special tokens" in note for note in setup.notes) == skip


@pytest.mark.parametrize("around", ["$A <eos>", "<bos> $A <eos>"])
def test_prompts_never_end_in_the_eos_that_the_tokenizer_appends(around, tmp_path):
    tokenizer = byte_tokenizer(None, around=around)
    model = save_model(tmp_path / "model", tokenizer)
    data = save_rows(tmp_path / "texts.jsonl", [{"prompt": f"Q{n}:", "completion": " A"} for n in range(20)])
    task = prepare(config_of(model, data)).task
    eos, bos = tokenizer.convert_tokens_to_ids(["<eos>", "<bos>"])
    for example in task.examples:
        assert eos not in example.prompt
        assert (example.prompt[0] == bos) == ("<bos>" in around)
        assert example.reference.index(eos) == len(example.reference) - 1
    assert tokenizer("Q1:")["input_ids"][-1] == eos  # control


def test_ids_beyond_the_embeddings_are_one_line_with_row_and_token(tmp_path, capsys):
    tokenizer = byte_tokenizer(None, extra=("<answer>",))
    rows = [{"prompt": f"{'<answer>' if n == 4 else ''} Q{n}:", "completion": " A"} for n in range(20)]
    data = save_rows(tmp_path / "rows.jsonl", rows)
    model = save_model(tmp_path / "model", tokenizer, rows=len(tokenizer) - 1)
    line = refusal(capsys, *command(model, data, tmp_path / "run"))
    assert f"row 5: the token '<answer>' has the id {len(tokenizer) - 1}, and the model has" in line
    assert not (tmp_path / "run").exists()
    model = save_model(tmp_path / "large", tokenizer)
    assert main(command(model, data, tmp_path / "run")) == 0  # control


def test_a_prompt_that_the_answer_does_not_stand_behind_is_one_line(tmp_path, data, capsys):
    model = save_model(tmp_path / "model", byte_tokenizer(cases.FORCED))
    line = refusal(capsys, *command(model, data, tmp_path / "run"))
    assert r": the chat template writes '<think>\n' before an answer is generated" in line
    assert "chat_template_kwargs" in line
    assert "chat_template_path" in line


def nested_folder(folder) -> str:
    """A multimodal class whose text settings stand in config.text_config."""
    tokenizer = byte_tokenizer()
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = Gemma3Config(
        text_config={"vocab_size": len(tokenizer), **small, "num_key_value_heads": 2, "head_dim": 8},
        vision_config={**small, "num_hidden_layers": 1, "image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
    )
    torch.manual_seed(0)
    Gemma3ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("method", ["sft", "grao", "ppo"])
def test_a_multimodal_class_is_trained_as_a_text_model(method, tmp_path, data):
    model = nested_folder(tmp_path / "model")
    flags = ["--method", method, "--learning-rate", "1e-2"]
    assert main(command(model, data, tmp_path / "run", *flags, reward="tests.cases.as_long")) == 0
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model")
    assert type(trained) is Gemma3ForConditionalGeneration
    changed = {
        name.split(".")[1]
        for (name, new), old in zip(
            trained.named_parameters(), AutoModelForCausalLM.from_pretrained(model).parameters(), strict=True
        )
        if not torch.equal(new, old)
    }
    assert changed == {"language_model"}


def pairs(folder) -> str:
    rows = [{"prompt": r["prompt"], "chosen": r["completion"], "rejected": f"No {n}"} for n, r in enumerate(chats())]
    return save_rows(folder / "pairs.jsonl", rows)


def test_a_reward_head_reads_a_multimodal_class(tmp_path):
    model = nested_folder(tmp_path / "model")
    flags = ["--model-name-or-path", model, "--dataset-name", pairs(tmp_path), "--l2", "0.1", "--device", "cpu"]
    assert reward_head([*flags, "--output-dir", str(tmp_path / "head")]) == 0
    head = json.loads((tmp_path / "head" / "head.json").read_text())
    assert head["pairs"]["used"] == 20


@pytest.mark.parametrize("kind", ["mamba", "rwkv"])
def test_models_with_a_state_are_one_line_in_training_and_in_reward_heads(kind, tmp_path, data, capsys):
    tokenizer = byte_tokenizer()
    size = {"vocab_size": len(tokenizer), "hidden_size": 64, "num_hidden_layers": 2}
    made = (
        MambaForCausalLM(MambaConfig(**size))
        if kind == "mamba"
        else RwkvForCausalLM(RwkvConfig(**size, context_length=64))
    )
    made.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    line = refusal(capsys, *command(str(tmp_path / "model"), data, tmp_path / "run"))
    assert f"models of the architecture {kind} can't be trained here: sampling a group from one prompt's cache" in line
    flags = ["--model-name-or-path", str(tmp_path / "model"), "--dataset-name", pairs(tmp_path), "--device", "cpu"]
    line = refusal(capsys, *flags, "--output-dir", str(tmp_path / "head"), command=reward_head)
    assert f"a reward head needs a model of another architecture than {kind}: features of several answers" in line


@pytest.mark.parametrize("architecture", ["qwen2", "llama", "gpt2", "mistral"])
def test_a_model_folder_without_a_tokenizer_says_so(architecture, tmp_path, data, capsys):
    from transformers import AutoConfig

    small = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2, "vocab_size": 64}
    small |= {"intermediate_size": 32, "num_key_value_heads": 2} if architecture != "gpt2" else {}
    config = AutoConfig.for_model(architecture, **small)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    line = refusal(capsys, *command(str(tmp_path / "model"), data, tmp_path / "run"))
    assert f"{str(tmp_path / 'model')!r} has no tokenizer: a model needs its tokenizer's files" in line


def test_a_policy_without_rows_stops_at_the_template_s_end_too(tmp_path, data):
    model = save_model(tmp_path / "model", byte_tokenizer(cases.TWO_ENDS), eos="<eos>")
    policy, tokenizer = language_policy(config_of(model, data), CPU)
    assert sorted(policy.eos_ids.tolist()) == sorted(tokenizer.convert_tokens_to_ids(["<eos>", "<stop>"]))
    assert sorted(policy.model.generation_config.eos_token_id) == sorted(policy.eos_ids.tolist())
