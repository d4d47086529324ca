"""The runs that a command plans, and what is refused before the first."""

from dataclasses import replace

import pytest

from grao_ref.methods.registry import prompts_per_step
from grao_ref.runs.plan import plan
from grao_ref.settings.config import Config
from grao_ref.settings.presets import PRESETS
from grao_ref.setups import prepare
from grao_ref.train import main
from tests.command import SMALL, parse, refused, rows_of
from tests.language import save_rows


def test_plan_gives_the_language_model_a_run_for_each_seed_and_the_bandit_a_row():
    seeds = [settings.seed for settings in plan(Config(seed=3, num_seeds=2))["grao, repaired"]]
    assert seeds == [3, 4]
    (bandit,) = plan(parse(["--preset", "bandit", "--num-seeds", "7"]))["grao, repaired"]
    assert prepare(bandit).evaluation.score().shape == (7,)
    printed = plan(Config(compare=True))["grao, as printed"][0]
    assert not printed.imitate_only_when_ahead
    betas = {name: runs[0].beta for name, runs in plan(Config(compare=True, method="grpo", beta=0.3)).items()}
    assert {name for name, beta in betas.items() if beta == 0.3} == {"dpo", "ppo", "grpo"}
    assert betas["sft"] is betas["grao, repaired"] is betas["grao, as printed"] is None


def test_every_method_of_a_comparison_sees_the_same_prompts_and_the_same_random_numbers():
    """A batch counts samples where a method samples groups, and rows where it does not."""
    for sizes in ({}, {"per_device_train_batch_size": 12, "num_generations": 4, "gradient_accumulation_steps": 3}):
        config = Config(compare=True, **sizes)
        runs = {name: settings for name, (settings,) in plan(config).items()}
        assert {prompts_per_step(settings) for settings in runs.values()} == {9 if sizes else 16}
        size = config.per_device_train_batch_size
        assert {settings.per_device_eval_batch_size for settings in runs.values()} == {8 * size}
        batches = {name: settings.per_device_train_batch_size for name, settings in runs.items()}
        assert batches["sft"] == batches["dpo"] == size // config.num_generations
        assert batches["grpo"] == batches["grao, repaired"] == size
    assert prompts_per_step(Config(method="sft")) == 128  # control: alone, its batch counts rows
    assert plan(Config(compare=True, per_device_eval_batch_size=40))["sft"][0].per_device_eval_batch_size == 40


def test_a_comparison_without_a_reward_is_refused_before_its_first_run():
    with pytest.raises(ValueError, match=r"rows\.jsonl has no rule of its own: reward_funcs must say what scores"):
        plan(Config(compare=True, dataset_name="rows.jsonl"))
    assert plan(Config(method="sft", dataset_name="rows.jsonl"))  # control: sft alone needs none


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (("prompt", "completion"), "dpo needs a rejected answer in every row (the column rejected), and row "),
        (("prompt",), "sft needs a reference answer in every row, and row "),
    ],
)
def test_a_comparison_of_rows_that_one_method_can_not_read_is_refused_before_its_first_run(
    kept, words, tmp_path, capsys
):
    rows = [{"prompt": f"{n}=", "completion": f"{n}.", "rejected": "no", "chosen": f"{n}."} for n in range(20)]
    data = save_rows(tmp_path / "rows.jsonl", [{name: row[name] for name in kept} for row in rows])
    flags = ["--compare", "--dataset-name", data, "--reward-funcs", "tests.language.short", "--max-steps", "1"]
    line = refused(main, [*flags, "--output-dir", tmp_path / "run"], capsys)
    assert f"compare trains every method, and {words}" in line
    assert not (tmp_path / "run").exists()
    every = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    whole = save_rows(tmp_path / "every.jsonl", every)
    config = Config(compare=True, dataset_name=whole, reward_funcs=("tests.language.short",))
    assert len(plan(config)) == 6  # control
    assert plan(replace(config, dataset_name=data, dry_run=True))  # whose data may not be there yet


def test_a_comparison_leaves_terms_out_of_grao_alone():
    names = list(plan(Config(compare=True, ablate=("imitation",))))
    assert names == ["sft", "dpo", "ppo", "grpo", "grao, repaired − imitation", "grao, as printed − imitation"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(compare=True, beta=0.0), "beta must be a finite number > 0, got 0.0"),  # dpo's, the second run
        (Config(compare=True, ablate=("exploration", "imitation", "alignment")), "leaves out all three terms"),
    ],
)
def test_a_comparison_is_refused_before_its_first_run(config, message, tmp_path, capsys):
    with pytest.raises(ValueError, match=message):
        plan(config)
    flags = ["--preset", "bandit", "--num-seeds", "2", "--compare", "--output-dir", tmp_path / "run"]
    flags += ["--beta", "0"] if config.beta is not None else ["--ablate", *config.ablate]
    assert message in refused(main, flags, capsys)
    assert not (tmp_path / "run").exists()


def test_each_of_several_seeds_is_a_run_that_could_stand_alone(tmp_path):
    """The last two seeds that there are: each run counts its own seed alone."""
    flags = [*SMALL, "--seed", "9998", "--num-seeds", "2", "--max-steps", "1"]
    assert main([*flags, "--output-dir", str(tmp_path)]) == 0
    rows = rows_of(tmp_path)
    assert [(row["seed"], row["step"]) for row in rows] == [(9998, 0), (9998, 1), (9999, 0), (9999, 1)]
    assert not (tmp_path / "model").exists()  # a model is saved of a single run
    assert main([*SMALL, "--seed", "9999", "--max-steps", "1", "--output-dir", str(tmp_path / "alone")]) == 0
    ours, alone = rows[-1], rows_of(tmp_path / "alone")[-1]
    assert {name: v for name, v in ours.items() if name != "step_time"} == {
        name: v for name, v in alone.items() if name != "step_time"
    }


def test_the_bandit_s_plan_keeps_its_copies():
    config = replace(PRESETS["bandit"], num_seeds=3, compare=True)
    assert {settings.num_seeds for runs in plan(config).values() for settings in runs} == {3}
