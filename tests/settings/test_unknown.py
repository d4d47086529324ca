"""TRL's YAML files and command lines: what is here is taken, and all the rest is answered at once."""

import pytest

from grao_ref.settings.unknown import UnknownNamesError, require_known
from tests.command import parse

GRPO = """
# as in TRL's recipes
model_name_or_path: Qwen/Qwen2.5-0.5B-Instruct
model_revision: main
dtype: bfloat16
attn_implementation: flash_attention_2
dataset_name: my/prompts
dataset_train_split: train
bf16: true
use_vllm: true
vllm_mode: colocate
vllm_gpu_memory_utilization: 0.3
do_eval: true
eval_strategy: steps
eval_steps: 50
gradient_accumulation_steps: 4
gradient_checkpointing: true
gradient_checkpointing_kwargs:
  use_reentrant: false
hub_model_id: me/model
hub_strategy: every_save
learning_rate: 1.0e-06
log_completions: true
log_level: info
logging_first_step: true
logging_steps: 5
logging_strategy: steps
lr_scheduler_type: cosine_with_min_lr
lr_scheduler_kwargs:
  min_lr_rate: 0.1
max_prompt_length: 512
max_completion_length: 1024
max_steps: -1
num_generations: 8
num_train_epochs: 1
output_dir: data/model
overwrite_output_dir: true
per_device_train_batch_size: 16
push_to_hub: false
report_to:
- wandb
- tensorboard
reward_funcs:
- my.rewards.accuracy
- my.rewards.format
reward_weights:
- 1.0
- 0.2
save_strategy: steps
save_steps: 100
save_total_limit: 1
seed: 42
temperature: 0.7
top_p: 0.9
scale_rewards: false
beta: 0.0
loss_type: dr_grpo
warmup_ratio: 0.1
"""
REFUSED_GRPO = {  # of the file above: what it is answered with
    "use_vllm": "not here: the trained model samples its answers itself",
    "vllm_mode": "not here: the trained model samples its answers itself",
    "vllm_gpu_memory_utilization": "not here: the trained model samples its answers itself",
    "hub_strategy": "not here: the final model is uploaded, when training has ended",
    "top_p": "not here: samples follow the policy's whole distribution",
    "scale_rewards": "not here: the advantages of a group are divided by",
}
HARMLESS_GRPO = {"model_revision", "do_eval", "eval_strategy", "gradient_checkpointing_kwargs", "log_level",
                 "logging_first_step", "logging_strategy", "save_strategy"}  # fmt: skip
SFT = """
model_name_or_path: HuggingFaceTB/SmolLM2-135M
torch_dtype: bfloat16
dataset_name: trl-lib/Capybara
max_length: 2048
packing: true
packing_strategy: bfd
assistant_only_loss: true
eos_token: <|im_end|>
optim: adamw_torch_fused
per_device_train_batch_size: 2
gradient_accumulation_steps: 8
num_train_epochs: 1.0
learning_rate: 2e-5
lr_scheduler_type: linear
warmup_steps: 20
weight_decay: 0.01
use_peft: true
lora_r: 32
lora_alpha: 16
lora_target_modules: all-linear
use_liger_kernel: false
dataloader_num_workers: 4
report_to: none
bf16: true
seed: 42
"""
DPO = """
model_name_or_path: Qwen/Qwen2-0.5B-Instruct
dataset_name: trl-lib/ultrafeedback_binarized
learning_rate: 5.0e-7
num_train_epochs: 1
per_device_train_batch_size: 2
max_steps: 1000
gradient_accumulation_steps: 8
gradient_checkpointing: true
eval_strategy: steps
eval_steps: 50
output_dir: Qwen2-0.5B-DPO
beta: 0.1
max_prompt_length: 512
max_length: 1024
precompute_ref_log_probs: true
label_smoothing: 0.0
f_divergence_type: reverse_kl
load_in_4bit: true
bnb_4bit_quant_type: nf4
optim: rmsprop
report_to: wandb
"""


def answered(arguments, capsys) -> dict[str, str]:
    """Name -> answer of the one list that a command line with unknown names gets."""
    with pytest.raises(SystemExit) as exit_:
        parse(arguments)
    assert exit_.value.code == 2
    head, *lines = capsys.readouterr().err.splitlines()
    assert head.startswith("error: ")
    assert f"has {len(lines)} names that are no settings here:" in head or f"have {len(lines)} names" in head
    return dict(line.strip().split(": ", 1) for line in lines)


def file_of(tmp_path, text: str, *without: str) -> str:
    path = tmp_path / "recipe.yaml"
    kept, skipping = [], False
    for line in text.splitlines():
        if not line.startswith((" ", "-")):
            skipping = line.split(":")[0] in without
        if not skipping:
            kept.append(line)
    path.write_text("\n".join(kept))
    return str(path)


def test_a_grpo_recipe_is_answered_at_once_and_runs_without_the_lines_that_are_named(tmp_path, capsys):
    answers = answered(["--config", file_of(tmp_path, GRPO), "--method", "grpo"], capsys)
    assert set(answers) == set(REFUSED_GRPO) | HARMLESS_GRPO
    for name, start in REFUSED_GRPO.items():
        assert answers[name].startswith(start), name
        assert "leave it out" not in answers[name]
    assert all(answers[name].endswith("(with this value, leave it out)") for name in HARMLESS_GRPO)
    config = parse(["--config", file_of(tmp_path, GRPO, *REFUSED_GRPO), "--method", "grpo"])
    note = capsys.readouterr().err
    assert note.startswith("note: ")
    assert all(name in note for name in HARMLESS_GRPO)
    assert (config.dtype, config.attn_implementation, config.bf16) == ("bfloat16", "flash_attention_2", True)
    assert (config.lr_scheduler_type, config.lr_scheduler_kwargs) == ("cosine_with_min_lr", {"min_lr_rate": 0.1})
    assert (config.num_train_epochs, config.warmup_ratio, config.logging_steps) == (1, 0.1, 5)
    assert (config.report_to, config.reward_weights) == (("wandb", "tensorboard"), (1.0, 0.2))
    assert (config.beta, config.loss_type, config.seed) == (0.0, "dr_grpo", 42)


def test_an_sft_recipe_is_answered_at_once(tmp_path, capsys):
    answers = answered(["--config", file_of(tmp_path, SFT)], capsys)
    assert answers["torch_dtype"] == "here: dtype"
    assert answers["max_length"] == "here: max_prompt_length and max_completion_length"
    assert answers["dataloader_num_workers"].startswith("not here: rows are read at once")
    for name in ("packing", "packing_strategy", "assistant_only_loss", "eos_token"):
        assert answers[name].startswith("not here: "), name
    assert {name for name, answer in answers.items() if answer.endswith("leave it out)")} == {
        "optim",
        "use_liger_kernel",
    }
    assert set(answers) == {"torch_dtype", "max_length", "packing", "packing_strategy", "assistant_only_loss",
                            "eos_token", "optim", "use_liger_kernel", "dataloader_num_workers"}  # fmt: skip
    config = parse(["--config", file_of(tmp_path, SFT, *answers), "--method", "sft"])
    assert (config.report_to, config.lora_target_modules) == (("none",), ("all-linear",))
    assert (config.lr_scheduler_type, config.warmup_steps, config.learning_rate) == ("linear", 20, 2e-5)


def test_a_dpo_recipe_is_answered_at_once(tmp_path, capsys):
    answers = answered(["--config", file_of(tmp_path, DPO)], capsys)
    assert answers["load_in_4bit"] == answers["bnb_4bit_quant_type"] == "not here: weights are not quantised"
    assert answers["optim"] == "here: optimizer: adam (which is AdamW) or sgd"
    assert answers["precompute_ref_log_probs"].startswith("not here: the reference model is the policy before training")
    harmless = {name for name, answer in answers.items() if answer.endswith("leave it out)")}
    assert harmless == {"eval_strategy", "label_smoothing", "f_divergence_type"}
    config = parse(["--config", file_of(tmp_path, DPO, *answers), "--method", "dpo"])
    assert (config.beta, config.max_steps, config.num_train_epochs) == (0.1, 1000, 1)


def test_a_file_and_a_command_line_are_answered_together(tmp_path, capsys):
    file = file_of(tmp_path, "use_vllm: true\nsed: 3\n")
    answers = answered(["--config", file, "--fsdp", "full_shard", "--lerning_rate", "1", "--wandbproject=x"], capsys)
    assert list(answers) == ["use_vllm", "sed", "--fsdp", "--lerning_rate", "--wandbproject"]
    assert answers["sed"] == "did you mean seed?"
    assert answers["--lerning_rate"] == "did you mean --learning-rate?"
    assert (
        answers["--fsdp"] == "not here: a process for each GPU holds the whole model (torchrun); GRAOTrainer shards it"
    )
    assert "wandb_project" in answers["--wandbproject"]


def test_one_unknown_name_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        parse(["--use_vllm"])
    said = "not here: the trained model samples its answers itself, without an inference server"
    assert capsys.readouterr().err == f"error: no flag --use_vllm; {said}\n"
    with pytest.raises(SystemExit):
        parse(["--config", file_of(tmp_path, "zzz: 1")])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("has the unknown key 'zzz'; no setting is like it (--help lists all)")


@pytest.mark.parametrize("typed", [["--use_vllm", "false"], ["--no-use-vllm"], ["--use_vllm=False"]])
def test_a_word_of_trl_s_that_switches_off_what_is_not_here_can_stay(typed, capsys):
    assert parse([*typed, "--seed", "3"]).seed == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: --")
    with pytest.raises(SystemExit):  # control: switched on it can't
        parse(["--use_vllm", "true"])


def test_max_steps_of_minus_1_means_what_it_means_in_trl(tmp_path, capsys):
    file = file_of(tmp_path, "num_train_epochs: 2\nmax_steps: -1\n")
    assert (parse(["--config", file]).num_train_epochs, parse(["--config", file]).max_steps) == (2, 200)
    assert parse(["--num_train_epochs", "2", "--max_steps", "-1"]).num_train_epochs == 2
    with pytest.raises(SystemExit):  # control
        parse(["--max_steps", "-1"])
    assert "set num_train_epochs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "more"),
    [
        (["--loss_type", "bnpo"], "the other losses are not here"),
        (["--loss_type", "sigmoid"], "leave it out in sft and dpo"),
        (["--lr_scheduler_type", "reduce_lr_on_plateau"], "transformers' other schedules need a metric"),
        (["--warmup_steps", "0.1"], "a share of the steps is warmup_ratio"),
        (["--save_steps", "0.5"], "a share of the steps has to be given as a number of steps"),
    ],
)
def test_a_value_that_trl_has_and_this_package_has_not_is_explained(without_shape_checks, typed, more, capsys):
    with pytest.raises(SystemExit):
        parse(typed)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {typed[0].removeprefix('--')} must be ")
    assert more in line


def test_in_python_the_answer_is_one_line_of_text():
    with pytest.raises(UnknownNamesError, match=r"^use_vllm: not here: .*; 7: no setting is like it"):
        require_known({"use_vllm": True, 7: 1}, {}, ["seed"], "config x")
