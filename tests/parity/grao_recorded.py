"""GRAOTrainer on a tiny model, with all that its steps saw and did recorded; and this package's update on the same.

As a program it is one of several processes: `python -m tests.parity.grao_recorded FOLDER SETTINGS`, SETTINGS as JSON.
"""

import json
import os
import sys
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback

from grao_ref.integrations.trl import OWN, GRAOConfig, GRAOTrainer
from grao_ref.methods.calls import advantages_of
from grao_ref.methods.registry import method_of
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.records import Batch, Rewards, Samples, Tokens, join
from grao_ref.settings.config import Config
from grao_ref.training.update import make_optimizer, update

G, LENGTH, STEPS, UNSCORED = 4, 8, 2, tuple("bdfhjlnprtvxz")
LORA = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.0)
COMMON = {
    "use_cpu": True, "bf16": False, "report_to": "none", "save_strategy": "no", "disable_tqdm": True,
    "logging_steps": 1, "max_grad_norm": 0.0, "per_device_train_batch_size": 2 * G, "gradient_accumulation_steps": 2,
    "num_generations": G, "max_completion_length": LENGTH, "max_steps": STEPS, "learning_rate": 0.1,
    "lr_scheduler_type": "constant", "optim": "sgd", "gradient_checkpointing": False,
}  # fmt: skip


def rows(count: int = 40, *, chat: bool = False) -> list[dict]:
    """Synthetic: a number, references of several lengths, some of them better than samples and some worse."""
    plain = [(f"number {n}? ", "eeab"[n % 4] * (1 + n % 5), "ea"[n % 2]) for n in range(count)]
    if not chat:
        return [{"prompt": q, "completion": y, "wanted": letter} for q, y, letter in plain]
    return [
        {
            "prompt": [{"role": "user", "content": q}],
            "completion": [{"role": "assistant", "content": y}],
            "wanted": letter,
        }
        for q, y, letter in plain
    ]


def reward(completions, wanted, references, log_extra, log_metric, **columns):
    """Share of the wanted letter and an arbitrary part; None for what begins with a letter of UNSCORED."""
    texts = [c if isinstance(c, str) else c[0]["content"] for c in completions]
    log_extra("reference", list(references))
    log_metric("calls", 1.0)
    return [
        None if text[:1] in UNSCORED else text.count(letter) / 4 + sum(map(ord, text)) % 11 / 44
        for text, letter in zip(texts, wanted, strict=True)
    ]


class Recording(GRAOTrainer):
    """Keeps each generation batch as it is handed on, and the rewards."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.batches, self.gradients = [], []
        self.add_callback(_Spy(self))

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        if self.model.training:
            kept = {name: value.clone() for name, value in output.items() if isinstance(value, Tensor)}
            self.batches.append(kept | {"rewards": self._totals[0].clone(), "of_references": self._totals[1].clone()})
        return output


class _Spy(TrainerCallback):
    def __init__(self, trainer):
        self.trainer = trainer

    def on_pre_optimizer_step(self, *_, model, **__):
        found = {name: p.grad.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        self.trainer.gradients.append({name.removeprefix("module."): grad for name, grad in found.items()})


def make(folder: Path, *, lora: bool = False, chat: bool = False, reward_funcs=reward, kind=Recording, **settings):
    """The trainer, on the tiny model of `folder`."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    return kind(
        model,
        reward_funcs,
        GRAOConfig(str(folder / "out"), **(COMMON | settings)),
        train_dataset=Dataset.from_list(rows(chat=chat)),
        processing_class=AutoTokenizer.from_pretrained(folder),
        peft_config=LORA if lora else None,
    )


def fresh(folder: Path, lora: bool, state: dict[str, Tensor]):
    """The model again, not patched by TRL, with the weights of `state`."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    model = get_peft_model(model, LORA) if lora else model
    model.load_state_dict(state)
    return model


def batch_of(recorded: list[dict[str, Tensor]], step: int, config: Config) -> Batch:
    """The records of one step, of all processes, as this package's update takes them."""
    parts = []
    of_all = recorded[0][step]["rewards"], recorded[0][step]["of_references"]
    for process in recorded:
        found = process[step]
        y, mask = found["is_reference"], found["completion_mask"].bool()
        shape = (-1, G, mask.shape[1])
        of_samples = found["completion_ids"][~y].view(shape), mask[~y].view(shape)
        samples = Samples(*of_samples, torch.zeros(of_samples[0].shape))
        prompts = Tokens(found["prompt_ids"][y], found["prompt_mask"][y].bool())
        parts.append(Batch(prompts, Tokens(found["completion_ids"][y], mask[y]), samples=samples))
    whole = join(parts)
    scored, reference_scored = (~rewards.isnan() for rewards in of_all)
    outputs, of_references = (rewards.nan_to_num(0.0) for rewards in of_all)
    rewards = Rewards(outputs, of_references, scored, reference_scored)
    advantages = advantages_of(method_of(config.method), rewards, config)
    return Batch(whole.prompts, whole.references, samples=whole.samples, rewards=rewards, advantages=advantages)


def policy_of(model) -> CausalLMPolicy:
    """This package's policy over the model, or over the model in a `PeftModel`."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return CausalLMPolicy(inner, eos_ids=[1], max_completion_length=LENGTH, critic=False)


def replayed(
    model, batches: list[list[dict]], settings: dict, *, ratio: Tensor | None = None
) -> list[dict[str, Tensor]]:
    """The gradient of each step by `grao_ref`'s own update, under the names of the model's parameters.

    batches: by process, by step. ratio: what the samples' log-probabilities are multiplied by, by token or sequence.
    """
    config = Config(
        num_generations=G, per_device_train_batch_size=2 * G, gradient_accumulation_steps=1, optimizer="sgd",
        learning_rate=0.1, max_grad_norm=0.0, max_completion_length=LENGTH,
        **{name: value for name, value in settings.items() if name in OWN},
    )  # fmt: skip
    policy = policy_of(model)
    if ratio is not None:
        corrected(policy, ratio)
    optimizer, found = make_optimizer(policy, config), []
    for step in range(len(batches[0])):
        update(policy, optimizer, batch_of(batches, step, config), config, independent_prompts=False)
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad})
    return found


def corrected(policy: CausalLMPolicy, ratio: Tensor) -> None:
    """Multiply the samples' log-probabilities by a ratio, and those of references, each group's last row, by 1."""
    plain = policy.logprobs

    def logprobs(prompts, ids, mask, *, temperature):
        found = plain(prompts, ids, mask, temperature=temperature)
        of_samples = ratio.view(len(ids), G, -1)[..., : found.shape[2]]
        factor = torch.cat([of_samples, torch.ones_like(of_samples[:, :1])], dim=1)
        return found * factor

    policy.logprobs = logprobs


def errors(theirs: list[dict[str, Tensor]], ours: list[dict[str, Tensor]]) -> list[float]:
    """‖theirs − ours‖ / ‖ours‖ of each step's whole gradient."""

    def vector(gradient, names):
        return torch.cat([gradient[name].flatten() for name in names])

    return [
        float((vector(a, sorted(b)) - vector(b, sorted(b))).norm() / vector(b, sorted(b)).norm())
        for a, b in zip(theirs, ours, strict=True)
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    where, rank = Path(sys.argv[1]), os.environ["RANK"]
    settings = json.loads(sys.argv[2])
    resumed = settings.pop("resume", None)
    trainer = make(where, **settings)
    start = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train(resume_from_checkpoint=resumed)
    model = trainer.accelerator.unwrap_model(trainer.model)
    torch.save(
        {"start": start, "batches": trainer.batches, "gradients": trainer.gradients, "end": model.state_dict()},
        where / f"recorded{rank}.pt",
    )
