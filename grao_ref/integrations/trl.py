"""GRAO on TRL's GRPOTrainer, for what outgrows one card: accelerate, FSDP2, DeepSpeed, vLLM and QLoRA come with it.

    trainer = GRAOTrainer("Qwen/Qwen3-8B", reward_funcs, GRAOConfig("out"), train_dataset)  # prompt, completion (= y)

By thm-1 a reference is one more row of its group: J = Σ_i w_i J(o_i) + w_y J(y). So each group gets a row more, and
each row its weight (`row_weights`, as in this package's own trainer). The loss is −Σ w J over the prompts. Every
process runs as many forward passes of as many rows as the others, whatever the weights are.
"""

import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer

from grao_ref.equations.logprob import mean_log_likelihood
from grao_ref.integrations.reference_rows import StepMeans, require_same_tokens, text_of, total_of, with_references
from grao_ref.integrations.trl_checks import (
    require_own_terms,
    require_positions,
    require_rows,
    require_text,
    require_trl,
)
from grao_ref.methods.weights import row_weights, weighted_method
from grao_ref.settings.config import Config
from grao_ref.text.encoding import Encoder
from grao_ref.text.remarks import remarks

# Settings of this package's own trainer, and its defaults.
OWN = ("method", "imitation_coef", "alignment_coef", "pool", "imitate_only_when_ahead", "ablate")
DEFAULT = Config()


def _set(value: Any, words: str) -> Any:
    return field(default=value, metadata={"help": words})


@dataclass
class GRAOConfig(GRPOConfig):  # type: ignore[misc]
    """GRPOConfig and the settings of eq-3, with the names and defaults of `grao_ref.settings.config.Config`.

    Settings of GRPO's objective are refused where they differ from their defaults: they would change nothing.
    """

    disable_dropout: bool = _set(True, "With dropout, another policy is scored than the one that sampled.")
    method: str = _set(DEFAULT.method, "grao, or the dotted path of a method that has `weights`.")
    imitation_coef: float = _set(DEFAULT.imitation_coef, "β of eq-3: the weight of imitating the reference.")
    alignment_coef: float = _set(DEFAULT.alignment_coef, "λ of eq-3: the weight of the alignment regulariser.")
    pool: str = _set(DEFAULT.pool, "Whose mean and deviation eq-4 takes: with_reference, or outputs.")
    imitate_only_when_ahead: bool = _set(DEFAULT.imitate_only_when_ahead, "The repair of thm-4; False: as printed.")
    ablate: str = _set("", "Terms of eq-3 to leave out, with commas between them.")

    def own(self) -> Config:
        """These settings as this package's own trainer reads them. Raises `ValueError` on one out of its range."""
        own = {name: getattr(self, name) for name in OWN} | {"ablate": tuple(filter(None, self.ablate.split(",")))}
        return Config(**own, num_generations=self.num_generations, per_device_train_batch_size=self.num_generations)


class GRAOTrainer(GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer with GRAO's objective. Arguments and reward functions are GRPOTrainer's; `args` is a `GRAOConfig`.

    Rows have a `completion`, the reference y: text behind a text, one assistant message behind a conversation. Reward
    functions score it as they score samples, and see it as `references`. Raises `ValueError` on settings that would
    make another objective of it, and `ImportError` on a version of TRL whose methods are not those overridden here.
    """

    _pending_extra_logs: dict[str, list[Any]]  # TRL's own
    _pending_metrics: dict[str, list[float]]
    _tag_names = ("trl", "grao")
    _name = "GRAO"
    _paper = {"title": "Learning to Align, Aligning to Learn", "id": "2508.07750", "citation": ""}  # noqa: RUF012

    def __init__(self, model: Any, reward_funcs: Any = None, args: Any = None, *more: Any, **named: Any) -> None:
        require_trl(GRPOTrainer)
        args = GRAOConfig("grao") if args is None else args
        if not isinstance(args, GRAOConfig):
            raise ValueError(f"args must be a GRAOConfig, got {type(args).__name__}")
        require_own_terms(args)
        self.own = args.own()
        weighted_method(self.own)
        super().__init__(model, reward_funcs, args, *more, **named)
        require_text(self)
        require_rows(self.train_dataset)
        require_positions(self.model, self._tokenizer.pad_token_id)
        self.encoder = Encoder(self._tokenizer, options=args.chat_template_kwargs)
        self._means = StepMeans(self.accelerator, self._metrics["train"])

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Tensor:
        """The samples' rewards; in training the references' too, by the same functions, kept for the weights."""
        if self.model.training or all("completion" in row for row in inputs):
            inputs = [row | {"references": text_of(row.get("completion"), row["prompt"])} for row in inputs]
        rewards: Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        if self.model.training:
            first = slice(None, None, self.num_generations)  # of each group
            self._totals = (
                total_of(rewards, self.reward_weights).view(-1, self.num_generations),
                self._rate(inputs[first], prompts[first]),
            )
        return rewards

    def _rate(self, rows: Any, prompts: Any) -> Tensor:
        """The references' rewards. Their tokens are kept, and what reward functions log of them is not."""
        self._opened = self.encoder.opened(prompts)
        self._references = self.encoder.answer_ids(self._opened, [row["references"] for row in rows])
        kept = self._pending_extra_logs, self._pending_metrics
        self._pending_extra_logs, self._pending_metrics = defaultdict(list), defaultdict(list)
        found = super()._calculate_rewards(rows, prompts, [row["completion"] for row in rows], self._references)
        self._pending_extra_logs, self._pending_metrics = kept
        if self.state.global_step == 0:
            for remark in remarks(self.encoder, [row["references"] for row in rows]):
                warnings.warn(remark, stacklevel=2)
        return total_of(found, self.reward_weights)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """A row more for each group, its reference, and a weight for each row."""
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if not self.model.training:
            return output
        if len(inputs) != self.args.per_device_train_batch_size * self.args.steps_per_generation:
            raise ValueError(f"a generation batch has {len(inputs)} rows, and other ones would tear groups")
        require_same_tokens(output, self._opened, self._references, self.eos_token_ids)
        rewards, of_references = self._totals
        w_o, w_y = row_weights(rewards, of_references, self.own)
        groups = len(inputs) // self.num_generations  # of this process: whole ones, since its batch is a multiple of G
        here = slice(self.accelerator.process_index * groups, (self.accelerator.process_index + 1) * groups)
        self._metrics["train"]["reference/reward"].append(of_references.nanmean().item())
        self._metrics["train"]["reference/weight"].append(w_y.mean().item())
        return with_references(output, self._references, w_o[here].flatten(), w_y[here], self._tokenizer.pad_token_id)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """−Σ w J over the prompts of the step, in training."""
        if "weights" not in inputs:
            return super()._compute_loss(model, inputs)  # type: ignore[no-any-return]
        mask, y = inputs["completion_mask"].bool(), inputs["is_reference"]
        ids, attended = (torch.cat([inputs[f"prompt_{x}"], inputs[f"completion_{x}"]], dim=1) for x in ("ids", "mask"))
        logprobs, entropy, aux = self._get_per_token_logps_and_entropies(
            model, ids, attended, mask.shape[1], compute_entropy=True, compute_aux_loss=self.aux_loss_enabled
        )
        J = mean_log_likelihood(logprobs * inputs.get("importance_sampling_ratio", 1.0), mask)
        prompts, steps = len(mask) / (self.num_generations + 1), self.current_gradient_accumulation_steps
        objective = (inputs["weights"] * J).sum() / prompts
        self._means.add("objective", objective.detach()[None])
        self._means.add("reference/logp_per_token", mean_log_likelihood(logprobs.detach(), mask)[y])
        self._means.add("entropy", entropy.detach()[mask & ~y[:, None]])
        loss: Tensor = -objective / steps
        return loss + self.router_aux_loss_coef * aux / steps if self.aux_loss_enabled else loss
