"""A causal model's log-probabilities of given answers, and a critic's values of them, with gradient.

Three things are not computed: what a prompt's rows share (`outputs.py`), what is longer than a part's rows, and the
logits as a whole (`tiles.py`). The numbers are those of one forward pass over every whole sequence, up to float order.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from grao_ref.equations.checks import require_below, require_positive
from grao_ref.equations.logprob import token_logprobs
from grao_ref.policies.outputs import Outputs, Run, outputs_before, scattered
from grao_ref.policies.products import Linear
from grao_ref.policies.tiles import linear_logprobs
from grao_ref.records import Tokens


@dataclass(frozen=True)
class Scorer:
    """Scores answers under a model that is ready to be a policy (`modes.py`)."""

    model: PreTrainedModel
    bf16: bool  # forward passes in bfloat16 autocast, log-softmaxes in float32
    checkpointing: bool  # hidden states are computed again in the backward pass
    shares_prompts: bool  # whether a prompt's rows share one forward pass of it
    head_alone: bool  # whether the output layer alone makes logits of the last hidden states

    def score(
        self,
        prompts: Tokens,
        ids: Int[Tensor, "N G T"],
        mask: Bool[Tensor, "N G T"],
        *,
        temperature: float | None = None,
        critic: torch.nn.Linear | None = None,
    ) -> tuple[Float[Tensor, "N G T"], Float[Tensor, "N G T"]]:
        """log π(o_t | q, o_<t) at a temperature, and the critic's V before each token, from one pass where possible.

        Each is 0 where it was not asked for, or the mask is False. A row without a token is not forwarded. Raises
        `ValueError` on an id outside the vocabulary, a prompt without a token, temperature <= 0.
        """
        zeros = torch.zeros(ids.shape, device=ids.device, dtype=torch.promote_types(self.model.dtype, torch.float32))
        scores, values, hidden, chosen = zeros, zeros, None, (prompts, ids, mask)
        if not mask.any():
            return scores, values
        if critic is not None or self.head_alone:
            hidden = self._outputs(self._hidden, *chosen)
        if temperature is not None:
            require_positive(temperature=temperature)
            outputs = hidden if hidden is not None and self.head_alone else self._outputs(self._logits, *chosen)
            tokens = ids.flatten()[outputs.places]
            scores = scattered(self._logprobs(outputs.at, tokens, temperature), outputs, mask)
        if critic is not None:
            assert hidden is not None
            values = scattered(critic(hidden.at.to(critic.weight.dtype))[:, 0], hidden, mask)
        return scores, values

    def _logprobs(self, outputs: Tensor, tokens: Tensor, temperature: float) -> Tensor:
        """Of hidden states, in tiles through the head; of logits, where the head is not all there is."""
        if not self.head_alone:
            return token_logprobs(outputs, tokens, torch.ones_like(tokens, dtype=torch.bool), temperature=temperature)
        head: torch.nn.Linear = self.model.get_output_embeddings()  # type: ignore[no-untyped-call]
        require_below(head.out_features, ids=tokens)
        dtype = torch.bfloat16 if self.bf16 else head.weight.dtype
        return linear_logprobs(outputs, head, tokens, temperature=temperature, dtype=dtype)

    def _outputs(self, run: Run, prompts: Tokens, ids: Tensor, mask: Tensor) -> Outputs:
        with torch.autocast(self.model.device.type, torch.bfloat16) if self.bf16 else nullcontext():
            return outputs_before(run, self.model, prompts, ids, mask, shared=self.shares_prompts)

    def _hidden(self, inputs: dict[str, Tensor], *, past_key_values: Any, last: int) -> Tensor:
        """The last hidden states of some last positions."""
        hidden: Tensor = self._forward(self.model.base_model, inputs, past_key_values).last_hidden_state
        return hidden[:, -last:]

    def _logits(self, inputs: dict[str, Tensor], *, past_key_values: Any, last: int) -> Tensor:
        """The logits of some last positions."""
        logits: Tensor = self._forward(self.model, inputs, past_key_values, logits_to_keep=last).logits
        return logits

    def _forward(self, module: torch.nn.Module, inputs: dict[str, Tensor], cache: Any, **options: Any) -> Any:
        """The pass that gradients flow through; checkpointing works in training mode alone."""
        if self.checkpointing:
            self.model.train(torch.is_grad_enabled())
        used = cache is not None and not self.checkpointing  # with it, transformers warns and says False itself
        try:
            return module(**inputs, past_key_values=cache, use_cache=used, **options)
        finally:
            self.model.train(False)


def is_head_alone(model: PreTrainedModel) -> bool:
    """Whether logits are no more than the output layer makes of the last hidden state.

    Some models scale or cap their logits, some heads are quantised or have an adapter. So it is tried out, on a few
    tokens, whether the head alone gives the model's logits to the bit.
    """
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if type(head) not in (torch.nn.Linear, Linear) or head.weight.device != model.device or hasattr(head, "_hf_hook"):
        return False
    with torch.no_grad():
        tokens = torch.arange(head.out_features, device=model.device)[:: max(1, head.out_features // 4)][None]
        hidden = getattr(model.base_model(tokens, use_cache=False), "last_hidden_state", None)
        logits = model(tokens, use_cache=False).logits
        return hidden is not None and bool(logits.any()) and torch.equal(head(hidden), logits)
