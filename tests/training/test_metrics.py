"""What is logged of a step, by hand: a metric by prompt has an entry for each prompt for which it is defined."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from grao_ref.policies.tabular import TabularPolicy
from grao_ref.records import Rewards, Scores
from grao_ref.settings.config import Config
from grao_ref.setups import prepare
from grao_ref.tasks.bandit import Bandit
from grao_ref.training import update as update_module
from grao_ref.training.loop import Report, train
from grao_ref.training.metrics import averaged, completion_metrics, mean_of, reward_metrics, shares
from tests.training.bandits import REWARDS, collected
from tests.training.batch import BANDIT, batch

TASK = SimpleNamespace(reward_weights={"kind": 1.0, "brief": 0.5}, independent_prompts=False)


@pytest.fixture(autouse=True)
def _plain_task(without_shape_checks):
    """`TASK` has weights alone."""


def by_hand(expected):
    return {name: pytest.approx(value) for name, value in expected.items()}


def test_reward_metrics_by_hand_with_what_could_not_be_scored():
    metrics = {name: value.tolist() for name, value in reward_metrics(batch(), TASK).items()}
    assert metrics == by_hand(
        {
            "reward": [0.5, 0.5],
            "reward_std": [0.5, 0.0],
            "frac_reward_zero_std": [0.0, 1.0],
            "frac_unscored": [1 / 3, 2 / 3],
            "reference/reward": [0.5],  # the second reference could not be scored
            "reference/advantage": [0.25],  # of prompts whose reference was scored
            "reference/win_rate": [0.5],
            "rewards/kind/mean": [0.5, 0.0],
            "rewards/brief/mean": [0.0, 1.0],
        }
    )


def test_reward_metrics_by_hand_where_everything_could_be_scored():
    collected_batch, *_ = collected("grpo")
    outputs = torch.tensor([[1.0, 0.7, 0.0, 0.2, 0.7], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]).double()
    rewards = replace(collected_batch.rewards, outputs=outputs, parts=Scores.complete(outputs[..., None]))
    metrics = reward_metrics(replace(collected_batch, rewards=rewards), Bandit(REWARDS, 1, 3))
    assert metrics["reward"].tolist() == pytest.approx([0.52, 1, 0])
    assert metrics["reward_std"].tolist() == pytest.approx([0.36551, 0, 0], abs=1e-4)
    assert metrics["frac_reward_zero_std"].tolist() == [0, 1, 1]
    assert metrics["reference/win_rate"].tolist() == pytest.approx([0.2, 1, 0])


def test_where_nothing_could_be_scored_there_is_no_metric_rather_than_nan():
    none = torch.zeros(2, 3, dtype=torch.bool)
    rewards = Rewards(torch.zeros(2, 3), torch.zeros(2), none, torch.ones(2, dtype=torch.bool), batch().rewards.parts)
    nothing = replace(batch(), rewards=rewards)
    metrics = reward_metrics(nothing, TASK)
    for name in ("reward", "reward_std", "reference/win_rate"):
        assert metrics[name].shape == (0,)
    assert metrics["frac_unscored"].tolist() == [1.0, 1.0]
    assert not any(value.isnan().any() for value in metrics.values())
    means = Report(1, metrics, nothing).means()
    assert "reward" not in means
    assert means["frac_unscored"] == 1.0


def test_the_mean_of_a_metric_is_over_the_prompts_that_have_it():
    assert mean_of(torch.tensor([1.0, 0.0, 0.5])) == 0.5
    assert mean_of(torch.tensor(2.0)) == 2.0
    assert mean_of(torch.zeros(0)) is None


def test_completion_metrics_by_hand():
    metrics = {name: value.tolist() for name, value in completion_metrics(batch()).items()}
    assert metrics == by_hand(
        {
            "completions/mean_length": [2.0, 2.0],
            "completions/min_length": 1.0,
            "completions/max_length": 3.0,
            "entropy": [0.5, 0.5],
            "completions/clipped_ratio": [1 / 3, 1 / 3],
        }
    )


def test_shares_of_the_loss_sum_to_one():
    terms = {
        "objective/exploration": [3.0, -1.0],
        "objective/imitation": [-2.0, -2.0],
        "objective/alignment": [0.5, 1.5],
    }
    metrics = {name: torch.tensor(value) for name, value in terms.items()} | {"grad_norm": torch.tensor(9.0)}
    assert {name: value.item() for name, value in shares(metrics).items()} == by_hand(
        {"objective_share/exploration": 0.25, "objective_share/imitation": 0.5, "objective_share/alignment": 0.25}
    )
    assert shares({name: torch.zeros(2) for name in terms}) == {}  # of nothing there are no shares


def bandit_run(**settings):
    config = Config(**BANDIT, **({"max_steps": 3, "num_seeds": 20, "learning_rate": 0.1} | settings))
    task = Bandit(torch.tensor([1.0, 0.7, 0.0], dtype=torch.float64), 1, 20)
    return list(train(task, TabularPolicy(torch.zeros(20, 3, dtype=torch.float64)), config))


def test_shares_of_a_run():
    for report in bandit_run():
        row = report.means()
        share = {name: value for name, value in row.items() if name.startswith("objective_share/")}
        assert sorted(share) == [
            "objective_share/alignment",
            "objective_share/exploration",
            "objective_share/imitation",
        ]
        assert sum(share.values()) == pytest.approx(1)
        sizes = {name: abs(row[name.replace("_share", "")]) for name in share}
        assert share == by_hand({name: size / sum(sizes.values()) for name, size in sizes.items()})
    assert not any(name.startswith("objective_share") for name in bandit_run(method="sft")[0].means())


def test_the_loss_is_minus_the_objective_and_its_terms_carry_the_objective_s_sign():
    for report in bandit_run():
        row = report.means()
        terms = sum(row[f"objective/{term}"] for term in ("exploration", "imitation", "alignment"))
        assert row["loss"] == pytest.approx(-terms)
        assert abs(row["loss"]) > 1e-3  # control: there is something to tell the sign of
    first = bandit_run(method="sft")[0].means()
    assert first["loss"] == pytest.approx(-first["reference/logp_per_token"])
    assert first["loss"] > 0  # minus a log-likelihood


def test_the_learning_rate_is_logged():
    assert [report.means()["learning_rate"] for report in bandit_run()] == [pytest.approx(0.1)] * 3


@pytest.mark.parametrize("method", ["grpo", "ppo", "grao"])
def test_with_several_updates_what_is_logged_is_the_mean_over_them(method, monkeypatch):
    """Each update's own metrics are recorded on the way, and averaged by hand."""
    recorded, real = [], update_module.update

    def recording(*arguments, **options):
        recorded.append(real(*arguments, **options))
        return recorded[-1]

    monkeypatch.setattr(update_module, "update", recording)
    config = Config(
        method=method,
        max_steps=2,
        num_iterations=3,
        per_device_train_batch_size=16,
        learning_rate=3e-3,
        num_generations=4,
    )
    setup = prepare(config)
    reports = list(train(setup.task, setup.policy, config))
    assert len(recorded) == 6
    for step, report in enumerate(reports):
        own = recorded[3 * step : 3 * step + 3]
        losses = [metrics["loss"].double().mean().item() for metrics in own]
        row = report.means()
        assert row["loss"] == pytest.approx(sum(losses) / 3, rel=1e-4, abs=1e-7)
        norms = [metrics["grad_norm"].item() for metrics in own]
        assert row["grad_norm"] == pytest.approx(sum(norms) / 3, rel=1e-5)
        assert abs(norms[0] - norms[2]) > 1e-3  # control: the updates differ, so no single one is the mean
        if method != "grao":
            ratios = [metrics["clip_ratio/region_mean"].double().mean().item() for metrics in own]
            assert ratios[0] == 0 < max(ratios)
            assert row["clip_ratio/region_mean"] == pytest.approx(sum(ratios) / 3, rel=1e-4)


def test_averaged_by_hand():
    updates = [
        {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor(4.0)},
        {"a": torch.tensor([3.0, 6.0]), "b": torch.tensor(0.0)},
    ]
    assert {name: value.tolist() for name, value in averaged(updates).items()} == {"a": [2.0, 4.0], "b": 2.0}
    assert averaged(updates[:1]) == updates[0]


@pytest.mark.parametrize("method", ["sft", "dpo", "ppo", "grpo", "grao"])
def test_every_method_trains_the_language_model_and_all_that_is_logged_is_finite(method):
    config = Config(method=method, max_steps=2, per_device_train_batch_size=32, num_iterations=2)
    setup = prepare(config)
    reports = list(train(setup.task, setup.policy, config))
    assert [report.step for report in reports] == [1, 2]
    assert all(torch.isfinite(value).all() for report in reports for value in report.metrics.values())
    assert reports[-1].means()["grad_norm"] > 0
