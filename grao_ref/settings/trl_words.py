"""TRL's settings that have another name here, or none: what to write instead, or why there is nothing to write.

They are those of TRL 1.16's ScriptArguments, ModelConfig, SFTConfig, DPOConfig, GRPOConfig, RLOOConfig, KTOConfig and
RewardConfig with transformers' TrainingArguments (tests/parity proves that none is missing), and older words that
people's files still hold. `name=a|b` lists the values that mean what is done here anyway; without a list, these are
the values that switch a thing off. `*` stands for any letters.
"""

import json
from fnmatch import fnmatchcase
from typing import Any

OFF = ("false", "none", "null", "", "0", "0.0", "[]", "{}", "off", "no")

INSTEAD = {  # TRL's name -> what to write here
    "optim=adamw|adamw_torch|adamw_torch_fused": "optimizer: adam (which is AdamW) or sgd",
    "eval_strategy=steps evaluation_strategy=steps do_eval=true": "eval_steps; there is always an evaluation",
    "save_strategy=steps": "save_steps; 0 saves the final model only",
    "logging_strategy=steps": "logging_steps",
    "max_length max_seq_length": "max_prompt_length and max_completion_length",
    "max_new_tokens response_length": "max_completion_length",
    "torch_dtype=float32": "dtype",
    "model_init_kwargs": "dtype, attn_implementation and trust_remote_code",
    "fp16 half_precision_backend bf16_full_eval fp16_full_eval": "bf16, or dtype for the weights",
    "activation_checkpointing": "gradient_checkpointing",
    "use_cpu no_cuda": "device: cpu",
    "data_seed": "seed",
    "dataset_text_field=text": "a column text or messages is found by itself; --column maps other names",
    "datasets dataset_mixer": "dataset_name; one data set a run",
    "test_split_size": "test_size",
    "reward_model_name_or_path reward_model_path": "reward_funcs: the reward model's folder or id",
    "sft_model_path": "model_name_or_path",
    "generation_batch_size steps_per_generation": "gradient_accumulation_steps; a step samples all of its groups",
    "epsilon_high delta cliprange": "epsilon, on both sides",
    "cliprange_value": "epsilon, for the critic too",
    "kl_coef init_kl_coef": "beta",
    "lam": "gae_lambda",
    "num_ppo_epochs mu": "num_iterations",
    "num_sample_generations": "eval_steps; samples are written at every evaluation",
    "use_transformers_paged use_transformers_continuous_batching": "sampler: paged",
    "total_episodes": "max_steps or num_train_epochs",
    "chat_template": "chat_template_path",
    "exp_name": "run_name",
    "hub_token": "the environment variable HF_TOKEN",
    "tokenizer_name_or_path": "model_name_or_path; the tokenizer lies in the model's folder",
    "wandb_project": "the environment variable WANDB_PROJECT; the project is grao_ref otherwise",
    "project": "the environment variable TRACKIO_PROJECT; the project is grao_ref otherwise",
    "env": "environment variables are set in the shell",
    "logging_dir": "output_dir; event files are in its folder tensorboard",
}

NOT_HERE = {  # why -> TRL's names
    "the trained model samples its answers itself, without an inference server": "use_vllm vllm_* "
    "cache_implementation "
    "transformers_continuous_batching_config ds3_gather_for_generation",
    "samples follow the policy's whole distribution at `temperature`, as the objective supposes": "top_p=1|1.0 top_k "
    "min_p repetition_penalty=1|1.0 generation_kwargs stop_token stop_token_id",
    "a process for each GPU holds the whole model (torchrun); GRAOTrainer shards it": "fsdp* "
    "deepspeed* ddp_* local_rank=-1|none|0 *_on_each_node parallelism_config "
    "accelerate_config num_processes=1 num_machines=1 accelerator_config average_tokens_across_devices=* "
    "log_level_replica ignore_bias_buffers",
    "weights are not quantised": "load_in_8bit load_in_4bit *bnb_*",
    "LoRA has lora_r, lora_alpha, lora_dropout and lora_target_modules": "lora_target_parameters lora_modules_to_save "
    "lora_task_type=causal_lm use_rslora use_dora",
    "rows stay separate and whole: none is packed, cut, or padded beyond its batch": "packing* eval_packing "
    "padding_free pad_to_multiple_of pad_token truncation_mode max_steps_per_epoch group_by_length "
    "length_column_name",
    "rows are read at once, into memory, in one process": "dataset_num_proc dataset_kwargs dataset_streaming streaming "
    "dataloader_* preprocessing_num_workers",
    "every column goes to the reward functions": "remove_unused_columns label_names",
    "a prompt is never trained on, only its answer": "completion_only_loss=true|none assistant_only_loss",
    "an answer ends as the chat template ends a turn": "eos_token template",
    "an answer that is cut off is scored and trained on as any other": "missing_eos_penalty mask_truncated_completions",
    "the advantages of a group are divided by its rewards' standard deviation": "scale_rewards=group|true",
    "rows are shuffled anew for each epoch": "shuffle_dataset=true train_sampling_strategy=random",
    "a model is trained without dropout; an adapter has lora_dropout": "disable_dropout=true",
    "log-probabilities are computed in float32": "cast_lm_head_to_fp32=*",
    "the loss has only the terms of the method's equation": "router_aux_loss_coef *label_smoothing* neftune_* "
    "entropy_* use_adaptive_entropy top_entropy_quantile=1|1.0 center_rewards_coefficient loss_weights rpo_alpha "
    "whiten_rewards",
    "ratios are per token, and there is one advantage for each answer": "importance_sampling_level=token sapo_* "
    "vespo_* off_policy_mask_threshold use_bias_correction_kl normalize_advantages",
    "rewards are added up with reward_weights": "multi_objective_aggregation=sum_then_normalize reward_clip_range",
    "DPO here is the sigmoid of the whole margin": "ld_alpha f_divergence_type=reverse_kl f_alpha_divergence_coef "
    "use_weighting discopop_tau desirable_weight undesirable_weight reference_free",
    "the reference model is the policy before training, and its likelihoods are computed when needed": "sync_ref_model "
    "ref_model_* precompute_ref_*",
    "answers are text, without tools or images": "max_tool_calling_iterations log_multimodal",
    "PPO has one critic, gamma 1, and the settings gae_lambda and vf_coef": "gamma=1|1.0 num_mini_batches=1 "
    "local_rollout_forward_batch_size kl_estimator world_size",
    "Adam has torch's defaults: 0.9, 0.999, 1e-8": "adam_beta1=0.9 adam_beta2=0.999 adam_epsilon=1e-08|1e-8 "
    "optim_args optim_target_modules",
    "PyTorch's kernels as they are": "*liger* torch_compile* torchdynamo activation_offloading tf32=* use_cache=* "
    "jit_mode_eval activation_checkpointing_kwargs=* gradient_checkpointing_kwargs=* torch_empty_cache_steps "
    "auto_find_batch_size",
    "name a folder that holds that revision of the model": "model_revision=main|none",
    "the final model is uploaded, when training has ended": "hub_* push_to_hub_* log_completions_hub_repo",
    "trackers read their own environment variables, such as WANDB_ENTITY": "trackio_* wandb_*",
    "there is one kind of evaluation, before the first step, each eval_steps and at the end": "eval_* "
    "prediction_loss_only include_for_metrics batch_eval_metrics include_inputs_for_metrics eval_on_start=true",
    "the final model is saved, and the newest checkpoints; none is called the best": "greater_is_better "
    "load_best_model_at_end metric_for_best_model save_only_model save_safetensors=true enable_jit_checkpoint "
    "early_stopping_patience",
    "metrics.jsonl holds every step and every count": "logging_first_step=* logging_nan_inf_filter=* include_* "
    "log_unique_prompts log_level=* disable_tqdm skip_memory_metrics=* debug",
    "the command trains": "do_train=true do_predict",
    "a resumed run goes on exactly as it would have": "ignore_data_skip restore_callback_states_from_checkpoint "
    "full_determinism=*",
}


VALUES = {  # a setting that both have -> what to do with TRL's values that are refused here
    "max_steps": "TRL's -1: leave it out, and set num_train_epochs",
    "loss_type": "leave it out in sft and dpo: they train TRL's nll, in which each row weighs the same here, and TRL's "
    "sigmoid; the other losses are not here",
    "lr_scheduler_type": "transformers' other schedules need a metric or an optimiser of their own",
    "warmup_steps": "a share of the steps is warmup_ratio",
    "eval_steps": "a share of the steps has to be given as a number of steps",
    "save_steps": "a share of the steps has to be given as a number of steps; 0 for none",
    "logging_steps": "a share of the steps has to be given as a number of steps",
}

ARGUMENTS = {  # of TRL's trainers -> of `finetune`
    "args": "settings are keywords of `finetune`, under the names of TRL's configs",
    "processing_class": "`tokenizer`, the second argument",
    "train_dataset": "`rows`, the third argument: a `datasets.Dataset` or a list of dictionaries",
    "eval_dataset": "`eval_rows`, of the same kinds",
    "reward_processing_classes": "not needed: a reward model brings its tokenizer",
    "peft_config": "`use_peft=True`, `lora_r`, `lora_alpha` and others; or a model that is a `PeftModel` already",
    "ref_model": "not an argument: it is the model as it is before the first step",
    "quantization_config": "not here: weights are not quantised",
    "callbacks": "the body of your loop",
    "compute_metrics preprocess_logits_for_metrics": "the body of your loop: `report.batch` has the samples, their "
    "log-probabilities and rewards",
    "compute_loss_func": "a method of your own",
    "formatting_func data_collator": "not needed: rows are dictionaries with the columns of a known format, and "
    "padding never changes a result",
    "optimizers optimizer_cls_and_kwargs": "`optimizer`, `learning_rate`, `lr_scheduler_type` and `warmup_steps`",
    "tools environment_factory rollout_func": "not here: agents are no goal of this package",
}

ROWS = {  # name or pattern -> its answer, and the values that change nothing
    entry.partition("=")[0]: (text, tuple(entry.partition("=")[2].split("|")) if "=" in entry else OFF)
    for table in (
        {names: f"here: {text}" for names, text in INSTEAD.items()},
        {names: f"not here: {reason}" for reason, names in NOT_HERE.items()},
        {
            names: text.replace("`", "") if text.startswith("not ") else f"here: {text}".replace("`", "")
            for names, text in ARGUMENTS.items()
        },
    )
    for names, text in table.items()
    for entry in names.split()
}


def answer(name: str) -> str | None:
    """What a TRL user writes here instead, or `not here: ...`; None where the name is no word of TRL's.

    >>> answer("logging_strategy"), answer("vllm_mode")
    ('here: logging_steps', 'not here: the trained model samples its answers itself, without an inference server')
    """
    row = _row(name)
    return None if row is None else row[0]


def changes_nothing(name: str, value: Any) -> bool:
    """Whether the value means what is done here anyway, so that the line can stay.

    >>> changes_nothing("use_vllm", False), changes_nothing("use_vllm", True), changes_nothing("usevllm", False)
    (True, False, False)
    """
    row = _row(name)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return row is not None and ("*" in row[1] or text.lower() in row[1])


def without_unset(values: dict[str, Any]) -> dict[str, Any]:
    """The settings without TRL's `max_steps: -1`, which says that the steps follow from num_train_epochs."""
    epochs = values.get("num_train_epochs") is not None
    return {name: value for name, value in values.items() if (name, value, epochs) != ("max_steps", -1, True)}


def _row(name: str) -> tuple[str, tuple[str, ...]] | None:
    return ROWS.get(name) or next((row for word, row in ROWS.items() if fnmatchcase(name, word)), None)
