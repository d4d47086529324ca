"""The page *Coming from TRL* beside TRL itself: its trainers and arguments, defaults, rewards, and a model it made.

What the page says of this package is proved by tests/coming_from_trl.
"""

import inspect
import re
from dataclasses import fields

import pytest
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from grao_ref import finetune
from grao_ref.policies.embedded import tiny_model, tiny_tokenizer
from grao_ref.settings import trl_words
from tests.cases import byte_tokenizer, save_model
from tests.coming_from_trl.page import PAGE, written_rows
from tests.coming_from_trl.rewards import think_format_reward
from tests.coming_from_trl.ten import SMALL, said, ten
from tests.parity.tiny import COMMON, FOREIGN_WARNINGS
from tests.rewards.tiny import classifier_folder, tokenizer

trl, rewards = pytest.importorskip("trl"), pytest.importorskip("trl.rewards")
pytestmark = FOREIGN_WARNINGS
TABLES = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
WORDS = set(re.findall(r"\w+", " ".join([*re.findall(r"`([^`]+)`", TABLES), *trl_words.ARGUMENTS])))
TRAINERS = [name for name in dir(trl) if name.endswith("Trainer")]
OURS = ("SFTTrainer", "DPOTrainer", "GRPOTrainer")  # those that have a counterpart here
CONFIGS = {name: {each.name: each.default for each in fields(getattr(trl, name))} for name in
           ("GRPOConfig", "SFTConfig", "DPOConfig", "ModelConfig", "ScriptArguments")}  # fmt: skip


def test_every_trainer_is_on_the_page():
    assert len(TRAINERS) >= 6
    assert set(TRAINERS) <= WORDS
    assert "NoSuchTrainer" not in WORDS


@pytest.mark.parametrize("name", OURS)
def test_every_argument_of_a_trainer_that_we_have_is_on_the_page(name):
    arguments = set(inspect.signature(getattr(trl, name).__init__).parameters) - {"self"}
    assert "processing_class" in arguments
    assert arguments <= WORDS


def test_every_argument_that_finetune_answers_is_one_of_trl_s():
    """`finetune` has its own names for the others."""
    theirs = set().union(*(inspect.signature(getattr(trl, name).__init__).parameters for name in OURS))
    assert {name for names in trl_words.ARGUMENTS for name in names.split()} <= theirs
    assert {"model", "reward_funcs"} <= theirs


def test_the_page_s_column_of_defaults_is_trl_s():
    said_of = {row.name: row.says.split(" | ")[0] for row in written_rows() if row.table.endswith("another default")}
    grpo, model = CONFIGS["GRPOConfig"], CONFIGS["ModelConfig"]
    found = {
        "learning_rate": f"{grpo['learning_rate']}, in SFT {CONFIGS['SFTConfig']['learning_rate']}",
        "lr_scheduler_type": str(getattr(grpo["lr_scheduler_type"], "value", grpo["lr_scheduler_type"])),
        "num_train_epochs, max_steps": f"{grpo['num_train_epochs']:g} passes",
        "per_device_train_batch_size": str(grpo["per_device_train_batch_size"]),
        "max_completion_length": str(grpo["max_completion_length"]),
        "loss_type of GRPO": grpo["loss_type"],
        "gradient_checkpointing": {True: "on"}[grpo["gradient_checkpointing"]],
        "lora_dropout": str(model["lora_dropout"]),
        "lora_target_modules": {None: "chosen by peft"}[model["lora_target_modules"]],
        "dataset_test_split": CONFIGS["ScriptArguments"]["dataset_test_split"],
        "eval_steps": {"no": "no evaluation"}[str(getattr(grpo["eval_strategy"], "value", grpo["eval_strategy"]))],
        "save_steps": str(grpo["save_steps"]),
        "seed": str(grpo["seed"]),
    }
    assert found == said_of
    assert grpo["max_steps"] == -1
    assert CONFIGS["DPOConfig"]["learning_rate"] == grpo["learning_rate"]
    assert grpo["use_bias_correction_kl"] is True  # as "another meaning" has it


def test_a_reward_of_trl_s_by_its_dotted_path_is_our_stand_in(tmp_path):
    """The function that tests/coming_from_trl uses without TRL gives the same rewards as TRL's own."""
    made = byte_tokenizer()
    texts = ["<think>a</think>b", "<think>a", "b", "<think><think></think>", "<think>\n</think>\nb", "x<think></think>"]
    completions = [said("", text)[1:] for text in texts]
    assert rewards.think_format_reward(completions) == think_format_reward(completions)
    assert len(set(think_format_reward(completions))) == 2
    answers = [f"{'<think>a</think>' if n % 2 else ''}{n}" for n in range(10)]
    rows = [{"prompt": said(f"{n}?"), "completion": said("", text)[1:]} for n, text in enumerate(answers)]
    model = AutoModelForCausalLM.from_pretrained(save_model(tmp_path, made))
    given = SMALL | {"max_completion_length": 24, "per_device_train_batch_size": 40}
    (report,) = finetune(model, made, rows, reward_funcs="trl.rewards.think_format_reward", **given)
    assert report.means()["reference/reward"] == pytest.approx(0.5)


def test_a_function_that_trl_s_factory_makes_is_a_reward():
    """It asks for the tokens of the completions, which the trial before the first step does not have."""
    overlong = rewards.get_soft_overlong_punishment(max_completion_len=6, soft_punish_cache=3)
    given = {"method": "grpo", "reward_funcs": overlong, **SMALL}
    (report,) = finetune(tiny_model(), tiny_tokenizer(), ten("prompt"), **given)
    lengths = report.batch.samples.mask.sum(-1).flatten().tolist()
    wanted = overlong(completion_ids=[[0] * length for length in lengths])
    assert report.batch.rewards.outputs.flatten().tolist() == pytest.approx(wanted)
    assert min(wanted) < 0


def test_a_model_that_reward_trainer_made_is_a_reward(tmp_path):
    words = tokenizer()
    start = AutoModelForSequenceClassification.from_pretrained(classifier_folder(tmp_path / "start"))
    pairs = [{"prompt": "hello", "chosen": " yes", "rejected": " no"}] * 4
    trainer = trl.RewardTrainer(
        model=start,
        args=trl.RewardConfig(output_dir=str(tmp_path / "runs"), max_steps=2, **COMMON),
        train_dataset=Dataset.from_list(pairs),
        processing_class=words,
    )
    trainer.train()
    trainer.save_model(str(tmp_path / "made"))
    run = finetune(
        tiny_model(), tiny_tokenizer(), ten("prompt"), method="grpo", reward_funcs=str(tmp_path / "made"), **SMALL
    )
    (report,) = run
    judge = AutoModelForSequenceClassification.from_pretrained(tmp_path / "made")
    for entry in run.completions(report):
        read = words(entry["prompt"] + entry["completion"], return_tensors="pt")
        assert entry["made"] == pytest.approx(judge(**read).logits.item(), abs=1e-4)
