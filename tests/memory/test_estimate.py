"""What the estimate says, by hand: the state, the cache, and that a peak is no sum of the phases."""

from dataclasses import replace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from grao_ref.memory.counting import CACHE, CAST, COPY, GRADIENTS, LOGITS, MOMENTS, OTHER, REFERENCE, WEIGHTS
from grao_ref.memory.estimate import estimate
from grao_ref.memory.lengths import by_settings
from grao_ref.memory.phases import EVALUATION, SAMPLING, SCORING, UPDATE
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.settings.config import Config
from tests.policies.architectures import CONFIGS, random_model

LAYERS, HEADS, SIZE, VOCABULARY = 3, 2, 16, 500
ARCHITECTURE = LlamaConfig(
    vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=LAYERS, num_attention_heads=4,
    num_key_value_heads=HEADS, max_position_embeddings=256, tie_word_embeddings=False, bos_token_id=None,
    eos_token_id=None, pad_token_id=None,
)  # fmt: skip
P, T, G = 20, 30, 4
CONFIG = Config(
    num_generations=G,
    per_device_train_batch_size=2 * G,
    max_prompt_length=P,
    max_completion_length=T,
    per_device_eval_batch_size=2,
)
PARAMETERS = sum(p.numel() for p in LlamaForCausalLM(ARCHITECTURE).parameters())


def found(architecture=ARCHITECTURE, cuda=False, **settings):
    config = replace(CONFIG, **settings)
    return estimate(config, architecture, by_settings(config), cuda=cuda)


def test_weights_moments_and_gradients_are_four_times_the_parameters():
    every = found()
    assert every.parameters == every.trained == PARAMETERS
    for phase in every.phases.values():
        assert phase[WEIGHTS] == pytest.approx(4 * PARAMETERS, rel=1e-3)  # and the rotary embedding's buffers
        assert phase[MOMENTS] == pytest.approx(8 * PARAMETERS, rel=1e-3)  # and the number of the step
    assert every.phases[EVALUATION][GRADIENTS] == 4 * PARAMETERS
    assert GRADIENTS not in every.phases[SAMPLING]
    assert MOMENTS not in found(optimizer="sgd").phases[UPDATE]


def test_the_cache_has_keys_and_values_of_every_answer_with_its_prompt():
    rows = CONFIG.per_device_train_batch_size
    assert found().phases[SAMPLING][CACHE] == 2 * LAYERS * HEADS * SIZE * 4 * rows * (P + T)
    halved = found(cuda=True).phases[SAMPLING]  # autocast keeps keys and values in bfloat16
    assert halved[CACHE] == found().phases[SAMPLING][CACHE] / 2
    assert halved[CAST] > 0


def test_accumulation_bounds_the_cache_and_the_activations_and_adds_gradients():
    whole, parts = found(), found(per_device_train_batch_size=G, gradient_accumulation_steps=2)
    assert parts.phases[SAMPLING][CACHE] == whole.phases[SAMPLING][CACHE] / 2
    more = found(per_device_train_batch_size=G, gradient_accumulation_steps=8)
    assert parts.phases == more.phases  # however many micro-batches there are
    one = found(per_device_train_batch_size=G)
    assert parts.phases[UPDATE][GRADIENTS] - one.phases[UPDATE].get(GRADIENTS, 0) <= 4 * PARAMETERS
    assert sum(parts.phases[UPDATE].values()) > sum(one.phases[UPDATE].values())


def test_the_run_needs_its_largest_phase_and_not_the_sum_of_all():
    every = found()
    totals = [sum(phase.values()) for phase in every.phases.values()]
    assert every.peak == max(totals) < sum(totals)
    assert every.peak == sum(every.phases[every.phase].values())


def test_an_adapter_has_gradients_and_moments_of_its_own_alone():
    pytest.importorskip("peft", reason="needs the extra [peft]")
    every = found(use_peft=True, lora_r=4)
    assert every.trained < every.parameters / 5
    assert every.phases[EVALUATION][GRADIENTS] == 4 * every.trained
    assert every.phases[UPDATE][MOMENTS] == pytest.approx(8 * every.trained, rel=0.05)
    bf16 = found(use_peft=True, lora_r=4, dtype="bfloat16")
    weights = 2 * (every.parameters - every.trained) + 4 * every.trained
    assert bf16.phases[UPDATE][WEIGHTS] == pytest.approx(weights, rel=1e-3)
    assert bf16.phases[UPDATE][MOMENTS] == every.phases[UPDATE][MOMENTS]  # the adapter's are float32


def test_a_kl_penalty_needs_a_copy_of_the_model_but_an_adapter_s_only_of_the_adapter():
    every = found(method="grpo", beta=0.1)
    assert every.phases[UPDATE][REFERENCE] == pytest.approx(4 * PARAMETERS, rel=1e-3)
    assert SCORING in every.phases
    assert REFERENCE not in found(method="grpo").phases[UPDATE]
    pytest.importorskip("peft", reason="needs the extra [peft]")
    adapted = found(method="grpo", beta=0.1, use_peft=True, lora_r=4)
    assert adapted.phases[UPDATE][REFERENCE] == 4 * adapted.trained


@pytest.mark.parametrize(("settings", "copies"), [({}, 3), ({"optimizer": "sgd"}, 1)])
def test_several_updates_on_a_batch_need_a_copy_of_what_they_change(settings, copies):
    """While they are made: of the weights and of two moments each."""
    once, several = found(**settings), found(num_iterations=3, **settings)
    assert several.phases[UPDATE][COPY] == pytest.approx(copies * 4 * PARAMETERS, rel=1e-3)
    more = sum(several.phases[UPDATE].values()) - sum(once.phases[UPDATE].values())
    assert more == pytest.approx(copies * 4 * PARAMETERS, rel=1e-3)
    assert COPY not in once.phases[UPDATE]
    assert {name: phase for name, phase in several.phases.items() if name != UPDATE} == {
        name: phase for name, phase in once.phases.items() if name != UPDATE
    }
    pytest.importorskip("peft", reason="needs the extra [peft]")
    adapted = found(num_iterations=2, use_peft=True, lora_r=4, **settings)
    assert adapted.phases[UPDATE][COPY] == pytest.approx(copies * 4 * adapted.trained, rel=0.05)


def test_checkpointing_keeps_less():
    sizes = {"per_device_train_batch_size": 8 * G}
    assert found(gradient_checkpointing=True, **sizes).phases[UPDATE][OTHER] < found(**sizes).phases[UPDATE][OTHER] / 2


@pytest.mark.parametrize("method", ["sft", "dpo", "ppo", "grpo", "grao"])
def test_every_method_has_an_estimate(method):
    every = found(method=method)
    assert (SAMPLING in every.phases) == (method in ("ppo", "grpo", "grao"))
    assert every.peak > 12 * PARAMETERS


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_has_an_estimate_and_no_number_is_computed(name, checkpointing):
    architecture = CONFIGS[name]()
    every = found(architecture, gradient_checkpointing=checkpointing, max_completion_length=16)
    assert every.parameters == random_model(name).num_parameters()
    assert every.peak > sum(every.phases[SAMPLING].values()) > 12 * every.parameters


def test_the_logits_are_tiled_where_there_are_many():
    wide = LlamaConfig(**(ARCHITECTURE.to_dict() | {"vocab_size": 50_000}))
    few, many = (found(wide, per_device_train_batch_size=size * G).phases[UPDATE][LOGITS] for size in (1, 64))
    assert few > 0
    assert many < 64 * few / 4


def test_control_a_real_update_has_the_gradients_and_the_moments_that_are_said():
    policy = CausalLMPolicy(LlamaForCausalLM(ARCHITECTURE), eos_ids=(), max_completion_length=T, critic=False)
    optimizer = torch.optim.AdamW(policy.parameters())
    for parameter in policy.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = [each for states in optimizer.state.values() for each in states.values()]
    assert sum(each.numel() * each.element_size() for each in state) == pytest.approx(8 * PARAMETERS, rel=1e-3)
