"""The bare floor: what GRAO's and GRPO's step costs in Hugging Face and torch alone, with nothing around it.

One prefill for each prompt, cached decoding with `torch.multinomial`, one forward and backward pass over the samples
(and the reference, for GRAO) with logits of the answers only, clipping, AdamW. No masks, checks, texts or reports. The
weights of the log-likelihoods are the package's (thm-1), so its gradient is the package's gradient.
"""

from contextlib import nullcontext

import torch
from torch import Tensor
from transformers import DynamicCache

from grao_ref.equations.advantage import group_advantages
from grao_ref.equations.grao import likelihood_weights_while_ahead
from tests.benchmarks.endings import END, Endings
from tests.benchmarks.materials import Materials, score
from tests.benchmarks.pace import Pace
from tests.benchmarks.workload import Workload, lengths_of


class Floor:
    """A step's parts, as methods, so that they can be timed and tested."""

    def __init__(self, method: str, workload: Workload, made: Materials) -> None:
        self.method, self.workload, self.model = method, workload, made.model.eval()
        self.prompts, self.references = (
            torch.tensor(ids, device=workload.device) for ids in (made.prompts, made.references)
        )
        self.reference_rewards = torch.tensor([score(ids) for ids in made.references])
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-5, weight_decay=0.0)

    def autocast(self):
        """bfloat16 where the workload asks for it."""
        return torch.autocast(self.workload.device, torch.bfloat16) if self.workload.bf16 else nullcontext()

    @torch.no_grad()
    def generate(self) -> Tensor:
        """(N·G, T) ids; behind the END of a ragged answer stands END."""
        cache, model, ids = DynamicCache(config=self.model.config), self.model, []
        with self.autocast():
            logits = model(self.prompts, past_key_values=cache, use_cache=True, logits_to_keep=1).logits[:, -1]
            cache.batch_repeat_interleave(self.workload.group)
            logits = logits.repeat_interleave(self.workload.group, 0)
            for place in range(self.workload.length):
                token = torch.multinomial(logits.float().softmax(-1), 1)
                if self.workload.ragged and ids:
                    token = token.masked_fill(ids[-1] == END, END)
                ids.append(token)
                if place + 1 < self.workload.length:
                    logits = model(token, past_key_values=cache, use_cache=True).logits[:, -1]
        return torch.cat(ids, 1)

    def mask(self, ids: Tensor) -> Tensor:
        """True up to the first END, and on it."""
        if not self.workload.ragged:
            return torch.ones_like(ids, dtype=torch.bool)
        return (ids == END).cumsum(1) - (ids == END).long() == 0

    def weights(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Of the samples' mean log-likelihoods (N, G), and of the references' (N)."""
        kept = [row[: int(length)] for row, length in zip(ids.tolist(), mask.sum(1), strict=True)]
        rewards = torch.tensor([score(row) for row in kept]).view(-1, self.workload.group)
        if self.method == "grpo":
            samples, _ = group_advantages(rewards, self.reference_rewards, pool="outputs")
            found = samples / self.workload.group, torch.zeros_like(self.reference_rewards)
        else:
            advantages = group_advantages(rewards, self.reference_rewards)
            found = likelihood_weights_while_ahead(*advantages, beta=0.5, lam=0.6)
        return found[0].to(ids.device), found[1].to(ids.device)

    def loss(self, ids: Tensor, mask: Tensor, samples: Tensor, references: Tensor) -> Tensor:
        """−1/N Σ of weight times mean log-likelihood. GRAO's references are the last rows of the batch."""
        full, answers = torch.cat([self.prompts.repeat_interleave(self.workload.group, 0), ids], 1), ids
        weights = samples.flatten()
        if self.method == "grao":
            full = torch.cat([full, torch.cat([self.prompts, self.references], 1)])
            answers = torch.cat([ids, self.references])
            mask = torch.cat([mask, torch.ones_like(self.references, dtype=torch.bool)])
            weights = torch.cat([weights, references])
        return (weights * self.nll(full, answers, mask)).sum() / self.workload.prompts

    def nll(self, full: Tensor, answers: Tensor, mask: Tensor) -> Tensor:
        """Mean negative log-likelihood of each row's answer."""
        with self.autocast():
            logits = self.model(full, use_cache=False, logits_to_keep=answers.shape[1] + 1).logits[:, :-1]
        nll = torch.nn.functional.cross_entropy(logits.transpose(1, 2).float(), answers, reduction="none")
        return (nll * mask).sum(1) / mask.sum(1)


def run(pace: Pace, made: Materials, *, method: str) -> None:
    """Steps of the bare loop."""
    floor = Floor(method, pace.workload, made)
    if pace.workload.ragged:
        floor.generate = Endings(made.model, lengths_of(pace.workload)).around(floor.generate)
    pace.clock.wrap(floor, "generate", "generation")
    pace.clock.wrap(floor, "loss", "forward")
    while pace.wait():
        ids = floor.generate()
        mask = floor.mask(ids)
        floor.optimizer.zero_grad(set_to_none=True)
        floor.loss(ids, mask, *floor.weights(ids, mask)).backward()
        torch.nn.utils.clip_grad_norm_(floor.model.parameters(), 1.0)
        floor.optimizer.step()
        pace.done(int(mask.sum()))
