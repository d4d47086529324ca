"""Another sampler: transformers' continuous batching, whose cache is paged.

Rows of all lengths share a batch without padding, and a row that ends makes room at once. It is meant for large groups
of answers of very different lengths on a GPU, and is not measured there. On a CPU `sampler.py` is faster. It
computes in the weights' dtype: autocast does not reach the thread that it runs in.
"""

import importlib.util
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import transformers
from jaxtyping import Int
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from grao_ref.policies.probe import HALF, SINGLE, refusing
from grao_ref.policies.scoring import Scorer
from grao_ref.policies.trial import trial_of
from grao_ref.records import Samples, Tokens

WAIT = 1.0  # seconds for an answer, until it is asked whether the sampler still runs
NEEDED = {"seed", "return_logprobs", "num_blocks", "max_batch_tokens", "use_async_batching"}
INSTEAD = "set sampler to decode"
PAGE = 32  # tokens: without flash attention, a mask over all pages is in memory for each token of a batch
PAGED = "sampling from a paged cache"


@dataclass(frozen=True)
class PagedSampler:
    """Draws groups from a model through its `init_continuous_batching`.

    Raises `ValueError` where the installed transformers has no such thing with a seed and log-probabilities, or can't
    tell how much memory a CPU has.
    """

    model: PreTrainedModel
    temperature: float
    rng: torch.Generator

    def __post_init__(self) -> None:
        kind = getattr(transformers, "ContinuousBatchingConfig", None)
        missing = NEEDED - ({field.name for field in fields(kind)} if kind else set())
        if missing or not hasattr(self.model, "init_continuous_batching"):
            raise ValueError(
                f"sampler paged needs transformers' continuous batching with {', '.join(sorted(missing or NEEDED))}, "
                f"which transformers {transformers.__version__} does not have: install a newer one, or {INSTEAD}"
            )
        if self.model.device.type == "cpu" and importlib.util.find_spec("psutil") is None:
            raise ValueError(f"sampler paged needs psutil on a CPU: pip install psutil, or {INSTEAD}")

    def sample(self, prompts: Tokens, group: int, *, eos_ids: Int[Tensor, "E"], max_length: int) -> Samples:
        """G answers to each prompt, drawn and scored at the temperature.

        One number is taken from `rng`, as the seed of all draws. All prompts wait before the first token is drawn, and
        the cache has room for all answers: so the answers depend on the seed alone, and not on timing. torch's own
        random state is put back, and so are the model's mode and its attention. Raises `ValueError` where an answer is
        missing.
        """
        seed = int(torch.randint(2**31 - 1, (1,), generator=self.rng, device=self.rng.device))
        asked = [ids[mask].tolist() for ids, mask in zip(prompts.ids, prompts.mask, strict=True)]
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=True,
            temperature=self.temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=max_length,
            eos_token_id=eos_ids.tolist() or -1,
            num_return_sequences=group,
        )
        attention = self.model.config._attn_implementation
        modes = [(module, module.training) for module in self.model.modules()]
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
                found = self._answers(asked, config, _settings(asked, config, seed))
        finally:
            if self.model.config._attn_implementation != attention:
                self.model.set_attn_implementation(attention)
            for module, training in modes:
                module.training = training
        ids, mask, logprobs = (tensor.to(self.model.device) for tensor in _tensors(found))
        ended = (torch.isin(ids, eos_ids) & mask).any(dim=-1)
        shape = (len(asked), group, ids.shape[1])
        return Samples(ids.view(shape), mask.view(shape), logprobs.view(shape), ended=ended.view(shape[:2]))

    def _answers(self, asked: list[list[int]], config: GenerationConfig, settings: Any) -> list[Any]:
        """The results, those of a prompt side by side."""
        start: Any = self.model.init_continuous_batching
        manager = start(generation_config=config, continuous_batching_config=settings)
        children = range((config.num_return_sequences or 1) - 1)
        names = manager.add_requests(inputs=asked, max_new_tokens=config.max_new_tokens)  # before it starts
        wanted = [each for name in names for each in (name, *(f"{name}__child#{number}" for number in children))]
        done: dict[str, Any] = {}
        manager.start()
        try:
            while len(done) < len(wanted):
                result = manager.get_result(timeout=WAIT)
                if result is not None and result.is_finished():
                    done[result.request_id] = result
                elif result is None and not manager.is_running():
                    break
        finally:
            manager.stop(block=True)
            manager.destroy()
        good = [done[name] for name in wanted if name in done and done[name].error is None]
        if len(good) < len(wanted):
            reasons = [" ".join(str(each.error).split()) for each in done.values() if each.error is not None]
            why = f" ({reasons[0]})" if reasons else ""
            raise ValueError(f"sampler paged gave {len(good)} of {len(wanted)} answers{why}: {INSTEAD}")
        return good


def require_paged(scorer: Scorer) -> None:
    """Raise `ValueError` on a model whose paged samples have other log-probabilities than the scorer gives them.

    Tried out on two prompts of different lengths. `scorer` was tried out itself (`probe.py`).
    """
    model = scorer.model
    sampler = PagedSampler(model, 1.0, torch.Generator().manual_seed(0))
    with refusing(model, PAGED), torch.no_grad():
        trial = trial_of(model)
        end = torch.tensor([trial.end], device=model.device)
        samples = sampler.sample(trial.prompts, 2, eos_ids=end, max_length=4)
        exact = replace(scorer, bf16=False)  # autocast does not reach the thread that samples
        scores = exact.score(trial.prompts, samples.ids, samples.mask, temperature=1.0)[0]
    off, size = (scores - samples.logprobs).norm().item(), samples.logprobs.norm().item()
    half = any(weight.dtype not in (torch.float32, torch.float64) for weight in model.parameters())
    if not off <= (HALF if half else SINGLE) * size:
        raise ValueError(f"sampler paged gives log-probabilities that are not the model's, off by {off:.1g}: {INSTEAD}")


def _settings(asked: list[list[int]], config: GenerationConfig, seed: int) -> Any:
    """A cache with room for every row, and batches whose size does not depend on how much memory is free."""
    kind: Any = transformers.ContinuousBatchingConfig
    name = "page_size" if "page_size" in {field.name for field in fields(kind)} else "block_size"  # as it was before
    length, group = config.max_new_tokens or 0, config.num_return_sequences or 1
    pages = group * sum(1 - -(len(ids) + length) // PAGE for ids in asked)
    batch = max(len(asked) * group, *map(len, asked), 256)
    sizes = {name: PAGE, "num_blocks": pages + 1, "max_batch_tokens": batch}
    return kind(return_logprobs=True, seed=seed, use_async_batching=False, **sizes)


def _tensors(found: list[Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Ids, mask and log-probabilities of the answers, as wide as the longest."""
    lengths = torch.tensor([len(each.generated_tokens) for each in found])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    ids, logprobs = torch.zeros(mask.shape, dtype=torch.long), torch.zeros(mask.shape)
    ids[mask] = torch.tensor([token for each in found for token in each.generated_tokens])
    logprobs[mask] = torch.tensor([score for each in found for score in each.logprobs])
    return ids, mask, logprobs
