"""GRAO on TRL's trainer, on one process or several: what a model needs that outgrows one card.

    python tutorials/examples/grao_on_trl.py --model_name_or_path Qwen/Qwen3-0.6B --dataset_name rows.jsonl \
        --output_dir out --max_steps 100
    torchrun --nproc-per-node 8 tutorials/examples/grao_on_trl.py ...       the same on eight cards
    python -m grao_ref.evaluate out --base Qwen/Qwen3-0.6B --dataset-name rows.jsonl ...

Rows have `prompt` and `completion`, the reference: text, or lists of messages. Every setting
of TRL's GRPOConfig and ModelConfig is a flag (--use_peft, --load_in_4bit, --dtype, ...), and
GRAO's own: --imitation_coef, --alignment_coef, --pool, --imitate_only_when_ahead False.
Put reward functions of your own in the place of `reward`.
"""

from pathlib import Path
from typing import Any

from datasets import load_dataset
from trl import (
    ModelConfig,
    ScriptArguments,
    TrlParser,
    get_peft_config,
    get_quantization_config,
)

from grao_ref.integrations.trl import GRAOConfig, GRAOTrainer
from grao_ref.rewards.checkers import exact


def reward(
    completions: list[Any], references: list[str], **columns: Any
) -> list[float | None]:
    """1 where an answer is its reference's text, else 0. TRL passes every column by its name."""
    return exact(completions, references)


def main() -> None:
    """Read the flags, train, save."""
    kinds = (ScriptArguments, GRAOConfig, ModelConfig)
    script, args, model = TrlParser(kinds).parse_args_and_config()
    args.model_init_kwargs = {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
    } | (args.model_init_kwargs or {})
    name, split = script.dataset_name, script.dataset_train_split
    if Path(name).is_file():
        rows = load_dataset("json", data_files=name, split="train")
    else:
        rows = load_dataset(name, script.dataset_config, split=split)
    trainer = GRAOTrainer(
        model.model_name_or_path,
        reward_funcs=reward,
        args=args,
        train_dataset=rows,
        peft_config=get_peft_config(model),
        quantization_config=get_quantization_config(model),
    )
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint)
    trainer.save_model()


if __name__ == "__main__":
    main()
