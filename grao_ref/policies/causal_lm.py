"""A Hugging Face causal language model as a policy: it samples groups (`sampler.py`) and scores answers (`scoring.py`).

Any model whose cache is attention's (state-space layers can't share a prefill). Prompts and random generators are
expected on the model's device. What is scored and trained are the sampled ids, never re-encoded text.
The model's dropout is switched off for good: with it, the policy that is scored is not the one that sampled. An
adapter's is on request, and only in the forward pass that gradients flow through.
"""

import copy
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from grao_ref.equations.checks import require_below, require_positive
from grao_ref.equations.logprob import token_logprobs
from grao_ref.policies.critic import frozen_critic, load_critic, new_critic, save_critic
from grao_ref.policies.drawing import Choose, drawer, likeliest, require_drawn
from grao_ref.policies.lora import adapter_of, load_adapter, save_adapter, set_dropout, swapped, trained_tensors
from grao_ref.policies.modes import get_ready
from grao_ref.policies.sampler import decode, require_shared_cache
from grao_ref.policies.scoring import Outputs, Run, head_of, outputs_before, scattered
from grao_ref.policies.tiles import linear_logprobs
from grao_ref.records import Samples, Tokens


class CausalLMPolicy:
    """π(o | q) of a causal model, token by token, and a linear critic on its last hidden states (PPO).

    `eos_ids`: every id that ends an answer; none is needed. An answer has at most `max_completion_length` tokens.
    `bf16`: forward passes in bfloat16 autocast, the weights and all log-softmaxes as they are; on a CPU in scoring
    alone, because decoding is slower in it there. `checkpointing`: hidden states are computed again in the backward
    pass instead of kept. `critic`: whether there is one; it is float32 at
    least. A model with an adapter (`lora.py`) trains the adapter, of whose inputs the share `lora_dropout` is dropped.
    Raises `ValueError` on ids outside the vocabulary, a length that is no whole number above 0, a model whose cache
    can't be shared, a dropout without an adapter.
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
        require_shared_cache(model)
        self.shares_prompts = get_ready(model, checkpointing=checkpointing)
        set_dropout(model, lora_dropout)
        self._head_alone = head_of(model) is not None
        self.model, self.max_completion_length = model, max_completion_length
        self.device, self.bf16, self.checkpointing = model.device, bf16, checkpointing
        self.vocabulary = model.get_output_embeddings().weight.shape[0]  # type: ignore[no-untyped-call]
        self.stop_at(eos_ids)
        self.critic = new_critic(model) if critic else None

    @property
    def head(self) -> torch.nn.Linear | None:
        """The output layer, where it alone makes the logits of the last hidden states."""
        return self.model.get_output_embeddings() if self._head_alone else None  # type: ignore[no-untyped-call]

    def stop_at(self, eos_ids: Iterable[int]) -> None:
        """End answers with these ids from now on, and write them into the generation config, where `generate` stops.

        Raises `ValueError` on ids outside the vocabulary.
        """
        ends = sorted(set(eos_ids))
        outside = [token for token in ends if not 0 <= token < self.vocabulary]
        if outside:
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
        twin.critic = frozen_critic(self.critic)
        return twin

    def save(self, folder: Path) -> None:
        """The model (or its adapter) as `from_pretrained` loads it, and the critic if there is one, as safetensors."""
        if adapter_of(self.model) is not None:
            save_adapter(self.model, folder)
        else:
            self.model.save_pretrained(folder)
        save_critic(self.critic, folder)

    def load(self, folder: Path) -> None:
        """Take back what `save` wrote. A critic that this policy has not is left where it is."""
        if adapter_of(self.model) is not None:
            load_adapter(self.model, folder)
        else:
            saved = type(self.model).from_pretrained(folder, dtype=self.model.dtype).state_dict()
            self.model.load_state_dict(saved)
        load_critic(self.critic, folder)

    def sample(
        self,
        prompts: Tokens,
        num_generations: int,
        *,
        temperature: float,
        rng: torch.Generator,
        likelihood_temperature: float | None = None,
    ) -> Samples:
        """G answers to each prompt, each token drawn from softmax(logits / temperature)."""
        require_positive(temperature=temperature)

        scored_at = temperature if likelihood_temperature is None else likelihood_temperature
        answers = prompts.ids.shape[0] * num_generations
        choose = drawer(
            answers, self.max_completion_length, rng, temperature=temperature, likelihood_temperature=scored_at
        )
        samples = self._decode(prompts, num_generations, choose)
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
        return self._score(prompts, ids, mask, values=True)[1]

    def logprobs_and_values(
        self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"], *, temperature: float
    ) -> tuple[Float[Tensor, "N G T"], Float[Tensor, "N G T"]]:
        """`logprobs` and `values`, from one forward pass."""
        return self._score(prompts, ids, mask, temperature=temperature, values=True)

    def _score(
        self, prompts: Tokens, ids: Tensor, mask: Tensor, *, temperature: float | None = None, values: bool = False
    ) -> tuple[Tensor, Tensor]:
        """log π at a temperature, and V on request; each is 0 where it was not asked for, or the mask is False."""
        if values and self.critic is None:
            raise ValueError("the policy was made without a critic: its method's `needs` must ask for one")
        zeros = torch.zeros(ids.shape, device=ids.device, dtype=torch.promote_types(self.model.dtype, torch.float32))
        scores = values_of = zeros
        if not mask.any():
            return scores, values_of
        chosen = (prompts, ids, mask)
        hidden = self._outputs(self._hidden, *chosen) if values or self.head is not None else None
        if temperature is not None:
            require_positive(temperature=temperature)
            outputs = self._outputs(self._logits, *chosen) if hidden is None or self.head is None else hidden
            tokens = ids.flatten()[outputs.places]
            require_below(self.vocabulary, ids=tokens)
            scores = scattered(self._logprobs_at(outputs.at, tokens, temperature), outputs, mask)
        if values:
            assert self.critic is not None
            assert hidden is not None
            values_of = scattered(self.critic(hidden.at.to(self.critic.weight.dtype))[:, 0], hidden, mask)
        return scores, values_of

    def _logprobs_at(self, outputs: Tensor, tokens: Tensor, temperature: float) -> Tensor:
        """log π of the tokens: in tiles through the head, or from the logits where the head is not all there is."""
        if self.head is None:
            return token_logprobs(outputs, tokens, torch.ones_like(tokens, dtype=torch.bool), temperature=temperature)
        dtype = torch.bfloat16 if self.bf16 else self.head.weight.dtype
        return linear_logprobs(outputs, self.head, tokens, temperature=temperature, dtype=dtype)

    def _outputs(self, run: Run, prompts: Tokens, ids: Tensor, mask: Tensor) -> Outputs:
        return outputs_before(run, self.model, prompts, ids, mask, shared=self.shares_prompts)

    def _hidden(self, inputs: dict[str, Tensor], *, past_key_values: Any, last: int) -> Tensor:
        """The last hidden states of some last positions."""
        hidden: Tensor = self._forward(self.model.base_model, inputs, past_key_values).last_hidden_state
        return hidden[:, -last:]

    def _logits(self, inputs: dict[str, Tensor], *, past_key_values: Any, last: int) -> Tensor:
        """The logits of some last positions."""
        logits: Tensor = self._forward(self.model, inputs, past_key_values, logits_to_keep=last).logits
        return logits

    def _decode(self, prompts: Tokens, group: int, choose: Choose) -> Samples:
        with nullcontext() if self.device.type == "cpu" else self._autocast():
            return decode(
                self.model, prompts, group, choose, eos_ids=self.eos_ids, max_length=self.max_completion_length
            )

    def _forward(self, module: torch.nn.Module, inputs: dict[str, Tensor], cache: Any, **options: Any) -> Any:
        """The forward pass that gradients flow through; checkpointing works in training mode alone."""
        if self.checkpointing:
            self.model.train(torch.is_grad_enabled())
        used = cache is not None and not self.checkpointing  # with it, transformers warns and says False itself
        try:
            with self._autocast():
                return module(**inputs, past_key_values=cache, use_cache=used, **options)
        finally:
            self.model.train(False)

    def _autocast(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


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
