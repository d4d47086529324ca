"""Settings to start from. The presets for use repair the objective (thm-4); `paper` is the objective as printed."""

from dataclasses import replace

from grao_ref.settings.config import Config

TINY = Config()  # the embedded task: under a minute on one core
BANDIT = replace(
    TINY,
    model_name_or_path="tabular",
    dataset_name="bandit",
    optimizer="sgd",
    learning_rate=0.2,
    max_grad_norm=0.0,
    num_seeds=1000,
    max_steps=100,
)
# What `finetune` starts from: a model and rows of a user's own, of which nothing else is known. One pass through them.
OWN = replace(
    TINY,
    per_device_train_batch_size=16,  # 2 prompts a step with 8 samples each; 16 rows in sft and dpo
    learning_rate=1e-5,
    num_train_epochs=1,
    max_completion_length=256,
)
# A real model and real data on two cores: 4 prompts x 4 answers a step, half a minute each.
SMOLLM2 = replace(
    TINY,
    model_name_or_path="smollm2",
    dataset_name="hh-harmless",
    num_generations=4,
    per_device_train_batch_size=16,
    learning_rate=1e-5,
    max_steps=30,
    max_prompt_length=128,
    max_completion_length=64,
    max_eval_prompts=32,
    save_steps=10,
)
# arXiv:2508.07750, its section on experiments, value by value; what it does not say has the defaults of this package.
PAPER = Config(
    model_name_or_path="Qwen/Qwen2.5-7B",  # models: "Qwen2.5-7B, Moonlight-16B-A3B"
    dataset_name="hh-helpful",  # data: "helpful-base, harmless-base" of HH-RLHF, tuples (q, y_ref, y_rej)
    dataset_test_split="test",
    reward_funcs=("judge_helpful",),  # table-6, answered by judge_model
    judge_model="deepseek-chat",  # "DeepSeek-V3"
    method="grao",
    imitate_only_when_ahead=False,  # eq-3 as printed: thm-4 applies
    num_generations=8,  # "G = 8"
    imitation_coef=0.5,  # "β = 0.5"
    alignment_coef=0.6,  # "λ = 0.6"
    temperature=0.7,  # "temperature 0.7"
    temper_likelihoods=False,  # eq-3 writes π_θ without a temperature; biased at 0.7: thm-12
    optimizer="adam",  # "Adam"
    learning_rate=1e-6,  # "lr 1e-6"
    weight_decay=0.01,  # "weight decay 0.01"
    max_grad_norm=1.0,  # "gradient clipping": to what norm is not said
    per_device_train_batch_size=8,  # one group at a time ...
    gradient_accumulation_steps=64,  # ... "batch 64", read as 64 prompts
    gradient_checkpointing=True,
    max_completion_length=2048,  # "at most 2048 new tokens"
    max_steps=800,  # claim-13 speaks of what happens after step 800
    eval_steps=50,
    save_steps=50,
)
PRESETS = {"tiny": TINY, "bandit": BANDIT, "smollm2": SMOLLM2, "paper": PAPER}
