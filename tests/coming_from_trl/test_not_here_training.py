"""Reasons for which settings of TRL's are not here, as what is done instead: sampling, losses, the reference model.

test_words.py proves that TRL's names are refused with these reasons.
"""

import copy

import pytest
import torch
from torch.nn.functional import logsigmoid

from grao_ref import finetune
from grao_ref.equations.logprob import next_token_logprobs
from grao_ref.methods.grpo import GRPO
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import LogProbs, Tokens
from grao_ref.settings.config import Config
from grao_ref.training.update import make_optimizer
from tests.coming_from_trl.page import scripts_of
from tests.coming_from_trl.ten import SMALL, anything, likelihoods, said, ten, texts

row = scripts_of("NOT_HERE")
SFT = {"method": "sft", **SMALL}
GRPO_RUN = {"method": "grpo", "reward_funcs": anything, **SMALL}


def of_transformers(model, batch) -> list[torch.Tensor]:
    """log π of every sample's tokens, by transformers alone."""
    found = []
    for n in range(len(batch)):
        group = batch.samples.ids.shape[1]
        prompts = Tokens(batch.prompts.ids[n].expand(group, -1), batch.prompts.mask[n].expand(group, -1))
        found += likelihoods(model, prompts, Tokens(batch.samples.ids[n], batch.samples.mask[n]))
    return found


@row("the trained model samples its answers itself, without an inference server")
def test_samples_have_the_log_probabilities_of_the_model_that_is_trained(embedded, model, tokenizer):
    (report,) = finetune(model, tokenizer, ten("prompt"), **GRPO_RUN)
    samples = report.batch.samples
    logprobs, mask = samples.logprobs.flatten(0, 1), samples.mask.flatten(0, 1)
    for ours, kept, theirs in zip(logprobs, mask, of_transformers(embedded, report.batch), strict=True):
        torch.testing.assert_close(ours[kept], theirs, atol=1e-5, rtol=1e-4)


@row("samples follow the policy's whole distribution at `temperature`, as the objective supposes")
def test_the_model_s_own_sampling_settings_are_not_used(model, tokenizer):
    given = GRPO_RUN | {"num_generations": 32, "per_device_train_batch_size": 32}
    (plain,) = finetune(copy.deepcopy(model), tokenizer, ten("prompt"), **given)
    model.generation_config.update(do_sample=True, top_k=1, top_p=0.1, repetition_penalty=9.0, temperature=0.1)
    (report,) = finetune(model, tokenizer, ten("prompt"), **given)
    assert torch.equal(report.batch.samples.ids, plain.batch.samples.ids)  # any one of them would change some
    answers = texts(tokenizer, report.batch.samples)
    assert len(set(answers)) > 4  # top_k 1 has one
    assert model.generation_config.top_k == 1  # and they stay as they are


@row("an answer that is cut off is scored and trained on as any other")
def test_a_cut_off_answer_counts(model, tokenizer):
    (report,) = finetune(model, tokenizer, ten("prompt"), **GRPO_RUN | {"max_completion_length": 3})
    batch = report.batch
    assert not batch.samples.ended.any()
    assert batch.rewards.scored.all()
    assert batch.advantages.outputs.abs().max() > 0
    assert report.means()["grad_norm"] > 0


@row("the advantages of a group are divided by its rewards' standard deviation")
def test_advantages_do_not_depend_on_the_scale_of_rewards(embedded, tokenizer):
    found = []
    for scale in (1.0, 1000.0):

        def scaled(completions, scale=scale, **columns):
            return [scale * reward for reward in anything(completions)]

        given = GRPO_RUN | {"reward_funcs": scaled}
        found.append(next(finetune(copy.deepcopy(embedded), tokenizer, ten("prompt"), **given)).batch)
    torch.testing.assert_close(found[0].advantages.outputs, found[1].advantages.outputs, atol=1e-4, rtol=1e-4)
    rewards = found[0].rewards.outputs
    wanted = (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, correction=0, keepdim=True)
    torch.testing.assert_close(found[0].advantages.outputs, wanted, atol=1e-4, rtol=1e-4)


@row("log-probabilities are computed in float32")
def test_a_model_in_bfloat16_has_log_probabilities_in_float32(model, tokenizer):
    ids, mask = torch.zeros(1, 3, dtype=torch.long), torch.ones(1, 3, dtype=torch.bool)
    assert next_token_logprobs(torch.randn(1, 3, 5, dtype=torch.bfloat16), ids, mask).dtype == torch.float32
    with pytest.warns(UserWarning, match="the model's trained weights are bfloat16"):
        run = finetune(model.to(torch.bfloat16), tokenizer, ten("prompt"), **GRPO_RUN)
    (report,) = run
    assert report.batch.samples.logprobs.dtype == torch.float32
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


@row("the loss has only the terms of the method's equation")
def test_the_loss_is_the_sum_of_the_terms(model, tokenizer):
    (sft,) = finetune(copy.deepcopy(model), tokenizer, ten("prompt", "completion"), **SFT)
    assert sft.means()["loss"] == pytest.approx(-sft.means()["reference/logp_per_token"], rel=1e-6)
    (grao,) = finetune(model, tokenizer, ten("prompt", "completion"), reward_funcs=anything, **SMALL)
    terms = ("exploration", "imitation", "alignment")
    assert grao.means()["loss"] == pytest.approx(-sum(grao.means()[f"objective/{term}"] for term in terms), rel=1e-5)


@row("ratios are per token, and there is one advantage for each answer")
def test_one_token_is_clipped_and_the_others_of_its_answer_are_not(model, tokenizer):
    (report,) = finetune(model, tokenizer, ten("prompt"), **GRPO_RUN)
    batch = report.batch
    assert batch.advantages.outputs.shape == batch.rewards.outputs.shape == (2, 4)
    moved = batch.samples.logprobs.clone()
    moved[..., 0] += 1.0  # the ratio of the first token is e, those of the others 1
    found = GRPO.objective(LogProbs(samples=moved), batch, Config(method="grpo")).objective
    A, lengths = batch.advantages.outputs, batch.samples.mask.sum(-1)
    first = torch.minimum(A * torch.e, A * 1.2)  # e, or 1.2 where that is less
    torch.testing.assert_close(found, ((first + (lengths - 1) * A) / lengths).sum(-1), atol=1e-5, rtol=1e-4)


@row("rewards are added up with reward_weights")
def test_the_sum_of_the_weighted_rewards_is_normalised(model, tokenizer):
    def other(completions, **columns):
        return [float(text[:1] > "2") for text in completions]

    given = GRPO_RUN | {"reward_funcs": [anything, other], "reward_weights": [0.5, 3.0]}
    (report,) = finetune(model, tokenizer, ten("prompt"), **given)
    parts, rewards = report.batch.rewards.parts.values, report.batch.rewards.outputs
    torch.testing.assert_close(rewards, 0.5 * parts[..., 0] + 3 * parts[..., 1])


@row("DPO here is the sigmoid of the whole margin")
def test_dpo_s_loss_is_minus_log_sigma_of_the_margin(model, tokenizer):
    run = finetune(model, tokenizer, ten("prompt", "chosen", "rejected"), method="dpo", **SMALL | {"max_steps": 2})
    *_, second = run
    margins = second.metrics["rewards/margins"]
    assert margins.abs().min() > 0
    torch.testing.assert_close(second.metrics["loss"], -logsigmoid(margins))


@row("the reference model is the policy before training, and its likelihoods are computed when needed")
def test_the_reference_model_does_not_move_and_is_left_out_without_a_penalty(embedded, model, tokenizer):
    *_, last = finetune(copy.deepcopy(model), tokenizer, ten("prompt"), **GRPO_RUN | {"max_steps": 3, "beta": 0.1})
    before = last.batch.reference_model.samples.flatten(0, 1)
    mask = last.batch.samples.mask.flatten(0, 1)
    for ours, kept, theirs in zip(before, mask, of_transformers(embedded, last.batch), strict=True):
        torch.testing.assert_close(ours[kept], theirs, atol=1e-5, rtol=1e-4)
    (without,) = finetune(model, tokenizer, ten("prompt"), **GRPO_RUN)
    assert without.batch.reference_model is None


@row("PPO has one critic, gamma 1, and the settings gae_lambda and vf_coef")
def test_ppo_s_returns_are_not_discounted(model, tokenizer):
    given = GRPO_RUN | {"method": "ppo", "gae_lambda": 1.0}
    (report,) = finetune(model, tokenizer, ten("prompt"), **given)
    batch = report.batch
    wanted = batch.rewards.outputs[..., None].expand_as(batch.critique.returns)
    torch.testing.assert_close(batch.critique.returns[batch.samples.mask], wanted[batch.samples.mask])
    losses = {}
    for weight in (0.0, 0.5):
        (report,) = finetune(copy.deepcopy(model), tokenizer, ten("prompt"), **given, vf_coef=weight)
        losses[weight] = report.means()
    error = losses[0.5]["value_error"]
    assert losses[0.5]["loss"] - losses[0.0]["loss"] == pytest.approx(0.5 * error, rel=1e-3)


@row("Adam has torch's defaults: 0.9, 0.999, 1e-8")
def test_adam_s_betas_and_epsilon():
    optimizer = make_optimizer(TabularPolicy(torch.zeros(1, 3, dtype=torch.float64)), Config())
    assert (optimizer.defaults["betas"], optimizer.defaults["eps"]) == ((0.9, 0.999), 1e-8)


@row("a model is trained without dropout; an adapter has lora_dropout")
def test_dropout_is_off_while_a_model_is_trained(chat):
    model, tokenizer = chat
    rows = [{"messages": said(f"{n}?", "Yes")} for n in range(10)]
    losses = {}
    for kind, more in (("model", {}), ("adapter", {"use_peft": True, "lora_dropout": 0.5})):
        for drops in (0.0, 0.9):
            mine = copy.deepcopy(model).train()
            mine.config.attention_dropout = drops if kind == "model" else 0.0
            for layer in mine.model.layers:
                layer.self_attn.attention_dropout = mine.config.attention_dropout
            given = SFT | {"max_steps": 3, "learning_rate": 1e-2} | more
            given |= {"lora_dropout": drops / 2} if kind == "adapter" else {}
            losses[kind, drops] = [report.means()["loss"] for report in finetune(mine, tokenizer, rows, **given)]
    assert losses["model", 0.0] == losses["model", 0.9]
    assert losses["adapter", 0.0] != losses["adapter", 0.9]


@row("LoRA has lora_r, lora_alpha, lora_dropout and lora_target_modules")
def test_an_adapter_is_made_by_these_settings(model, tokenizer):
    given = {"use_peft": True, "lora_r": 3, "lora_alpha": 7, "lora_dropout": 0.25, "lora_target_modules": ["q_proj"]}
    list(finetune(model, tokenizer, ten("prompt", "completion"), **SFT, **given))
    made = model.peft_config["default"]
    assert (made.r, made.lora_alpha, set(made.target_modules)) == (3, 7, {"q_proj"})
    assert made.lora_dropout in (0.0, 0.25)  # between steps there is none


@row("weights are not quantised")
def test_a_loaded_model_is_trained_in_its_own_type(model, tokenizer):
    list(finetune(model, tokenizer, ten("prompt", "completion"), **SFT))
    assert {type(module).__module__.partition(".")[0] for module in model.modules()} <= {"torch", "transformers"}
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
