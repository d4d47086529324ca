"""How long a GPU takes to draw groups, with steps that are captured and replayed and with eager ones, in turn.

    python -m tests.gpu.sampling cuda

The models have the shapes of real ones and random weights. All answers are as long as they may be. One line of JSON
for each case.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, Qwen2Config

from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.records import Samples, Tokens

SMOLLM2 = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
QWEN = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
MODELS: dict[str, Callable[[], Any]] = {
    "SmolLM2-135M": lambda: LlamaConfig(**SMOLLM2),
    "Qwen2.5-1.5B": lambda: Qwen2Config(**QWEN),
}
ROUNDS, WARMUP = 2, 1


@dataclass(frozen=True)
class Case:
    """What is drawn: `prompts` prompts × `group` answers × `length` tokens, under bfloat16 autocast or in float32."""

    model: str
    prompts: int
    group: int
    length: int
    bf16: bool
    prompt_length: int = 96


CASES = (
    Case("SmolLM2-135M", 16, 8, 64, bf16=True),
    Case("SmolLM2-135M", 16, 8, 64, bf16=False),
    Case("SmolLM2-135M", 4, 4, 64, bf16=True),
    Case("SmolLM2-135M", 4, 8, 256, bf16=True),
    Case("Qwen2.5-1.5B", 16, 8, 64, bf16=True),
    Case("Qwen2.5-1.5B", 8, 8, 256, bf16=True),
)


def compared(case: Case, model: PreTrainedModel) -> dict[str, Any]:
    """Seconds of both ways, medians of rounds in turn, and how far their samples agree."""
    policy = CausalLMPolicy(model, eos_ids=[], max_completion_length=case.length, bf16=case.bf16, critic=False)
    able, took, drawn = policy.replayed, {True: [], False: []}, {}
    peak: dict[bool, int] = {}
    for round_ in range(WARMUP + ROUNDS):
        for replayed in (False, True):
            policy.replayed = replayed
            _wait(model)
            if model.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            began = time.perf_counter()
            drawn[replayed] = _draw(policy, case)
            _wait(model)
            if round_ >= WARMUP:
                took[replayed].append(time.perf_counter() - began)
            if model.device.type == "cuda":
                peak[replayed] = torch.cuda.max_memory_allocated()
    eager, replay = (median(took[way]) for way in (False, True))
    same = drawn[True].ids == drawn[False].ids
    before_a_difference = same.cumprod(dim=-1).bool()
    off = (drawn[True].logprobs - drawn[False].logprobs)[before_a_difference].abs()
    return vars(case) | {
        "able": able,
        "eager_seconds": round(eager, 4),
        "replayed_seconds": round(replay, 4),
        "ratio": round(replay / eager, 3),
        "spread": [round(max(took[way]) / min(took[way]), 2) for way in (False, True)],
        "same_answers": round(same.all(dim=-1).float().mean().item(), 3),
        "logprob_off": float(f"{off.mean().item():.1e}"),
        "peak_MiB": {("replayed" if way else "eager"): value >> 20 for way, value in peak.items()},
    }


def _draw(policy: CausalLMPolicy, case: Case) -> Samples:
    rng = torch.Generator(policy.device).manual_seed(0)
    ids = torch.randint(9, 9000, (case.prompts, case.prompt_length), generator=rng, device=policy.device)
    lengths = torch.linspace(case.prompt_length // 2, case.prompt_length, case.prompts, device=policy.device).long()
    mask = torch.arange(case.prompt_length, device=policy.device) < lengths[:, None]
    return policy.sample(Tokens(ids, mask), case.group, temperature=1.0, rng=rng)


def _wait(model: PreTrainedModel) -> None:
    if model.device.type == "cuda":
        torch.cuda.synchronize()


def run(cases: tuple[Case, ...], device: str) -> Iterator[dict[str, Any]]:
    """Each case; a model is made once for all of its own."""
    for name in dict.fromkeys(case.model for case in cases):
        torch.manual_seed(0)
        with torch.device(device):
            model = AutoModelForCausalLM.from_config(MODELS[name]())
        for case in cases:
            if case.model == name:
                yield compared(case, model)
        del model


if __name__ == "__main__":
    for found in run(CASES, sys.argv[1]):
        print(json.dumps(found), flush=True)
