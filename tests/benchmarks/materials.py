"""Models, tokenizers, prompts, references and the reward: the same on every side, from the same seeds."""

import random
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tests.benchmarks.workload import SMOLLM2, TINY, Workload

TEXT = (
    "The harbour was quiet in the early morning, and the fishermen who had been out all night were mending their nets "
    "on the stones beside the water. A boy came down the hill with a basket of bread and asked whether anybody had "
    "seen his brother, who had left with the tide two days before and had promised to be back for the feast. Nobody "
    "answered at first. Then the oldest of them put down his needle, looked at the grey line of the sea, and said that "
    "the wind had turned in the night, that boats had been seen beyond the point, and that there was no need to worry. "
) * 40


@dataclass(frozen=True)
class Materials:
    """What a side trains with. Prompts are token ids that survive decoding and encoding: TRL is given text."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prompts: list[list[int]]
    references: list[list[int]]  # as long as the longest sample; only GRAO reads them


def materials(workload: Workload) -> Materials:
    """The workload's model on its device, in float32, and N prompts with references."""
    torch.manual_seed(0)
    if workload.model == TINY:
        model, tokenizer, ids = _tiny(workload)
    elif workload.model == SMOLLM2:
        model, tokenizer, ids = _smollm2()
    else:
        model, tokenizer, ids = _random(int(workload.model.removeprefix("random-")))
    prompts: list[list[int]] = []
    start = 0
    while len(prompts) < workload.prompts:
        piece = ids[start : start + workload.prompt_length]
        assert len(piece) == workload.prompt_length, "the text is too short for these prompts"
        if tokenizer(tokenizer.decode(piece)).input_ids == piece:
            prompts.append(piece)
        start += workload.prompt_length if workload.model == TINY else 7
    even = [token for token in ids if token % 2 == 0 and token != 0]
    references = [even[11 * row :][: workload.length] for row in range(workload.prompts)]
    if tokenizer.pad_token_id is None or workload.ragged:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)  # the id that ends a ragged answer
    return Materials(model.to(workload.device), tokenizer, prompts, references)


def reward(prompts, completions, completion_ids=None, **_):
    """The share of even ids, with a small term that differs between nearly all answers: no group is without a signal.

    References consist of even ids, so they are ahead of their groups and GRAO has to train on them in every step.
    """
    return [0.0 if not ids else score(ids) for ids in (completion_ids or [[]] * len(completions))]


def score(ids: list[int]) -> float:
    """The reward of one answer, from its ids."""
    small = sum(place * token for place, token in enumerate(ids, 1)) % 101
    return sum(token % 2 == 0 for token in ids) / len(ids) + small / 10100


def _tiny(workload: Workload):
    from grao_ref.policies.embedded import tiny_model, tiny_tokenizer

    rng = random.Random(0)
    digits = workload.prompt_length - 1
    ids = [token for _ in range(workload.prompts) for token in [*(rng.randrange(10) for _ in range(digits)), 10]]
    return tiny_model(), tiny_tokenizer(), [*ids, *[2, 4, 6, 8] * (3 * workload.prompts + workload.length)]


def _smollm2():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from grao_ref.policies.smollm2 import smollm2_folder

    folder = smollm2_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, tokenizer, tokenizer(TEXT).input_ids


def _random(vocabulary: int):
    """Four layers, 256 wide, with tied embeddings as small models have them, and a tokenizer of numbered words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(vocabulary)}, unk_token="w1"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=None,
        tie_word_embeddings=True,
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", eos_token="w0")
    ids = random.Random(0).choices(range(2, vocabulary), k=6000)
    return LlamaForCausalLM(config), tokenizer, ids
