"""A Hugging Face causal language model as a policy: a group sampler with one prefill, and a scorer.

Any model whose cache is attention's (state-space layers can't share a prefill). On the CPU so far: prompts
and random generators are expected on the model's device.

Prompts are pushed to the right (left-padded) and positions are counted from the first real token, so
padding changes nothing for absolute or rotary embeddings. The prompt goes through the model once; its cache
is then shared by the G samples. What is scored and trained are the sampled ids, never re-encoded text.
The model stays in evaluation mode: with dropout, the policy that is scored is not the one that sampled.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from grao_ref.equations.checks import require_positive
from grao_ref.equations.logprob import token_logprobs
from grao_ref.equations.masked import hide
from grao_ref.records import Samples, Tokens

Choose = Callable[[Float[Tensor, "B V"]], Int[Tensor, "B"]]


class CausalLMPolicy:
    """π(o | q) of a causal model, token by token, and a linear critic on its last hidden states (PPO).

    `eos_ids`: every id that ends an answer; none is needed. An answer has at most `max_completion_length` tokens.
    The critic is float32 at least. Raises `ValueError` on ids outside the vocabulary, a length that is no whole number
    above 0, a model whose cache can't be shared.
    """

    def __init__(self, model: PreTrainedModel, *, eos_ids: Iterable[int], max_completion_length: int) -> None:
        if not isinstance(max_completion_length, int) or max_completion_length < 1:
            raise ValueError(f"max_completion_length must be a whole number above 0, got {max_completion_length}")
        if not all(hasattr(layer, "batch_repeat_interleave") for layer in DynamicCache(config=model.config).layers):
            raise ValueError(f"{type(model).__name__} has layers whose cache can't be shared by a group")
        self.model, self.max_completion_length = model.train(False), max_completion_length
        self.vocabulary = model.get_output_embeddings().weight.shape[0]  # type: ignore[no-untyped-call]
        ends = sorted(set(eos_ids))
        outside = [token for token in ends if not 0 <= token < self.vocabulary]
        if outside:
            raise ValueError(f"eos_ids must lie in [0, {self.vocabulary}), got {outside[0]}")
        self.eos_ids = torch.tensor(ends, dtype=torch.long, device=model.device)
        dtype = torch.promote_types(model.dtype, torch.float32)
        self.critic = torch.nn.Linear(model.config.hidden_size, 1, device=model.device, dtype=dtype)
        torch.nn.init.zeros_(self.critic.weight)
        torch.nn.init.zeros_(self.critic.bias)

    def parameters(self) -> Iterable[Tensor]:
        """The model's trainable parameters and the critic's."""
        return [p for p in (*self.model.parameters(), *self.critic.parameters()) if p.requires_grad]

    def sample(self, prompts: Tokens, num_generations: int, *, temperature: float, rng: torch.Generator) -> Samples:
        """G answers to each prompt, each token drawn from softmax(logits / temperature)."""
        require_positive(temperature=temperature)

        def draw(logits: Tensor) -> Tensor:
            return torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=rng)[:, 0]

        return self._decode(prompts, num_generations, draw, temperature)

    def greedy(self, prompts: Tokens) -> Samples:
        """The likeliest token at every position: one answer for each prompt, scored at temperature 1."""
        return self._decode(prompts, 1, lambda logits: logits.argmax(dim=-1), 1.0)

    def logprobs(
        self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"], *, temperature: float
    ) -> Float[Tensor, "N G T"]:
        """log π(o_t | q, o_<t), with gradient: one forward of prompt and answer, logits of the answer only."""
        inputs = self._join(prompts, ids, mask)
        logits = self.model(**inputs, use_cache=False, logits_to_keep=ids.shape[-1] + 1).logits[:, :-1]
        return token_logprobs(logits.view(*ids.shape, -1), ids, mask, temperature=temperature)

    def values(self, prompts: Tokens, ids: Int[Tensor, "N G T"], mask: Bool[Tensor, "N G T"]) -> Float[Tensor, "N G T"]:
        """The critic's V before each token, from the hidden state that predicts it."""
        hidden = self.model.base_model(**self._join(prompts, ids, mask), use_cache=False).last_hidden_state
        values = self.critic(hidden[:, -ids.shape[-1] - 1 : -1].to(self.critic.weight.dtype))[..., 0]
        return hide(values.view(ids.shape), mask)

    def _join(self, prompts: Tokens, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """The model's inputs for N·G sequences: the prompt, pushed to the right, and the answer."""
        left = push_right(prompts)
        group = ids.shape[1]
        input_ids = torch.cat([left.ids.repeat_interleave(group, 0), ids.masked_fill(~mask, 0).flatten(0, 1)], dim=1)
        return with_positions(input_ids, torch.cat([left.mask.repeat_interleave(group, 0), mask.flatten(0, 1)], dim=1))

    @torch.no_grad()
    def _decode(self, prompts: Tokens, group: int, choose: Choose, temperature: float) -> Samples:
        """Prefill each prompt once, repeat its cache for the group, then a token at a time until all have ended."""
        left = push_right(prompts)
        cache = DynamicCache(config=self.model.config)
        prefill = with_positions(left.ids, left.mask)
        logits = self.model(**prefill, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
        cache.batch_repeat_interleave(group)
        logits, attended = logits.repeat_interleave(group, 0), left.mask.repeat_interleave(group, 0)
        going = torch.ones_like(attended[:, 0])  # True until the row has ended
        ids: list[Tensor] = []
        masks: list[Tensor] = []
        logprobs: list[Tensor] = []
        for _ in range(self.max_completion_length):
            if ids:  # the token of the last round
                step = with_positions(ids[-1][:, None], attended)
                logits = self.model(**step, past_key_values=cache, use_cache=True).logits[:, -1]
            token = choose(logits.float() if logits.dtype != torch.float64 else logits)
            ids.append(token.masked_fill(~going, 0))
            masks.append(going)
            logprobs.append(token_logprobs(logits, ids[-1], going, temperature=temperature))
            attended = torch.cat([attended, going[:, None]], dim=1)
            going = going & ~torch.isin(token, self.eos_ids)
            if not going.any():
                break
        columns = (torch.stack(column, dim=1).view(-1, group, len(ids)) for column in (ids, masks, logprobs))
        return Samples(*columns)


def push_right(prompts: Tokens) -> Tokens:
    """The same prompts with all padding on the left; what stands behind the mask becomes token 0.

    Raises `ValueError` on a prompt without a token: there would be nothing to predict from.
    """
    if not prompts.mask.any(dim=-1).all():
        empty = int((~prompts.mask.any(dim=-1)).nonzero()[0])
        raise ValueError(f"every prompt needs at least one token, prompt {empty} has none")
    order = prompts.mask.to(torch.uint8).argsort(dim=-1, stable=True)
    return Tokens(prompts.ids.masked_fill(~prompts.mask, 0).gather(-1, order), prompts.mask.gather(-1, order))


def with_positions(ids: Int[Tensor, "B S"], attended: Bool[Tensor, "B A"]) -> dict[str, Tensor]:
    """Model inputs for the last S of the A attended positions; positions count the real tokens before each."""
    positions = (attended.cumsum(dim=-1) - 1).clamp(min=0)[:, -ids.shape[-1] :]
    return {"input_ids": ids, "attention_mask": attended.long(), "position_ids": positions}
