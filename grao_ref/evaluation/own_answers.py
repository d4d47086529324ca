"""How a policy judges the answers that held-out rows come with: y, and the rejected one. Nothing is sampled for it.

For every method: the references' mean log-likelihood. For one that samples nothing: its own objective and metrics, on
held-out rows instead of training rows. For one that reads rejected answers: DPO's implicit rewards.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from grao_ref.equations.logprob import mean_log_likelihood, sum_log_likelihood
from grao_ref.methods.calls import denominator_of, terms_of
from grao_ref.methods.registry import method_of, require_needs
from grao_ref.policies.interface import Policy
from grao_ref.records import Batch, LogProbs, move, take
from grao_ref.settings.config import Config
from grao_ref.training.logprobs import log_probabilities

CPU = torch.device("cpu")


@dataclass
class OwnAnswers:
    """The rows of `batch`, on the CPU, under a policy. To be made before the policy's first step.

    Its log-probabilities at that time are those of the reference model, for what needs one.
    """

    batch: Batch
    policy: Policy
    config: Config

    def __post_init__(self) -> None:
        self.method = method_of(self.config.method)
        self.needs = require_needs(self.method, self.config)
        named: set[str] = {name for name in self.needs.reference_model if name != "samples"}
        if self.needs.rejected:
            named |= {"references", "rejected"}
        else:
            self.batch = replace(self.batch, rejected=None)
        if named:
            pieces = [self._logprobs(part, named) for part in self._parts()]
            before = {name: torch.cat([getattr(piece, name) for piece in pieces]) for name in named}
            self.batch = replace(self.batch, reference_model=LogProbs(**before))

    @torch.no_grad()
    def metrics(self) -> dict[str, float]:
        """Means over the rows: TRL's names, without the `eval_` that the log puts before them.

        `reference/logp_per_token` is 1/|y| Σ_t log π(y_t) at temperature 1, whatever the sampler's is, over the rows
        that have a reference; where none has, there is no metric.
        """
        if not self.batch.references.mask.any():
            return {}
        found = [self._by_row(part) for part in self._parts()]
        columns = {name: torch.cat([each[name] for each in found]) for name in found[0]}
        return {name: values.mean().item() for name, values in columns.items()}

    def _by_row(self, part: Batch) -> dict[str, Float[Tensor, "M"]]:
        wanted = {"references"} | ({"rejected"} if self.needs.rejected else set())
        logprobs = self._logprobs(part, wanted)
        metrics = implicit_rewards(logprobs, part, self._scale()) if self.needs.rejected else {}
        if not self.needs.samples:
            terms = terms_of(self.method, logprobs, part, self.config, trained=False)
            denominator = denominator_of(self.method, self.batch, self.config)
            metrics |= {**terms.metrics, "loss": -terms.objective * (len(self.batch) / denominator)}
        return metrics | {"reference/logp_per_token": self._loglik(part, logprobs)}

    def _loglik(self, part: Batch, logprobs: LogProbs) -> Float[Tensor, "M"]:
        mask = part.references.mask
        if self.config.likelihood_temperature != 1:
            logprobs = self._logprobs(part, {"references"}, temperature=1.0)
        assert logprobs.references is not None
        return mean_log_likelihood(logprobs.references, mask)[mask.any(dim=-1)]

    def _scale(self) -> float:
        """β_KL of the implicit reward: the config's, the method's own, or 1: rewards in nats."""
        own = 1.0 if self.method.kl_weight is None else self.method.kl_weight
        return own if self.config.beta is None else self.config.beta

    @torch.no_grad()
    def _logprobs(self, part: Batch, names: set[str], *, temperature: float | None = None) -> LogProbs:
        at = self.config.likelihood_temperature if temperature is None else temperature
        there = move(replace(part, reference_model=None), self.policy.device)
        return move(log_probabilities(self.policy, there, names, temperature=at), CPU)

    def _parts(self) -> Iterator[Batch]:
        """No more rows at once than a micro-batch has answers, for the logits' memory."""
        size = self.config.per_device_train_batch_size
        for first in range(0, len(self.batch), size):
            yield take(self.batch, slice(first, first + size))


def implicit_rewards(logprobs: LogProbs, batch: Batch, scale: float) -> dict[str, Float[Tensor, "N"]]:
    """DPO's r(o) = β_KL (log π(o) − log π_ref(o)) of whole answers: of each pair's two answers, and their difference.

    `rewards/accuracies` is the share of pairs whose chosen answer has the larger one. Both are 0 before the first step,
    where the policy is its own reference model.
    """
    rewards = {}
    for name, answers in (("references", batch.references), ("rejected", batch.rejected)):
        now, before = (getattr(each, name) for each in (logprobs, batch.reference_model))
        assert answers is not None
        rewards[name] = scale * (sum_log_likelihood(now, answers.mask) - sum_log_likelihood(before, answers.mask))
    margins = rewards["references"] - rewards["rejected"]
    return {
        "rewards/chosen": rewards["references"],
        "rewards/rejected": rewards["rejected"],
        "rewards/margins": margins,
        "rewards/accuracies": (margins > 0).to(margins.dtype),
    }
