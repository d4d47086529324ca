"""A method of one's own trains without a changed line in the package, on its own advantages."""

from dataclasses import replace

import pytest
import torch

from grao_ref.methods.interface import Needs
from grao_ref.methods.registry import BUILT_IN, METHODS, label_of, method_of, register, require_parts
from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Batch, LogProbs, Rewards, Samples, Tokens
from grao_ref.settings.checks import check
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.tasks.bandit import Bandit
from grao_ref.train import main
from grao_ref.training.collect import collect
from grao_ref.training.loop import train
from grao_ref.training.update import forward
from tests.extensions.luffy import LUFFY
from tests.extensions.rloo import RLOO
from tests.strategies import noise
from theory import family

REWARDS = torch.tensor([1.0, 0.7, 0.0, 0.2]).double()
RLOO_PATH, LUFFY_PATH = "tests.extensions.rloo.RLOO", "tests.extensions.luffy.LUFFY"


def bandit(method: str, **changes) -> Config:
    return replace(PRESETS["bandit"], method=method, num_generations=5, **changes)


def collected(method: str, **changes):
    policy, task, rng = TabularPolicy(noise((3, 4), 0)), Bandit(REWARDS, 1, 3), torch.Generator().manual_seed(0)
    config = bandit(method, **changes)
    return collect(task.draw(rng), task, policy, policy, config, rng), policy, config


def test_rloo_is_trained_on_its_own_advantages_and_not_on_eq_4_s():
    batch, _, _ = collected(RLOO_PATH)
    rewards = REWARDS[batch.samples.ids[..., 0]]
    for n in range(3):
        for i in range(5):
            others = [rewards[n, j].item() for j in range(5) if j != i]
            assert batch.advantages.outputs[n, i].item() == pytest.approx(rewards[n, i].item() - sum(others) / 4)
    eq_4, _, _ = collected("grpo")
    assert torch.equal(eq_4.samples.ids, batch.samples.ids)
    assert (eq_4.advantages.outputs - batch.advantages.outputs).abs().max() > 0.1  # control: they differ


def test_rloo_s_advantages_leave_out_what_could_not_be_scored():
    scored = torch.tensor([[True, True, False, True]])
    rewards = Rewards(torch.tensor([[1.0, 0.0, 0.0, 0.5]]), torch.zeros(1), scored, torch.ones(1, dtype=torch.bool))
    torch.testing.assert_close(RLOO.advantages(rewards, Config()).outputs, torch.tensor([[0.75, -0.75, 0.0, 0.0]]))


def test_rloo_s_gradient_is_its_plain_python_twin():
    batch, policy, config = collected(RLOO_PATH)
    terms = RLOO.objective(forward(policy, batch, RLOO.needs(config), config), batch, config).objective
    (found,) = torch.autograd.grad(terms.sum(), policy.theta)
    pi, expected = policy.theta.detach().softmax(-1), torch.zeros(3, 4).double()
    for n in range(3):
        for i in range(5):
            action, advantage = batch.samples.ids[n, i, 0], batch.advantages.outputs[n, i]
            expected[n] += advantage / 5 * (torch.eye(4).double()[action] - pi[n])
    torch.testing.assert_close(found, expected)


def test_luffy_s_weights_are_those_of_the_laboratory():
    """Its gradient in the log-likelihoods, at the policy that sampled: theory/family.py has it in closed form."""
    group = family.group([1.0, 0.0, 0.5, 0.0], 0.7, pi_y=0.2)
    one = torch.ones(1, 1, dtype=torch.bool)
    rewards = Rewards.complete(group.rewards[None], group.reference[None])
    ids = torch.zeros(1, 4, 1).long()
    batch = Batch(
        Tokens(torch.zeros(1, 1).long(), one),
        Tokens(torch.zeros(1, 1).long(), one),
        samples=Samples(ids, ids == 0, group.old[None, :, None]),
        rewards=rewards,
        advantages=LUFFY.advantages(rewards, Config()),
    )
    J_o, J_y = group.old[None, :, None].clone().requires_grad_(), group.loglik[None, None].clone().requires_grad_()
    terms = LUFFY.objective(LogProbs(samples=J_o, references=J_y), batch, Config())
    w_o, w_y = torch.autograd.grad(terms.objective.sum(), (J_o, J_y))
    expected_o, expected_y = family.closed_form("LUFFY", group)
    torch.testing.assert_close(w_o[0, :, 0], expected_o)
    torch.testing.assert_close(w_y[0, 0], expected_y)


@pytest.mark.parametrize(("path", "name"), [(RLOO_PATH, "rloo"), (LUFFY_PATH, "luffy")])
def test_a_dotted_path_trains_from_the_command_line_to_the_saved_model(path, name, tmp_path, capsys):
    flags = ["--max-steps", "3", "--per-device-train-batch-size", "32", "--max-eval-prompts", "5"]
    assert main([*flags, "--method", path, "--output-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"Method: {name}.")
    assert (tmp_path / "model" / "model.safetensors").exists()
    assert f"- {name}\n" in (tmp_path / "model" / "README.md").read_text()


def test_a_registered_object_trains_by_its_name_and_improves():
    name = register(RLOO)
    try:
        task, policy = Bandit(REWARDS, 1, 50), TabularPolicy(torch.zeros(50, 4).double())
        before = task.expected_reward(policy.theta).mean()
        *_, last = train(task, policy, bandit(name, max_steps=60))
        assert task.expected_reward(policy.theta).mean() > before + 0.2
        assert {"loss", "reward", "grad_norm"} <= set(last.means())
        assert label_of(Config(method=name)) == "rloo"
    finally:
        del METHODS["rloo"]


def test_its_own_metrics_are_logged():
    task, policy = Bandit(REWARDS, 1, 3), TabularPolicy(noise((3, 4), 0))
    assert "luffy/trace" in next(train(task, policy, bandit(LUFFY_PATH))).means()


@pytest.mark.parametrize("part", ["name", "needs", "objective", "denominator", "advantages"])
def test_a_method_that_forgets_a_part_is_refused_by_name(part, without_shape_checks):
    with pytest.raises(ValueError, match=r"a method has a name" if part == "name" else rf"method 'rloo' has no {part}"):
        register(replace(RLOO, **{part: None}))
    assert "rloo" not in METHODS


def test_a_critic_without_targets_is_refused_and_so_are_needs_that_are_none(without_shape_checks):
    with pytest.raises(ValueError, match="method 'rloo' has no critique"):
        register(replace(RLOO, needs=lambda config: Needs(samples=True, critic=True)))
    with pytest.raises(ValueError, match="needs must return `Needs`, got dict"):
        register(replace(RLOO, needs=lambda config: {"samples": True}))
    with pytest.raises(ValueError, match="there are no outputs for a reference model"):
        register(replace(RLOO, needs=lambda config: Needs(samples=True, reference_model=("outputs",))))
    with pytest.raises(ValueError, match="a method is a `Method`"):
        register(RLOO.objective)


def test_a_taken_name_is_refused_and_the_same_method_is_not():
    with pytest.raises(ValueError, match="there is another method 'grpo' already"):
        register(replace(RLOO, name="grpo"))
    assert register(BUILT_IN["grpo"]) == "grpo"
    for method in BUILT_IN.values():
        require_parts(method)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grpoo", "unknown method 'grpoo'; did you mean grpo?"),
        ("tests.extensions.rloo.RLO", "has no 'RLO'; did you mean RLOO?"),
        ("tests.extensions.none.RLOO", "tests.extensions.none can't be imported"),
        ("tests.extensions.rloo.objective", "is a function; name a `Method`"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_line(name, message):
    with pytest.raises(ValueError, match="method") as error:
        method_of(name)
    assert message in str(error.value)


def test_what_a_method_reads_and_did_not_ask_for_is_said():
    forgetful = replace(LUFFY, name="forgetful", needs=lambda config: Needs(samples=True))
    name = register(forgetful)
    try:
        batch, policy, config = collected(name)
        with pytest.raises(ValueError, match="its `needs` must ask for it"):
            LUFFY.objective(forward(policy, batch, forgetful.needs(config), config), batch, config)
    finally:
        del METHODS["forgetful"]


def test_settings_that_it_ignores_or_can_not_run_with_are_refused_as_ours_are():
    with pytest.raises(ValueError, match=r"beta is the weight of a KL penalty, and rloo has none, got 0\.5"):
        check(bandit(RLOO_PATH, beta=0.5))
    with pytest.raises(ValueError, match="ablate leaves out terms of GRAO, and the method is rloo"):
        check(bandit(RLOO_PATH, ablate=("imitation",)))
