"""`python -m grao_ref.evaluate` as a user runs it."""

import json

import pytest

from grao_ref.evaluate import main
from grao_ref.train import main as train


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    flags = ["--per-device-train-batch-size", "32", "--max-eval-prompts", "40", "--eval-steps", "100"]
    for name, steps, method in (("one", "15", "grao"), ("two", "2", "sft")):
        assert train([*flags, "--max-steps", steps, "--method", method, "--output-dir", str(folder / name)]) == 0
    return folder


def metrics_in(folder):
    return json.loads((folder / "evaluation.json").read_text())


def test_a_trained_run_is_evaluated_beside_its_base(runs, capsys):
    assert main([str(runs / "one"), "--num-cases", "2"]) == 0
    metrics = metrics_in(runs / "one")
    base, trained = metrics["base"], metrics["grao, repaired (one)"]
    assert base["NAG"] == base["NAG, signed"] == [0, 0, 0]
    assert abs(base["KL"][0]) < 1e-5
    assert trained["KL"][1] > 0.5
    assert trained["NAG, signed"][1] > 0
    assert trained["reward"][1] > base["reward"][0]
    page = (runs / "one" / "evaluation.md").read_text()
    assert page.count("## Case") == 2
    assert "references' mean reward is 0.667" in page
    shown = capsys.readouterr().out
    assert "40 held-out prompts, sampled at temperature 1.0" in " ".join(shown.split())
    assert "-0.000" not in shown


def test_the_distance_from_the_base_is_measured_at_the_temperature_of_sampling(runs, tmp_path):
    flags = ["--temperature", "0.5", "--max-eval-prompts", "8", "--resamples", "20", "--output-dir", str(tmp_path)]
    assert main([str(runs / "two"), *flags]) == 0
    assert abs(metrics_in(tmp_path)["base"]["KL"][0]) < 1e-5  # from itself; at two temperatures it would be far


def test_two_runs_stand_side_by_side_and_order_does_not_change_them(runs, tmp_path):
    one, two = str(runs / "one"), str(runs / "two")
    flags = ["--temperature", "0", "--max-eval-prompts", "12", "--per-device-eval-batch-size", "5", "--output-dir"]
    assert main([one, two, *flags, str(tmp_path / "a" / "b")]) == 0
    assert main([two, one, *flags, str(tmp_path / "c")]) == 0
    metrics = metrics_in(tmp_path / "a" / "b")
    assert list(metrics) == ["base", "grao, repaired (one)", "sft (two)"]
    assert metrics == metrics_in(tmp_path / "c")
    assert metrics["grao, repaired (one)"]["reward"][0] > metrics["base"]["reward"][0]
    assert not any(name.startswith("KL") for each in metrics.values() for name in each)  # greedy has none


def test_another_reward_than_the_run_s_own_judges_the_same_answers(runs, tmp_path):
    """Sorting's own rule counts right positions; `exact` asks for the whole answer, which no reference has."""
    flags = [str(runs / "one"), "--max-eval-prompts", "20", "--resamples", "20", "--output-dir"]
    assert main([*flags, str(tmp_path / "own")]) == 0
    assert main([*flags, str(tmp_path / "exact"), "--reward-funcs", "exact"]) == 0
    own, exact = metrics_in(tmp_path / "own"), metrics_in(tmp_path / "exact")
    for policy in own:
        assert exact[policy]["KL"] == own[policy]["KL"]  # the same answers
        assert exact[policy]["reward"][0] < own[policy]["reward"][0]
        assert exact[policy]["RAS"][0] == pytest.approx(exact[policy]["reward"][0])  # right, and the reference is not
    assert "The references' mean reward is 0.000" in (tmp_path / "exact" / "evaluation.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name at least one run's folder, such as runs/1"),
        (["nowhere"], "nowhere is no run's folder: it has no config.yaml"),
        (["bare"], "bare has no model: a run saves one at its end"),
        (["one", "bandit"], "model_name_or_path is 'tiny' in one and 'tabular' in bandit"),
        (["bandit"], "a bandit's policy is known exactly: there is nothing to sample"),
        (["one", "--reward-funcs", "exat"], "did you mean exact?"),
        (["one", "--per-device-eval-batch-size", "0"], "per_device_eval_batch_size must be a finite number > 0, got 0"),
        (["one", "--temperature", "-1"], "temperature must be a finite number > 0, got -1"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line_and_exit_code_2(runs, arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    (runs / "bare").mkdir(exist_ok=True)
    (runs / "bare" / "config.yaml").write_text("max_steps: 3\n")
    (runs / "bandit" / "model").mkdir(parents=True, exist_ok=True)
    (runs / "bandit" / "config.yaml").write_text(
        "model_name_or_path: tabular\ndataset_name: bandit\nmax_grad_norm: 0\noptimizer: sgd\n"
    )
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert message in shown
    assert shown.count("\n") == 1
    assert not (runs / "nowhere").exists()


def test_runs_that_held_out_other_prompts_are_not_compared(runs, tmp_path, capsys):
    for seed in (0, 1):
        (tmp_path / str(seed) / "model").mkdir(parents=True)
        (tmp_path / str(seed) / "config.yaml").write_text(
            f"model_name_or_path: smollm2\ndataset_name: gsm8k\nseed: {seed}\n"
        )
    with pytest.raises(SystemExit):
        main([str(tmp_path / "0"), str(tmp_path / "1")])
    assert "same held-out prompts: seed is 0 in" in capsys.readouterr().err
