"""An experiment on a language model and a data set: everything is loaded, checked and tried before the first step."""

import json

import torch
from transformers import PreTrainedModel

from grao_ref.algorithms import ALGORITHMS
from grao_ref.config import Config
from grao_ref.data.load import load_rows
from grao_ref.data.rows import Row, split_by_prompt
from grao_ref.evaluation import TextEvaluation
from grao_ref.experiment import Experiment, prompts_per_step
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.load import choose_device, load_language_model
from grao_ref.policies.lora import add_lora
from grao_ref.rewards.judge import JudgeSettings
from grao_ref.rewards.load import load_scorer
from grao_ref.rewards.scorer import Scorer
from grao_ref.tasks.text import TextTask, columns_of, encode

OWN_RULES = {"gsm8k": "final_number", "reasoning-gym": "reasoning_gym"}
PROBED = 4  # references that the reward functions are tried on


def prepare_text(config: Config) -> Experiment:
    """Model, rows and rewards by their names in the config. Raises `ValueError` on what can't be run."""
    device = choose_device(config.device)
    training_rows, held_out = rows_of(config)
    scorer = scorer_of(config, device)
    probed = training_rows[:PROBED]
    scorer.probe([r.prompt for r in probed], [r.reference for r in probed], columns_of(probed))
    model, tokenizer = load_language_model(config.model_name_or_path, device=device)
    if config.use_peft:
        add_lora(model, r=config.lora_r, alpha=config.lora_alpha, target_modules=config.lora_target_modules)

    def task_of(rows: list[Row], batch: int) -> TextTask:
        examples = encode(
            rows,
            tokenizer,
            max_prompt_length=config.max_prompt_length,
            max_completion_length=config.max_completion_length,
            context=getattr(model.config, "max_position_embeddings", None),
        )
        return TextTask(examples, tokenizer, scorer, batch=batch, seed=config.seed)

    task = task_of(training_rows, prompts_per_step(config))
    held = task_of(held_out, 1)
    if ALGORITHMS[config.method].rejected and any(example.rejected is None for example in task.examples):
        raise ValueError(f"{config.method} needs a rejected answer in every row, and {config.dataset_name} has none")
    policy = policy_of(model, tokenizer.eos_token_id, config)
    fixed = held.rows(range(min(len(held.examples), config.max_eval_prompts)))
    evaluation = TextEvaluation(held, policy, config, fixed, samples=1, text=held.text)
    dropped = len(training_rows) + len(held_out) - len(task.examples) - len(held.examples)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    notes = (
        f"Model: {config.model_name_or_path}, {trained:,} of {model.num_parameters():,} parameters trained, float32"
        f"{' with bfloat16 autocast' if policy.bf16 else ''}, on {device}.",
        f"Data: {config.dataset_name}, {len(task.examples)} rows to train on, {len(held.examples)} held out, "
        f"{dropped} dropped as too long.",
        f"Rewards: {', '.join(scorer.functions)}; the held-out references score {evaluation.reference_score:.3f}.",
    )
    return Experiment(
        task, policy, config, evaluation, notes, text=task.text, save=lambda folder: tokenizer.save_pretrained(folder)
    )


def rows_of(config: Config) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to evaluate on; no prompt is among both."""
    rows = load_rows(config.dataset_name, split=config.dataset_train_split, config=config.dataset_config)
    if config.dataset_test_split is not None:
        test = load_rows(config.dataset_name, split=config.dataset_test_split, config=config.dataset_config)
        return apart(rows, test, config), test
    training, held_out = split_by_prompt(rows, share=config.test_size, seed=config.seed)
    if not training or not held_out:
        raise ValueError(
            f"test_size {config.test_size} leaves {len(training)} rows to train on and {len(held_out)} to evaluate on"
        )
    return training, held_out


def apart(rows: list[Row], test: list[Row], config: Config) -> list[Row]:
    """The rows whose prompt is in none of the test rows. Raises `ValueError` where none is left."""
    seen = {json.dumps(row.prompt) for row in test}
    training = [row for row in rows if json.dumps(row.prompt) not in seen]
    if not training:
        raise ValueError(
            f"every prompt of the split {config.dataset_train_split!r} is in {config.dataset_test_split!r} too: "
            "nothing is left to train on"
        )
    return training


def scorer_of(config: Config, device: torch.device) -> Scorer:
    """The named reward functions, or the data set's own rule."""
    names = config.reward_funcs or tuple(
        rule for name, rule in OWN_RULES.items() if config.dataset_name.split(":")[0] == name
    )
    if not names:
        raise ValueError(f"{config.dataset_name} has no rule of its own: reward_funcs must say what scores an answer")
    return load_scorer(
        names,
        weights=config.reward_weights or None,
        device=device,
        judge=JudgeSettings(
            base_url=config.judge_base_url,
            model=config.judge_model,
            timeout=config.judge_timeout,
            swap=config.judge_swap,
            cache=config.judge_cache,
        ),
    )


def policy_of(model: PreTrainedModel, eos_id: int, config: Config) -> CausalLMPolicy:
    """A loaded model as the config's policy."""
    able = model.device.type == "cuda" and torch.cuda.is_bf16_supported()
    return CausalLMPolicy(
        model,
        eos_ids=eos_ids(model, eos_id),
        max_completion_length=config.max_completion_length,
        bf16=able if config.bf16 is None else config.bf16,
        checkpointing=config.gradient_checkpointing,
    )


def eos_ids(model: PreTrainedModel, tokenizers: int) -> list[int]:
    """Every id that ends an answer: those of the model's generation config, and the tokenizer's."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return sorted({tokenizers, *(token for token in ids if token is not None)})
