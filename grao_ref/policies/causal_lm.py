"""A Hugging Face causal language model as a policy: it samples groups (`sampler.py`) and scores answers (`scoring.py`).

Any model that passes `probe.py`. Prompts and random generators are on its device. Ids are scored, never encoded again.
The model's dropout is switched off for good: with it, the policy that is scored is not the one that sampled. An
adapter's is on request, and only in the forward pass that gradients flow through.
"""

import copy
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from grao_ref.equations.checks import require_positive
from grao_ref.policies.critic import frozen_critic, load_critic, new_critic, save_critic
from grao_ref.policies.drawing import Choose, drawer, likeliest, require_drawn
from grao_ref.policies.lora import adapter_of, load_adapter, save_adapter, set_dropout, swapped, trained_tensors
from grao_ref.policies.modes import get_ready
from grao_ref.policies.paged import PagedSampler, require_paged
from grao_ref.policies.probe import READING, probed, refusing, replays
from grao_ref.policies.sampler import decode_in_turn
from grao_ref.policies.scoring import Scorer, is_head_alone
from grao_ref.policies.weights import load_weights
from grao_ref.records import Samples, Tokens


class CausalLMPolicy:
    """π(o | q) of a causal model, token by token, and a linear critic on its last hidden states (PPO).

    `eos_ids`: every id that ends an answer; none is needed. An answer has at most `max_completion_length` tokens.
    `bf16`: forward passes in bfloat16 autocast, the weights and all log-softmaxes as they are; on a CPU in scoring
    alone, because decoding is slower in it there. `checkpointing`: hidden states are computed again in the backward
    pass instead of kept. `critic`: whether there is one; it is float32 at least. A model with an adapter (`lora.py`)
    trains the adapter, of whose inputs the share `lora_dropout` is dropped.
    Raises `ValueError` on ids outside the vocabulary, a length that is no whole number above 0, a model of which the
    sampler or the scorer computes something else than the model does, a dropout without an adapter.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        eos_ids: Iterable[int],
        max_completion_length: int,
        bf16: bool = False,
        checkpointing: bool = False,
        critic: bool = True,
        lora_dropout: float = 0.0,
    ) -> None:
        if not isinstance(max_completion_length, int) or max_completion_length < 1:
            raise ValueError(f"max_completion_length must be a whole number above 0, got {max_completion_length}")
        with refusing(model, READING):
            shares_prompts = get_ready(model, checkpointing=checkpointing)
            head_alone = is_head_alone(model)
        self.scorer = self._tried(Scorer(model, bf16, checkpointing, shares_prompts, head_alone))
        set_dropout(model, lora_dropout)
        self.model, self.max_completion_length = model, max_completion_length
        self.device, self.bf16 = model.device, bf16
        self.vocabulary = model.get_output_embeddings().weight.shape[0]  # type: ignore[no-untyped-call]
        self.stop_at(eos_ids)
        self.critic, self.paged = new_critic(model) if critic else None, False
        self.replayed = self.device.type == "cuda" and replays(self.scorer)

    def page(self) -> None:
        """Draw groups from a paged cache (`paged.py`) from now on. Raises `ValueError` where that can't be done."""
        require_paged(self.scorer)
        self.paged = True

    def stop_at(self, eos_ids: Iterable[int]) -> None:
        """End answers with these ids from now on, and write them into the generation config, where `generate` stops.

        Raises `ValueError` on ids outside the vocabulary.
        """
        ends = sorted(set(eos_ids))
        if outside := [token for token in ends if not 0 <= token < self.vocabulary]:
            raise ValueError(f"eos_ids must lie in [0, {self.vocabulary}), got {outside[0]}")
        self.eos_ids = torch.tensor(ends, dtype=torch.long, device=self.model.device)
        if ends and self.model.generation_config is not None:
            self.model.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]

    def parameters(self) -> Iterable[Tensor]:
        """The model's trainable parameters and the critic's."""
        critic = [] if self.critic is None else self.critic.parameters()
        return [*trained_tensors(self.model), *(p for p in critic if p.requires_grad)]

    def frozen(self) -> "CausalLMPolicy":
        """A copy; of a model with an adapter, the same model with a copy of its adapter."""
        if adapter_of(self.model) is not None:
            return _EarlierAdapter(self)
        twin = copy.copy(self)
        twin.model = copy.deepcopy(self.model).requires_grad_(False)
        twin.scorer = replace(self.scorer, model=twin.model)
        twin.critic = frozen_critic(self.critic)
        return twin

    def save(self, folder: Path) -> None:
        """The model (or its adapter) as `from_pretrained` loads it, and the critic if there is one, as safetensors."""
        has_adapter = adapter_of(self.model) is not None
        save_adapter(self.model, folder) if has_adapter else self.model.save_pretrained(folder)
        save_critic(self.critic, folder)

    def load(self, folder: Path) -> None:
        """Take back what `save` wrote. A critic that this policy has not is left where it is."""
        load_weights(self.model, folder) if adapter_of(self.model) is None else load_adapter(self.model, folder)
        load_critic(self.critic, folder)

    def sample(
        self,
        prompts: Tokens,
        num_generations: int,
        *,
        temperature: float,
        rng: torch.Generator,
        likelihood_temperature: float | None = None,
        parts: int = 1,
    ) -> Samples:
        """G answers to each prompt, each token drawn from softmax(logits / temperature).

        `parts`: pieces of the prompts that are answered in turn. The random numbers of all are drawn at once, so the
        samples are the same for any number of parts, up to float order.
        """
        require_positive(temperature=temperature)
        scored_at = temperature if likelihood_temperature is None else likelihood_temperature
        if self.paged:
            samples = self._decode(prompts, num_generations, PagedSampler(self.model, temperature, rng))
            if scored_at == temperature:
                return samples
            with torch.no_grad():
                scores = self.logprobs(prompts, samples.ids, samples.mask, temperature=scored_at)
            return replace(samples, logprobs=scores)
        answers, at = len(prompts.ids) * num_generations, {"temperature": temperature}
        choose = drawer(answers, self.max_completion_length, rng, **at, likelihood_temperature=scored_at)
        samples = self._decode(prompts, num_generations, choose, parts)
        require_drawn(samples.logprobs)
        return samples

    def greedy(self, prompts: Tokens) -> Samples:
        """The likeliest token at every position: one answer for each prompt, scored at temperature 1."""
        return self._decode(prompts, 1, likeliest)

    def logprobs(
        self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"], *, temperature: float
    ) -> Float[Tensor, "N G T"]:
        """log π(o_t | q, o_<t), with gradient. A row without a token in the mask is not forwarded."""
        return self._score(prompts, ids, mask, temperature=temperature)[0]

    def values(self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G T"]:
        """The critic's V before each token, from the hidden state that predicts it.

        Raises `ValueError` where the policy has no critic.
        """
        return self._score(prompts, ids, mask, critic=self._critic())[1]

    def logprobs_and_values(
        self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"], *, temperature: float
    ) -> tuple[Float[Tensor, "N G T"], Float[Tensor, "N G T"]]:
        """`logprobs` and `values`, from one forward pass."""
        return self._score(prompts, ids, mask, temperature=temperature, critic=self._critic())

    def _tried(self, scorer: Scorer) -> Scorer:
        return probed(scorer)

    def _score(self, prompts: Tokens, ids: Tensor, mask: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        return self.scorer.score(prompts, ids, mask, **options)

    def _critic(self) -> torch.nn.Linear:
        if self.critic is None:
            raise ValueError("the policy was made without a critic: its method's `needs` must ask for one")
        return self.critic

    def _decode(self, prompts: Tokens, group: int, choose: Choose | PagedSampler, parts: int = 1) -> Samples:
        ends, length = self.eos_ids, self.max_completion_length
        if isinstance(choose, PagedSampler):
            return choose.sample(prompts, group, eos_ids=ends, max_length=length)
        half = self.bf16 and self.device.type != "cpu"
        with torch.autocast(self.device.type, torch.bfloat16) if half else nullcontext():
            how: dict[str, Any] = {"eos_ids": ends, "max_length": length, "replayed": self.replayed}
            return decode_in_turn(self.model, prompts, group, choose, parts=parts, **how)


class _EarlierAdapter(CausalLMPolicy):
    """A policy as it was when this was made: the same base model in memory, with a copy of its adapter.

    It samples and scores without gradient, since its parameters are the trained policy's own.
    """

    def __init__(self, policy: CausalLMPolicy) -> None:
        self.__dict__.update(policy.__dict__)
        self.critic = frozen_critic(policy.critic)
        self._kept = [tensor.detach().clone() for tensor in trained_tensors(policy.model)]

    def parameters(self) -> Iterable[Tensor]:
        """No parameters: the wrapped policy owns them."""
        return []

    @torch.no_grad()
    def _decode(self, *arguments: Any) -> Samples:
        with swapped(trained_tensors(self.model), self._kept):
            return super()._decode(*arguments)

    @torch.no_grad()
    def _score(self, *arguments: Any, **options: Any) -> tuple[Tensor, Tensor]:
        with swapped(trained_tensors(self.model), self._kept):
            return super()._score(*arguments, **options)
