"""A run in a process of its own, and the most memory that it took: `python -m tests.memory.measure SCENARIO DEVICE`."""

import gc
import json
import os
import sys
from dataclasses import replace
from itertools import islice

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

from grao_ref.methods.registry import method_of
from grao_ref.policies.build import policy_of
from grao_ref.rewards.scorer import Scorer
from grao_ref.setups import text_setup
from grao_ref.training.loop import proceed, start
from tests.benchmarks.memory import Peak
from tests.memory.scenarios import Scenario

STEPS = 2  # the second one finds the optimiser's moments


def words(vocabulary):
    """A tokenizer of numbered words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({f"w{number}": number for number in range(vocabulary)}, unk_token="w1"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="w0", eos_token="w0")


def reward(prompts, completions, completion_ids, **_):
    """Below a reference's by a little, and different for nearly all answers: every row is trained on."""
    return [
        sum(place * token for place, token in enumerate(ids, 1)) % 101 / 1000 + (ids[-1] == 0) for ids in completion_ids
    ]


def run(scenario, device, tokenizer):
    """Two steps and an evaluation after each, as a run makes them; no answer ends early."""
    from transformers import AutoModelForCausalLM

    config = replace(scenario.config(), device=device)
    torch.manual_seed(0)
    dtype = getattr(torch, config.dtype)
    model = AutoModelForCausalLM.from_config(scenario.architecture(), dtype=dtype).to(device)
    critic = method_of(config.method).needs(config).critic
    policy = policy_of(model, tokenizer, config, critic=critic)
    count = config.per_device_train_batch_size * config.gradient_accumulation_steps
    setup = text_setup(
        config,
        policy,
        tokenizer,
        rows=scenario.rows(count),
        held_out=scenario.rows(config.max_eval_prompts, first=count),
        scorer=Scorer({"reward": reward}) if method_of(config.method).needs(config).samples else None,
    )
    policy.stop_at([])
    setup.evaluation.metrics(0)
    for report in islice(proceed(setup.task, start(policy, setup.config), setup.config), STEPS):
        setup.evaluation.metrics(report.step)
    samples = report.batch.samples
    assert samples is None or int(samples.mask.sum()) == samples.mask.numel() == count * scenario.answer


def main():
    """Print the bytes at the peak, above what the process had before it made the model."""
    device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
    scenario = Scenario(**json.loads(sys.argv[1]))
    torch.set_num_threads(1)
    small = replace(scenario, layers=1, width=32, vocabulary=100, prompt=4, answer=4)
    run(small, device, words(100))  # so that all code is in memory
    tokenizer = words(scenario.vocabulary)
    rows = scenario.rows(2)
    tokenizer([row.reference for row in rows])
    gc.collect()
    peak = Peak(device)
    run(scenario, device, tokenizer)
    found = peak.mib()
    print(json.dumps({"bytes": 2**20 * (found["peak_mib"] - found["loaded_mib"])}))


if __name__ == "__main__":
    main()
