"""How much memory a run will need at its peak: its own code on outlines of the model that its settings name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from grao_ref.evaluation.monitor import prompts_at_once
from grao_ref.memory import phases
from grao_ref.memory.counting import Bytes
from grao_ref.memory.lengths import Lengths
from grao_ref.memory.outlines import META, outlined
from grao_ref.methods.registry import method_of
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.lora import add_lora, trained_tensors
from grao_ref.policies.scoring import Scorer
from grao_ref.settings.config import Config


@dataclass(frozen=True)
class Estimate:
    """Bytes at the peak of every phase, by what they are, and the numbers behind them."""

    phases: dict[str, dict[str, int]]
    parameters: int
    trained: int
    weight_bytes: int  # of a weight of the model
    answers: int  # that are sampled at once; 0 in a method that samples nothing
    tokens: int  # of the longest prompt and answer together
    lengths: Lengths

    @property
    def phase(self) -> str:
        """The phase that needs most."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def peak(self) -> int:
        """Bytes that the run needs."""
        return sum(self.phases[self.phase].values())


def estimate(
    config: Config, architecture: Any, lengths: Lengths, *, cuda: bool, evaluated: int | None = None
) -> Estimate:
    """What a run of these settings needs.

    - `architecture`: the model's config, as `AutoConfig` reads it.
    - `lengths`: of a micro-batch's rows.
    - `cuda`: whether it runs on a GPU, where bfloat16 autocast is the default and answers are sampled in it.
    - `evaluated`: held-out prompts; None where they are not known, which is as many as the settings allow.

    Not counted are the libraries, what CUDA needs for itself, a reward model, and the loading of a checkpoint.
    """
    policy, count = policy_of_outlines(config, architecture, cuda=cuda)
    reference, optimizer = phases.state(policy, config, count)
    needs, half = method_of(config.method).needs(config), policy.bf16 and cuda
    batch = phases.batch_of(lengths, config)
    temperatures = config.temperature, config.likelihood_temperature
    plan = phases.Sampling(lengths.prompts, config.num_generations, config.max_completion_length, temperatures, half)
    found = {}
    if needs.samples:
        found[phases.SAMPLING] = phases.sampling(policy, plan, count)
    if needs.reference_model:
        found[phases.SCORING] = phases.scoring(reference, batch, needs.reference_model, count)
    found[phases.UPDATE] = phases.updating(policy, optimizer, batch, config, count)
    if needs.samples or config.reward_funcs:
        some = prompts_at_once(config)
        some = min(some, config.max_eval_prompts, some if evaluated is None else max(1, evaluated))
        longest = (max(lengths.prompts),) * some
        held_out = phases.Sampling(longest, config.num_generations_eval, plan.length, (config.temperature,) * 2, half)
        found[phases.EVALUATION] = phases.sampling(policy, held_out, count)
    model = policy.model
    return Estimate(
        found,
        parameters=model.num_parameters(),
        trained=sum(tensor.numel() for tensor in trained_tensors(model)),
        weight_bytes=model.dtype.itemsize,
        answers=len(lengths.prompts) * config.num_generations if needs.samples else 0,
        tokens=max(lengths.prompts) + config.max_completion_length,
        lengths=lengths,
    )


class _Outlined(CausalLMPolicy):
    """A policy that is not tried out, since there are no numbers to compare."""

    def _tried(self, scorer: Scorer) -> Scorer:
        return scorer


def policy_of_outlines(config: Config, architecture: Any, *, cuda: bool) -> tuple[CausalLMPolicy, Bytes]:
    """The policy of a run as outlines, and the count of its bytes."""
    count = Bytes()
    model = model_on_meta(config, architecture)
    if config.use_peft:
        with META:
            add_lora(model, r=config.lora_r, alpha=config.lora_alpha, target_modules=config.lora_target_modules)
    outlined(model, count)
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    count.vocabulary = head.weight.shape[0]
    policy = _Outlined(
        model,
        eos_ids=(),
        max_completion_length=config.max_completion_length,
        bf16=cuda if config.bf16 is None else config.bf16,
        checkpointing=config.gradient_checkpointing,
        critic=method_of(config.method).needs(config).critic,
        lora_dropout=config.lora_dropout,
    )
    return policy, count


def model_on_meta(config: Config, architecture: Any) -> PreTrainedModel:
    """The model without its weights."""
    dtype = getattr(architecture, "dtype", None) if config.dtype == "auto" else getattr(torch, config.dtype)
    make: Callable[..., Any] = AutoModelForCausalLM.from_config
    with META:
        model: PreTrainedModel = make(
            architecture,
            dtype=dtype or torch.float32,
            attn_implementation="eager" if config.attn_implementation == "eager" else "sdpa",
            trust_remote_code=config.trust_remote_code,
        )
    return model
