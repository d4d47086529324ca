"""What one stage passes to the next: the row that an answer is scored with, the temperature, the prompts."""

import weakref
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from grao_ref.data.rows import Row, Rows, apart
from grao_ref.data.splits import rows_of
from grao_ref.methods.registry import BUILT_IN
from grao_ref.policies.build import encoder_of
from grao_ref.policies.embedded import END, tiny_model, tiny_tokenizer
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Advantages, Batch, Rewards, Samples, Tokens
from grao_ref.runs.folder import Output
from grao_ref.runs.log import Log
from grao_ref.runs.run import Run
from grao_ref.runs.stopping import Stopping
from grao_ref.settings.config import Config
from grao_ref.settings.flags import parse
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.tasks.bandit import Bandit
from grao_ref.train import main
from grao_ref.training.checkpoint import load_checkpoint, save_checkpoint
from grao_ref.training.collect import collect
from grao_ref.training.loop import start, train
from grao_ref.training.metrics import completion_metrics, reward_metrics
from grao_ref.training.update import forward
from tests.language import pairs, save_model, save_rows
from tests.strategies import noise


@pytest.mark.parametrize("method", ["grpo", "ppo", "grao", "dpo"])
def test_untempered_likelihoods_are_all_at_temperature_1_whatever_the_sampler_s(method):
    """Otherwise the ratio of an on-policy update is not 1, and the KL of a policy to itself is not 0."""
    policy, frozen = TabularPolicy(noise((3, 4), 0)), TabularPolicy(noise((3, 4), 1))
    config = replace(PRESETS["bandit"], method=method, temperature=0.3, num_generations=5, beta=0.4)
    task, rng = Bandit(torch.tensor([1.0, 0.7, 0.0, 0.2]).double(), 1, 3), torch.Generator().manual_seed(0)
    batch = collect(task.draw(rng), task, policy, frozen, config, rng)
    logprobs = forward(policy, batch, BUILT_IN[method].needs(config), config)
    plain, anchor = policy.theta.detach().log_softmax(-1), frozen.theta.detach().log_softmax(-1)
    if batch.samples is not None:
        actions = batch.samples.ids[..., 0]
        torch.testing.assert_close(batch.samples.logprobs[..., 0], plain.gather(1, actions))
        assert torch.equal(logprobs.samples.detach(), batch.samples.logprobs)
    if method in ("grpo", "ppo"):
        torch.testing.assert_close(batch.reference_model.samples[..., 0], anchor.gather(1, actions))
    if method == "dpo":
        torch.testing.assert_close(batch.reference_model.references[:, 0], anchor[:, 1])
        torch.testing.assert_close(logprobs.references[:, 0].detach(), plain[:, 1])


def test_every_end_of_sequence_that_the_model_or_the_tokenizer_knows_ends_an_answer():
    model = tiny_model()
    for of_model, all_of_them in (([7, 3], (3, 7, END)), (7, (7, END)), (None, (END,))):
        model.generation_config.eos_token_id = of_model
        encoder = encoder_of(model, tiny_tokenizer(), Config())
        assert encoder.end_ids == all_of_them


def moved(**settings) -> torch.Tensor:
    """What one step of sft on the tiny model adds to its parameters."""
    experiment = prepare(Config(method="sft", max_steps=1, per_device_train_batch_size=32, **settings))
    parameters = list(experiment.policy.model.parameters())
    before = torch.cat([p.detach().flatten() for p in parameters])
    next(train(experiment.task, experiment.policy, experiment.config))
    return torch.cat([p.detach().flatten() for p in parameters]) - before


def test_the_gradient_is_clipped_to_its_norm_and_not_where_that_is_0():
    steps = {limit: moved(optimizer="sgd", learning_rate=1e-2, max_grad_norm=limit) for limit in (0.0, 0.05)}
    assert steps[0.05].norm().item() == pytest.approx(0.05 * 1e-2, rel=1e-2)
    assert steps[0.0].norm() > 5 * steps[0.05].norm()
    assert torch.nn.functional.cosine_similarity(*steps.values(), dim=0) > 0.999


def test_weight_decay_draws_every_weight_to_zero_beside_its_step():
    weights = torch.cat([p.detach().flatten() for p in tiny_model().parameters()])
    drawn = moved(learning_rate=1e-3, weight_decay=0.5) - moved(learning_rate=1e-3)
    torch.testing.assert_close(drawn, -1e-3 * 0.5 * weights, atol=1e-6, rtol=1e-2)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Config:
    folder = tmp_path_factory.mktemp("language")
    model, data = save_model(folder / "model"), save_rows(folder / "pairs.jsonl", pairs())
    return Config(model_name_or_path=model, dataset_name=data, reward_funcs=("tests.language.share_of_wanted",),
                  num_generations=4, per_device_train_batch_size=8, max_eval_prompts=4)  # fmt: skip


def test_a_policy_is_evaluated_on_the_prompts_that_were_held_out(config):
    experiment = prepare(config)
    fixed, seen = experiment.evaluation.held_out.batch, {tuple(example.prompt) for example in experiment.task.examples}
    prompts = [tuple(ids[mask].tolist()) for ids, mask in zip(fixed.prompts.ids, fixed.prompts.mask, strict=True)]
    assert len(set(prompts)) == 4
    assert not seen & set(prompts)


def test_prompts_of_a_test_split_are_not_trained_on(monkeypatch):
    rows, test = Rows([Row("a", "1"), Row("b", "2"), Row("a", "3")]), Rows([Row("a", "4")])
    assert apart(rows, test) == [Row("b", "2")]
    monkeypatch.setattr(
        "grao_ref.data.splits.load_rows",
        lambda name, *, split, config, column: test if split == "test" else Rows(rows[:1]),
    )
    with pytest.raises(ValueError, match="every prompt of the split 'train' is in 'test' too"):
        rows_of(Config(dataset_test_split="test"))


def test_references_are_evaluated_no_more_at_once_than_a_micro_batch(config, monkeypatch):
    experiment = prepare(replace(config, per_device_train_batch_size=4))
    evaluation, sizes = experiment.evaluation, []
    whole = prepare(replace(config, per_device_train_batch_size=8)).evaluation.own.metrics()
    evaluation.own.config = replace(evaluation.config, num_generations=2, per_device_train_batch_size=2)
    logprobs = type(experiment.policy).logprobs

    def counted(self, prompts, ids, mask, **settings):
        sizes.append(len(ids))
        return logprobs(self, prompts, ids, mask, **settings)

    monkeypatch.setattr(type(experiment.policy), "logprobs", counted)
    assert evaluation.own.metrics() == pytest.approx(whole, rel=1e-5)
    assert sizes == [2, 2]


def test_lengths_and_cut_off_shares_are_those_of_every_sample_scored_or_not():
    """An endless answer is the one that can't be scored: the metrics that show it must not leave it out."""
    mask = torch.tensor([[[True, True, True], [True, False, False]], [[True] * 3, [True] * 3]])
    samples = Samples(torch.zeros(2, 2, 3).long(), mask, -torch.ones(2, 2, 3), ended=~mask.all(-1))
    scored = torch.tensor([[False, True], [False, False]])
    rewards = Rewards(torch.zeros(2, 2), torch.zeros(2), scored, torch.ones(2, dtype=torch.bool))
    prompt = Tokens(torch.zeros(2, 1).long(), torch.ones(2, 1, dtype=torch.bool))
    metrics = completion_metrics(Batch(prompt, prompt, samples=samples, rewards=rewards))
    assert metrics["completions/mean_length"].tolist() == [2, 3]
    assert (metrics["completions/min_length"], metrics["completions/max_length"]) == (1, 3)
    assert metrics["completions/clipped_ratio"].tolist() == [0.5, 1]
    assert metrics["entropy"].tolist() == [1, 1]


def test_the_policy_s_own_dice_are_restored_where_it_has_some(tmp_path):
    """On a GPU it has; here they are another generator of the CPU's."""
    config = PRESETS["bandit"]
    training = start(prepare(config).policy, config)
    training.sampling_rng = torch.Generator().manual_seed(7)
    torch.rand(3, generator=training.sampling_rng)
    folder = save_checkpoint(tmp_path, training, config)
    expected = torch.rand(3, generator=training.sampling_rng)
    training.sampling_rng.manual_seed(0)
    load_checkpoint(folder, training, config)
    assert torch.equal(torch.rand(3, generator=training.sampling_rng), expected)


def test_one_run_s_model_is_gone_before_the_next_one_s_is_loaded(tmp_path, monkeypatch):
    policies: list[weakref.ref] = []

    def counted(config, machine):
        assert all(policy() is None for policy in policies)
        experiment = prepare(config, machine)
        policies.append(weakref.ref(experiment.policy))
        return experiment

    monkeypatch.setattr("grao_ref.runs.run.prepare", counted)
    flags = ["--num-seeds", "3", "--max-steps", "1", "--num-generations", "2", "--per-device-train-batch-size", "4"]
    assert main([*flags, "--max-eval-prompts", "4", "--output-dir", str(tmp_path)]) == 0
    assert len(policies) == 3


def test_a_tie_with_the_reference_is_no_win():
    prompt = Tokens(torch.zeros(1, 1).long(), torch.ones(1, 1, dtype=torch.bool))
    outputs = torch.tensor([[0.5, 0.75, 0.25, 0.5]])
    rewards = Rewards.complete(outputs, torch.tensor([0.5]))
    batch = Batch(prompt, prompt, rewards=rewards, advantages=Advantages(torch.zeros(1, 4), torch.zeros(1)))
    assert reward_metrics(batch, Bandit(torch.zeros(2), 0, 1))["reference/win_rate"].tolist() == [0.25]


def test_a_resumed_run_still_knows_where_its_references_began(tmp_path):
    bandit = ["--preset", "bandit", "--num-seeds", "1", "--save-steps", "1", "--eval-steps", "1"]
    assert main([*bandit, "--max-steps", "1", "--output-dir", str(tmp_path)]) == 0
    config = parse(["--config", str(tmp_path / "config.yaml")], PRESETS, module="", description="")
    output = Output(replace(config, resume_from_checkpoint=tmp_path))
    log = Log(output)
    run = Run("grao", output.config, Console(quiet=True), log, Stopping(), announce=False)
    log.close()
    assert run.alarm.first == output.kept[0]["eval_reference/logp_per_token"]
    assert list(run.measured) == [0, 1]
