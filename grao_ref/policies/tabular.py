"""A softmax over K actions with a separate row of logits for each prompt: the policy of the theory.

One action is one whole answer of length 1, so every equation applies unchanged. Rows share nothing:
N prompts are N independent runs of the same experiment, trained at once.
"""

import copy
from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from grao_ref.equations.checks import require_below, require_positive
from grao_ref.equations.masked import hide
from grao_ref.records import Samples, Tokens


class TabularPolicy:
    """π(a | q) = softmax(θ_q)_a and V(q). A prompt is the index q of its row.

    `logits`: (N, K), copied; float32 or float64.
    """

    def __init__(self, logits: Float[Tensor, "N K"]) -> None:
        if logits.dim() != 2 or not logits.is_floating_point():
            raise ValueError(f"logits must be a floating-point tensor of shape (N, K), got {tuple(logits.shape)}")
        self.theta = logits.detach().clone().requires_grad_()
        self.critic = torch.zeros_like(self.theta[:, 0]).requires_grad_()
        self.device = self.theta.device

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
        """G actions for each prompt: ids (N, G, 1). `parts` changes nothing, since a table has no cache."""
        rows = self.theta.detach()[prompts.ids[:, 0]] / temperature
        actions = torch.multinomial(rows.softmax(dim=-1), num_generations, replacement=True, generator=rng)
        mask = torch.ones_like(actions, dtype=torch.bool)[..., None]
        with torch.no_grad():
            scored_at = temperature if likelihood_temperature is None else likelihood_temperature
            logprobs = self.logprobs(prompts, actions[..., None], mask, temperature=scored_at)
        return Samples(actions[..., None], mask, logprobs, ended=mask[..., 0])

    def logprobs(
        self, prompts: Tokens, ids: Int[Tensor, "N G 1"], mask: Bool[Tensor, "N G 1"], *, temperature: float
    ) -> Float[Tensor, "N G 1"]:
        """log π(a | q), with gradient. Softmax is taken once for each row, whatever G is."""
        require_positive(temperature=temperature)
        actions = torch.where(mask, ids, 0)[..., 0]  # an id behind the mask may be anything
        require_below(self.theta.shape[-1], ids=actions)
        log_pi = torch.log_softmax(self.theta[prompts.ids[:, 0]] / temperature, dim=-1)
        return hide(log_pi.gather(-1, actions)[..., None], mask)

    def values(self, prompts: Tokens, ids: Int[Tensor, "N G 1"], mask: Bool[Tensor, "N G 1"]) -> Float[Tensor, "N G 1"]:
        """V(q), the same for each sample, with gradient."""
        return hide(self.critic[prompts.ids[:, 0]][:, None, None].expand(ids.shape), mask)

    def logprobs_and_values(
        self, prompts: Tokens, ids: Int[Tensor, "N G 1"], mask: Bool[Tensor, "N G 1"], *, temperature: float
    ) -> tuple[Float[Tensor, "N G 1"], Float[Tensor, "N G 1"]]:
        """Both."""
        return self.logprobs(prompts, ids, mask, temperature=temperature), self.values(prompts, ids, mask)

    def parameters(self) -> Iterable[Tensor]:
        """θ and the critic's V, one row for each prompt."""
        return [self.theta, self.critic]

    def frozen(self) -> "TabularPolicy":
        """A copy."""
        return copy.deepcopy(self)

    def save(self, folder: Path) -> None:
        """θ and V as policy.safetensors."""
        save_file({"theta": self.theta.detach(), "critic": self.critic.detach()}, folder / "policy.safetensors")

    def load(self, folder: Path) -> None:
        """Take back what `save` wrote."""
        saved = load_file(folder / "policy.safetensors")
        with torch.no_grad():
            self.theta.copy_(saved["theta"])
            self.critic.copy_(saved["critic"])
