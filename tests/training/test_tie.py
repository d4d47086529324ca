"""The tie: a transformer that answers with one token, with the table's logits, takes the table's step.

A GPT-2 of width 1 whose final layer norm always gives 1 has its `lm_head` for logits: whatever is proved of the
table is then a statement about the parameters of a Hugging Face model, run by the same loop.
"""

from dataclasses import replace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.training.collect import collect
from grao_ref.training.update import make_optimizer, update
from tests.strategies import noise

REWARDS = torch.tensor([1.0, 0.7, 0.0, 0.2, 0.4], dtype=torch.float64)
CONFIG = replace(PRESETS["bandit"], num_generations=16, learning_rate=0.3, beta=0.05, num_iterations=3)


def one_token_transformer(logits: torch.Tensor, dtype: torch.dtype) -> CausalLMPolicy:
    """Its next-token logits are `logits` whatever the prompt; only they (and the critic) are trained."""
    config = GPT2Config(
        vocab_size=len(logits), n_embd=1, n_head=1, n_layer=1, n_positions=8, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).to(dtype).requires_grad_(False)
    model.transformer.ln_f.weight.zero_()
    model.transformer.ln_f.bias.fill_(1)
    model.lm_head.weight.copy_(logits[:, None])
    model.lm_head.weight.requires_grad_()
    policy = CausalLMPolicy(model, eos_ids=(), max_completion_length=1)
    policy.critic.bias.requires_grad_(False)  # its weight is the table's V; both together would move twice as far
    return policy


def steps(policy, parameter, batch, config, optimizer):
    """Three updates on one batch: what was reported, each gradient, each parameter."""
    trace = []
    for _ in range(config.num_iterations):
        metrics = update(policy, optimizer, batch, config, independent_prompts=True)
        trace.append((metrics["loss"].sum(), parameter.grad.flatten().clone(), parameter.detach().flatten().clone()))
    return trace


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("method", BUILT_IN)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-6)])
def test_table_and_transformer_report_the_same_gradient_and_next_parameters(dtype, tolerance, method, optimizer):
    config = replace(CONFIG, method=method, optimizer=optimizer)
    logits = noise((5,), 3, dtype)
    table, transformer = TabularPolicy(logits[None]), one_token_transformer(logits, dtype)
    task, rng = Bandit(REWARDS.to(dtype), 1, 1), torch.Generator().manual_seed(0)
    batch = collect(task.draw(rng), task, table, table, config, rng)
    # Where no sample has an action, GRPO's gradient of it is rounding alone, which Adam would divide by its own size.
    assert batch.samples is None or batch.samples.ids.unique().tolist() == [0, 1, 2, 3, 4]
    ours = steps(table, table.theta, batch, config, make_optimizer(table, config))
    theirs = steps(transformer, transformer.model.lm_head.weight, batch, config, make_optimizer(transformer, config))
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a, b, strict=True):
            torch.testing.assert_close(y, x, rtol=tolerance, atol=tolerance)
    moved = ours[-1][2] - logits
    assert moved.abs().max() > 1e-2  # control: there was a step to agree on


def test_both_sample_and_score_alike():
    logits = noise((5,), 3)
    table, transformer = TabularPolicy(logits[None]), one_token_transformer(logits, torch.float64)
    prompts = Bandit(REWARDS, 1, 1).draw(torch.Generator()).prompts
    for policy in (table, transformer):
        samples = policy.sample(prompts, 40_000, temperature=0.7, rng=torch.Generator().manual_seed(0))
        shares = torch.bincount(samples.ids.flatten(), minlength=5) / 40_000
        torch.testing.assert_close(shares.double(), (logits / 0.7).softmax(0), atol=0.01, rtol=0)
        torch.testing.assert_close(samples.logprobs.exp(), (logits / 0.7).softmax(0)[samples.ids])


def test_the_loop_trains_the_transformer_as_it_trains_the_table():
    """Two runs of the whole loop, each with its own samples: the same expected reward, within the noise of sampling."""
    from grao_ref.training.loop import train

    config = replace(PRESETS["bandit"], num_generations=8, learning_rate=0.3, max_steps=60)
    task = Bandit(REWARDS, 1, 1)
    final = []
    for policy in (TabularPolicy(torch.zeros(1, 5).double()), one_token_transformer(torch.zeros(5), torch.float64)):
        for _ in train(task, policy, config):
            pass
        theta = policy.theta if isinstance(policy, TabularPolicy) else policy.model.lm_head.weight.T
        final.append(task.expected_reward(theta).item())
    assert min(final) > 0.9
    assert abs(final[0] - final[1]) < 0.05
