"""Each method's objective, once more, token by token in plain Python; and what is collected for it.

The batch has ragged answers of several tokens, an old policy that differs from the new one and a KL penalty,
so that every weight, mask and mean in the table of methods counts.
"""

from dataclasses import replace

import pytest
import torch

from grao_ref.algorithms import ALGORITHMS
from grao_ref.collect import collect
from grao_ref.config import Config
from grao_ref.experiment import prepare
from grao_ref.policies.causal_lm import CausalLMPolicy
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.policies.tiny import tiny_model
from grao_ref.presets import PRESETS
from grao_ref.records import Advantages, Batch, Critique, Frozen, Samples, Scored, Tokens
from grao_ref.tasks.bandit import Bandit
from grao_ref.tasks.sorting import ANSWER, END, Sorting
from grao_ref.update import make_optimizer, score, update
from tests.equations import twins
from tests.strategies import noise

CONFIG = Config(beta=0.3, epsilon=0.1, vf_coef=0.7, imitation_coef=0.5, alignment_coef=0.6)
N, G, T, Y = 2, 3, 4, 5
SAMPLE_LENGTHS = [[4, 1, 2], [3, 4, 1]]
REFERENCE_LENGTHS, REJECTED_LENGTHS = [5, 2], [1, 4]


def masks(lengths, width) -> torch.Tensor:
    return torch.arange(width) < torch.tensor(lengths)[..., None]


def small(shape, seed) -> torch.Tensor:
    return noise(shape, seed) * 0.3 - 1


def given() -> tuple[Scored, Batch]:
    """Every field that any method reads, with random numbers of no special size."""
    sample_mask, y_mask, r_mask = masks(SAMPLE_LENGTHS, T), masks(REFERENCE_LENGTHS, Y), masks(REJECTED_LENGTHS, Y)
    prompts = Tokens(torch.zeros(N, 1).long(), torch.ones(N, 1, dtype=torch.bool))
    batch = Batch(
        prompts,
        Tokens(torch.zeros(N, Y).long(), y_mask),
        rejected=Tokens(torch.zeros(N, Y).long(), r_mask),
        samples=Samples(torch.zeros(N, G, T).long(), sample_mask, small((N, G, T), 0)),
        advantages=Advantages(noise((N, G), 1), noise((N,), 2).abs() * torch.tensor([1, -1])),
        critique=Critique(*(noise((N, G, T), seed) for seed in (3, 4, 5))),
        frozen=Frozen(small((N, G, T), 6), small((N, Y), 7), small((N, Y), 8)),
    )
    return Scored(small((N, G, T), 9), small((N, Y), 10), small((N, Y), 11), noise((N, G, T), 12)), batch


def mean(values) -> float:
    values = [float(value) for value in values]
    return sum(values) / len(values)


def expected(method: str, scored: Scored, batch: Batch, n: int) -> float:
    """The term of prompt n, from paper.md and the cited papers."""
    y, r = range(REFERENCE_LENGTHS[n]), range(REJECTED_LENGTHS[n])
    if method == "sft":
        return mean(scored.references[n, t] for t in y)
    if method == "dpo":
        sums = [
            float(sum(table[n, t] for t in tokens))
            for table, tokens in (
                (scored.references, y),
                (scored.rejected, r),
                (batch.frozen.chosen, y),
                (batch.frozen.rejected, r),
            )
        ]
        return float(twins.dpo(*sums, 0.3))
    if method == "grao":
        J_o = [mean(scored.outputs[n, g, t] for t in range(SAMPLE_LENGTHS[n][g])) for g in range(G)]
        J_y = mean(scored.references[n, t] for t in y)
        A_o, A_y = batch.advantages.outputs[n].tolist(), batch.advantages.reference[n].item()
        w_y = max(0.5 * A_y - 0.6 * mean(A_o), 0)  # the repair
        return sum(1.6 * a / G * j for a, j in zip(A_o, J_o, strict=True)) + w_y * J_y
    old, new = batch.samples.logprobs[n], scored.outputs[n]
    sequences = []
    for g in range(G):
        terms = []
        for t in range(SAMPLE_LENGTHS[n][g]):
            if method == "grpo":
                term = twins.clipped(
                    new[g, t].item(), old[g, t].item(), batch.advantages.outputs[n, g].item(), 0.1, 0.1
                )
                terms.append(term - 0.3 * twins.k3(new[g, t].item(), batch.frozen.outputs[n, g, t].item()))
            else:
                critique = batch.critique
                term = twins.clipped(new[g, t].item(), old[g, t].item(), critique.advantages[n, g, t].item(), 0.1, 0.1)
                values = (scored.values, critique.values, critique.returns)
                terms.append(term - 0.7 * twins.value_error(*(v[n, g, t].item() for v in values), 0.1))
        sequences.append(mean(terms))
    return mean(sequences)


@pytest.mark.parametrize("method", ALGORITHMS)
def test_objective_is_its_plain_python_twin(method):
    scored, batch = given()
    terms, _ = ALGORITHMS[method].objective(scored, batch, replace(CONFIG, method=method))
    whole = ALGORITHMS[method].denominator(batch, replace(CONFIG, method=method))
    assert (terms * N / whole).tolist() == pytest.approx(
        [expected(method, scored, batch, n) for n in range(N)], rel=1e-9
    )


def test_printed_grao_keeps_the_reference_that_is_behind():
    scored, batch = given()
    config = replace(CONFIG, imitate_only_when_ahead=False)
    terms, figures = ALGORITHMS["grao"].objective(scored, batch, config)
    A_o, A_y = batch.advantages.outputs[1], batch.advantages.reference[1]
    w_y = 0.5 * A_y - 0.6 * A_o.mean()
    repaired, _ = ALGORITHMS["grao"].objective(scored, batch, CONFIG)
    assert w_y < 0
    assert (terms - repaired)[1].item() == pytest.approx((w_y * figures["reference/logp_per_token"][1]).item())
    total = figures["loss/exploration"] + figures["loss/imitation"] + figures["loss/alignment"]
    torch.testing.assert_close(terms, total)


REWARDS = torch.tensor([1.0, 0.7, 0.0, 0.2], dtype=torch.float64)
HOT = replace(PRESETS["bandit"], num_generations=5, temperature=0.7, temper_likelihoods=True, beta=0.4, num_seeds=3)


def collected(method: str, config: Config = HOT, reference: int = 1) -> tuple[Batch, TabularPolicy, TabularPolicy]:
    """A batch of a bandit, the policy that sampled it, and another one, frozen."""
    policy, frozen = TabularPolicy(noise((3, 4), 0)), TabularPolicy(noise((3, 4), 1))
    policy.critic.data += torch.tensor([0.1, -0.2, 0.5])
    rng = torch.Generator().manual_seed(0)
    task = Bandit(REWARDS, reference, 3)
    return collect(task.draw(rng), task, policy, frozen, replace(config, method=method), rng), policy, frozen


def test_everything_is_scored_at_the_sampling_temperature():
    batch, policy, frozen = collected("grpo")
    at = {p: (p.theta / 0.7).log_softmax(-1).detach().gather(1, batch.samples.ids[..., 0]) for p in (policy, frozen)}
    torch.testing.assert_close(batch.samples.logprobs[..., 0], at[policy])
    torch.testing.assert_close(batch.frozen.outputs[..., 0], at[frozen])
    scored = score(policy, ALGORITHMS["grao"], batch, HOT)
    torch.testing.assert_close(scored.outputs[..., 0], at[policy])
    torch.testing.assert_close(scored.references[:, 0], (policy.theta / 0.7).log_softmax(-1)[:, 1])


def test_dpo_compares_the_reference_with_the_worst_answer_under_the_frozen_policy():
    batch, policy, frozen = collected("dpo")
    assert batch.rejected.ids.flatten().tolist() == [2, 2, 2]
    logprobs = (frozen.theta / 0.7).log_softmax(-1)
    torch.testing.assert_close(batch.frozen.chosen[:, 0], logprobs[:, 1])
    torch.testing.assert_close(batch.frozen.rejected[:, 0], logprobs[:, 2])
    scored = score(policy, ALGORITHMS["dpo"], batch, HOT)
    torch.testing.assert_close(scored.rejected[:, 0], (policy.theta / 0.7).log_softmax(-1)[:, 2])


def test_ppo_s_targets_have_the_kl_penalty_and_the_critic_s_baseline():
    batch, policy, _ = collected("ppo")
    kl = batch.samples.logprobs - batch.frozen.outputs
    returns = REWARDS[batch.samples.ids] - 0.4 * kl
    values = policy.critic.detach()[:, None, None].expand(3, 5, 1)
    torch.testing.assert_close(batch.critique.returns, returns)
    torch.testing.assert_close(batch.critique.values, values)
    torch.testing.assert_close(batch.critique.advantages, returns - values)


def test_ppo_s_advantages_over_several_tokens_use_gae_lambda():
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
    torch.nn.init.ones_(policy.critic.weight)
    batches = []
    for gae_lambda in (0.3, 0.9):
        config, rng = Config(method="ppo", gae_lambda=gae_lambda), torch.Generator().manual_seed(0)
        batches.append(collect(Sorting(2).draw(rng), Sorting(2), policy, policy, config, rng))
    for batch, gae_lambda in zip(batches, (0.3, 0.9), strict=True):
        length = int(batch.samples.mask[0, 0].sum())
        rewards = [0.0] * (length - 1) + [batch.rewards.outputs[0, 0].item()]
        values = batch.critique.values[0, 0, :length].tolist()
        got = batch.critique.advantages[0, 0, :length].tolist()
        assert got == pytest.approx([float(a) for a in twins.gae(rewards, values, 1.0, gae_lambda)], abs=1e-4)


def test_the_reference_is_a_stranger_to_methods_that_do_not_train_on_it():
    # GRPO's baseline is its group's, whatever the reference earns; GRAO's pool has the reference in it
    for method in ("grpo", "ppo"):
        (poor, *_), (rich, *_) = collected(method, reference=2), collected(method, reference=0)
        assert torch.equal(poor.advantages.outputs, rich.advantages.outputs)
    (poor, *_), (rich, *_) = collected("grao", reference=2), collected("grao", reference=0)
    assert not torch.equal(poor.advantages.outputs, rich.advantages.outputs)
    outputs = replace(HOT, pool="outputs")
    (poor, *_), (rich, *_) = collected("grao", outputs, reference=2), collected("grao", outputs, reference=0)
    assert torch.equal(poor.advantages.outputs, rich.advantages.outputs)


@pytest.mark.parametrize("method", ALGORITHMS)
def test_shared_parameters_get_the_mean_over_prompts_however_the_batch_is_split(method):
    """The causal model: one prompt at a time, averaged by hand, against whole and split batches."""
    config = Config(method=method, optimizer="sgd", max_grad_norm=0.0)
    algorithm, task = ALGORITHMS[method], Sorting(5)
    gradients = {}
    for parts in (1, 2, 5):
        policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
        rng = torch.Generator().manual_seed(0)
        batch = collect(task.draw(rng), task, policy, policy, config, rng)
        before = [p.detach().clone() for p in policy.parameters()]
        settings = replace(config, gradient_accumulation_steps=parts, learning_rate=1.0)
        update(policy, make_optimizer(policy, settings), batch, settings, independent_prompts=False)
        gradients[parts] = torch.cat(
            [(b - p.detach()).flatten() for b, p in zip(before, policy.parameters(), strict=True)]
        )
    policy = CausalLMPolicy(tiny_model(), eos_ids=[END], max_completion_length=ANSWER)
    terms, _ = algorithm.objective(score(policy, algorithm, batch, config), batch, config)
    denominator = 5 * 8 if method == "grpo" else 5  # grpo's terms are sums over the group
    alone = torch.autograd.grad(
        -terms.sum() / denominator, list(policy.parameters()), allow_unused=True, materialize_grads=True
    )
    by_hand = torch.cat([g.flatten() for g in alone])
    assert by_hand.norm() > 1e-3
    for gradient in gradients.values():
        assert (gradient - by_hand).norm() < 1e-3 * by_hand.norm()


def test_the_loop_averages_over_prompts_that_share_parameters_and_adds_up_those_that_do_not():
    from grao_ref.loop import train

    norms = []
    for batch in (4, 64):
        config = Config(method="sft", max_steps=1, per_device_train_batch_size=8 * batch)
        experiment = prepare(config)
        norms.append(next(train(experiment.task, experiment.policy, config)).means()["grad_norm"])
    assert 0.3 < norms[1] / norms[0] < 1.1  # a sum would be 16 times as large
    alone, together = (TabularPolicy(noise((1, 4), 0).expand(count, -1)) for count in (1, 7))
    for policy, count in ((alone, 1), (together, 7)):
        next(train(Bandit(REWARDS, 1, count), policy, replace(HOT, method="sft")))
    torch.testing.assert_close(together.theta[:1], alone.theta)  # its neighbours make no run slower


def test_a_gradient_that_is_not_finite_is_refused_and_the_policy_stays():
    batch, policy, _ = collected("grpo")
    batch = replace(batch, frozen=Frozen(outputs=batch.frozen.outputs + 1e6))  # k3 is inf
    before = policy.theta.detach().clone()
    with pytest.raises(FloatingPointError, match=r"gradient's norm (inf|nan|0.0): the step was refused"):
        update(policy, make_optimizer(policy, HOT), batch, replace(HOT, method="grpo"), independent_prompts=True)
    assert torch.equal(policy.theta.detach(), before)


def test_an_objective_that_is_not_finite_is_refused_though_its_gradient_is():
    batch, policy, _ = collected("grpo")
    samples = replace(batch.samples, logprobs=batch.samples.logprobs - 2000)  # ratios beyond every number
    batch = replace(
        batch, samples=samples, advantages=replace(batch.advantages, outputs=-1e10 * torch.ones(3, 5).double())
    )
    with pytest.raises(FloatingPointError, match="the objective is -inf"):
        update(
            policy, make_optimizer(policy, HOT), batch, replace(HOT, method="grpo", beta=0), independent_prompts=True
        )


def test_a_frozen_policy_is_kept_only_for_those_who_ask():
    wants = {m: a.needs_frozen(replace(CONFIG, beta=0.0)) for m, a in ALGORITHMS.items()}
    assert wants == {"sft": False, "dpo": True, "ppo": False, "grpo": False, "grao": False}
    wants = {m: a.needs_frozen(CONFIG) for m, a in ALGORITHMS.items()}
    assert wants == {"sft": False, "dpo": True, "ppo": True, "grpo": True, "grao": False}
    assert collected("grao")[0].frozen is None


def test_dpo_without_rejected_answers_is_refused():
    class NoRejected(Bandit):
        def draw(self, rng, step=1):
            return replace(super().draw(rng), rejected=None)

    policy = TabularPolicy(noise((3, 4), 0))
    task, rng = NoRejected(REWARDS, 1, 3), torch.Generator()
    with pytest.raises(ValueError, match="dpo needs rejected answers"):
        collect(task.draw(rng), task, policy, policy, replace(HOT, method="dpo"), rng)


def test_several_updates_are_made_on_each_batch():
    task, steps = Bandit(REWARDS, 1, 3), []
    for count in (1, 3):
        from grao_ref.loop import train

        policy = TabularPolicy(noise((3, 4), 0))
        config = replace(HOT, method="sft", num_iterations=count, max_steps=1)
        next(train(task, policy, config))
        steps.append((policy.theta.detach() - noise((3, 4), 0)).norm().item())
    assert steps[1] > 2 * steps[0]


def test_reported_figures_by_hand():
    from grao_ref.figures import reward_figures

    batch, *_ = collected("grpo")
    outputs = torch.tensor([[1.0, 0.7, 0.0, 0.2, 0.7], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]).double()
    batch = replace(batch, rewards=replace(batch.rewards, outputs=outputs, parts=outputs[..., None]))
    figures = reward_figures(batch, Bandit(REWARDS, 1, 3))
    assert figures["reward"].tolist() == pytest.approx([0.52, 1, 0])
    assert figures["reward_std"].tolist() == pytest.approx([0.36551, 0, 0], abs=1e-4)
    assert figures["frac_reward_zero_std"].tolist() == [0, 1, 1]
    assert figures["reference/win_rate"].tolist() == pytest.approx([0.2, 1, 0])
