"""`python -m grao_ref.evaluate` as a user runs it."""

import json
import shutil
from dataclasses import fields

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref.evaluate import main
from grao_ref.settings.config import Config
from grao_ref.settings.evaluation import BORROWED, DEFAULT
from grao_ref.train import main as train
from tests.command import refused
from tests.language import pairs, save_model, save_rows


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
        ([], "name at least one run's folder, such as runs/1, or a model"),
        (["./nowhere"], "there is no folder ./nowhere"),
        (["empty"], "empty is no run's folder, and no model's: it has no config.yaml and no config.json"),
        (["bare"], "bare has no model: a run saves one at its end"),
        (["one", "bandit"], "dataset_name is 'sorting' in one and 'bandit' in bandit"),
        (["bandit"], "a bandit's policy is known exactly: there is nothing to sample"),
        (["one", "--reward-funcs", "exat"], "did you mean exact?"),
        (["one", "--per-device-eval-batch-size", "0"], "per_device_eval_batch_size must be a finite number > 0, got 0"),
        (["one", "--temperature", "-1"], "temperature must be a finite number >= 0, got -1"),
        (["one", "--max-completion-length", "0"], "max_completion_length must be a finite number > 0, got 0"),
        (["one", "--learning-rate", "1"], "--learning-rate"),
        (["one/model"], "one/model is a model and no run, so flags must be given: --base, --dataset-name, --max-com"),
        (["one/model", "--base", "tiny", "--max-completion-length", "8"], "flags must be given: --dataset-name"),
        (["one", "--base", "./nowhere"], "no language model could be loaded from './nowhere'"),
        (["one", "--dataset-name", "absent.jsonl"], "no file absent.jsonl"),
        (["one", "--dataset-name", "rows.jsonl"], "nothing says what scores an answer to rows.jsonl: --reward-funcs"),
        (["one", "--dataset-name", "texts.jsonl", "--reward-funcs", "exact"], "row 1 of the data set is a whole text"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line_and_exit_code_2(runs, arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    for folder in ("bare", "empty"):
        (runs / folder).mkdir(exist_ok=True)
    (runs / "bare" / "config.yaml").write_text("max_steps: 3\n")
    (runs / "bandit" / "model").mkdir(parents=True, exist_ok=True)
    (runs / "bandit" / "config.yaml").write_text(
        "model_name_or_path: tabular\ndataset_name: bandit\nmax_grad_norm: 0\noptimizer: sgd\n"
    )
    save_rows(runs / "rows.jsonl", digits())
    save_rows(runs / "texts.jsonl", [{"text": "3421"}])
    before = set(runs.rglob("*"))
    assert message in refused(main, arguments, capsys)
    assert set(runs.rglob("*")) == before


def test_runs_that_held_out_other_prompts_are_not_compared(runs, tmp_path, capsys):
    for seed in (0, 1):
        (tmp_path / str(seed) / "model").mkdir(parents=True)
        (tmp_path / str(seed) / "config.yaml").write_text(
            f"model_name_or_path: smollm2\ndataset_name: gsm8k\nseed: {seed}\n"
        )
    words = refused(main, [tmp_path / "0", tmp_path / "1"], capsys)
    assert "same held-out prompts: seed is 0 in" in words


# Models that were trained elsewhere


def digits(count: int = 12) -> list[dict]:
    """Rows that the embedded model reads: digits, sorted."""
    numbers = [f"{(7919 * (n + 3)) % 90_000 + 10_000}" for n in range(count)]
    return [{"prompt": f"{number}=", "completion": "".join(sorted(number)) + "."} for number in numbers]


def evaluated(folder, *arguments):
    assert main([*map(str, arguments), "--resamples", "20", "--output-dir", str(folder)]) == 0
    return metrics_in(folder)


def test_a_model_by_its_folder_gets_the_numbers_that_its_run_gets(runs, tmp_path):
    data = ["--dataset-name", "sorting", "--max-completion-length", "8"]
    same = ["--test-size", "0.1", "--max-eval-prompts", "40"]
    by_run = evaluated(tmp_path / "run", runs / "one")
    by_name = evaluated(tmp_path / "model", runs / "one" / "model", "--base", "tiny", *data, *same)
    assert by_name["one/model"] == by_run["grao, repaired (one)"]
    assert by_name["base"] == by_run["base"]
    whole = evaluated(tmp_path / "all", runs / "one" / "model", "--base", "tiny", *data, "--max-eval-prompts", "40")
    assert whole["base"] != by_run["base"]  # control: other prompts, since no run has trained on any


def test_a_run_stands_beside_a_model_and_flags_change_the_run_s_settings(runs, tmp_path):
    file = save_rows(tmp_path / "rows.jsonl", digits())
    rows = ["--dataset-name", file, "--reward-funcs", "exact"]
    found = evaluated(tmp_path / "a", runs / "two" / "model", runs / "one", *rows)
    assert list(found) == ["base", "two/model", "grao, repaired (one)"]
    page = (tmp_path / "a" / "evaluation.md").read_text()
    assert page.startswith("# Evaluation\n\n12 held-out prompts")  # all rows of a file that no run was trained on
    assert "The references' mean reward is 1.000" in page
    short = evaluated(tmp_path / "b", runs / "one", *rows, "--max-completion-length", "6", "--max-eval-prompts", "5")
    assert short["base"]["length"][0] <= 6
    other = evaluated(tmp_path / "c", runs / "one", "--base", str(runs / "two" / "model"))
    assert 0 < other["grao, repaired (one)"]["KL"][0] != found["grao, repaired (one)"]["KL"][0]
    assert other["base"]["NAG, signed"][0] == 0


def test_each_model_is_prompted_by_its_own_tokenizer_and_has_no_kl_to_another_s(runs, tmp_path, capsys):
    file = save_rows(tmp_path / "rows.jsonl", digits())
    letters = save_model(tmp_path / "letters")  # it reads digits too, under other ids
    rows = ["--dataset-name", file, "--reward-funcs", "exact", "--max-completion-length", "8", "--base", "tiny"]
    found = evaluated(tmp_path / "out", runs / "one" / "model", letters, *rows)
    assert found["one/model"]["KL"][0] > 0
    assert {"RAS", "NAG", "reward", "length"} <= set(found["letters"])
    assert not any(name.startswith("KL") for name in found["letters"])
    words = "letters has no KL: its tokenizer is not the base's."
    assert words in capsys.readouterr().out
    assert words in (tmp_path / "out" / "evaluation.md").read_text()
    alone = evaluated(tmp_path / "alone", letters, *rows[:-1], letters)
    assert abs(alone["letters"]["KL"][0]) < 1e-5  # control: beside itself it has one, and answers as it did
    assert alone["letters"]["reward"] == found["letters"]["reward"]
    assert alone["letters"]["length"] == found["letters"]["length"]


def test_another_chat_template_is_another_prompt(tmp_path, capsys):
    file = save_rows(tmp_path / "rows.jsonl", pairs(6))
    base, other = save_model(tmp_path / "base"), save_model(tmp_path / "other")
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.chat_template = "#" + tokenizer.chat_template
    tokenizer.save_pretrained(other)
    rows = ["--dataset-name", file, "--reward-funcs", "tests.language.share_of_wanted", "--max-completion-length", "8"]
    found = evaluated(tmp_path / "out", other, "--base", base, *rows)
    assert "KL" not in found["other"]
    assert (
        "other has no KL and no comparison of its pairs: its chat template writes other prompts than the base's."
        in capsys.readouterr().out
    )
    own = tmp_path / "own.jinja"
    own.write_text(tokenizer.chat_template)
    found = evaluated(tmp_path / "same", other, "--base", base, *rows, "--chat-template-path", own)
    assert abs(found["other"]["KL"][0]) < 1e-5  # control: the same weights behind the same prompts


def test_a_prompt_that_another_model_has_no_room_for_is_named(runs, tmp_path, capsys):
    file = save_rows(tmp_path / "rows.jsonl", digits())
    small = save_model(tmp_path / "small", context=12)
    rows = ["--dataset-name", file, "--reward-funcs", "exact", "--max-completion-length", "8", "--base", "tiny"]
    words = refused(main, [small, *rows], capsys)
    assert (
        f"{small} has a context of 12 tokens, and the prompt of row 1 has 6 with its tokenizer, and answers 8" in words
    )


def longer_tokens(folder):
    """The model of a folder with another token, of ten letters; returns the folder."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    tokenizer.add_tokens(["cccccccccc"])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    tokenizer.save_pretrained(folder), model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("context", [60, 64])
@pytest.mark.parametrize("paired", [True, False])
def test_pairs_that_another_model_has_no_room_for_are_left_out_with_a_note(context, paired, tmp_path, capsys):
    """The answer is short in the base's tokens; the other model has one for each letter, and one for the end."""
    base, small = longer_tokens(save_model(tmp_path / "base")), save_model(tmp_path / "small", context=context)
    rows = [{"prompt": "a", "chosen": "c" * 60, "rejected": "b"}, {"prompt": "a", "chosen": "b", "rejected": "c"}]
    rows = rows if paired else [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
    data = ["--dataset-name", save_rows(tmp_path / "rows.jsonl", rows), "--reward-funcs", "exact", "--base", base]
    found = evaluated(tmp_path / "out", small, *data, "--max-completion-length", "8")
    note = "small is not measured on the pairs: its context of 60 tokens is too short for a row's own answers."
    assert ("chosen likelier" in found["small"]) == (paired and context == 64)
    assert (note in capsys.readouterr().out) == (paired and context == 60)
    assert "chosen gained" not in found["small"]  # its tokens are not the base's


def test_a_model_with_other_tokens_is_not_compared_with_the_base_on_pairs_and_that_is_said(tmp_path, capsys):
    base, other = save_model(tmp_path / "base"), longer_tokens(save_model(tmp_path / "other"))
    data = ["--dataset-name", save_rows(tmp_path / "rows.jsonl", pairs(6)), "--reward-funcs", "exact", "--base", base]
    flags = [*data, "--max-completion-length", "8"]
    found = evaluated(tmp_path / "out", base, other, *flags)
    assert found["base"]["chosen likelier"] == found[base]["chosen likelier"]
    assert found[base]["chosen gained"][0] == 0.5  # the control: the same model gained nothing, and ties count half
    assert "chosen gained" not in found["other"]
    assert "other has no KL and no comparison of its pairs: its tokenizer is not the base's." in capsys.readouterr().out
    evaluated(tmp_path / "greedy", other, *flags, "--temperature", "0")
    assert "other has no comparison of its pairs: its tokenizer" in capsys.readouterr().out


def test_a_model_that_was_trained_on_pairs_agrees_with_more_of_them(tmp_path):
    model, data = save_model(tmp_path / "base"), save_rows(tmp_path / "rows.jsonl", pairs(40))
    flags = ["--model-name-or-path", model, "--dataset-name", data, "--method", "dpo", "--max-steps", "12"]
    rest = ["--learning-rate", "1e-2", "--max-completion-length", "8", "--test-size", "0.2", "--output-dir"]
    assert train([*map(str, flags), *rest, str(tmp_path / "run")]) == 0
    found = evaluated(tmp_path / "out", tmp_path / "run", "--reward-funcs", "tests.language.share_of_wanted")
    assert found["dpo (run)"]["chosen gained"][0] > 0.9
    assert found["dpo (run)"]["chosen likelier"][0] > found["base"]["chosen likelier"][0]
    assert "chosen gained" not in found["base"]


def test_an_adapter_is_evaluated_beside_its_base(tmp_path):
    pytest.importorskip("peft", reason="needs the extra [peft]")
    flags = ["--per-device-train-batch-size", "32", "--max-eval-prompts", "20", "--max-steps", "3", "--use-peft"]
    assert train([*flags, "--learning-rate", "1e-2", "--output-dir", str(tmp_path / "run")]) == 0
    by_run = evaluated(tmp_path / "a", tmp_path / "run")
    rows = [
        "--dataset-name",
        "sorting",
        "--test-size",
        "0.1",
        "--max-eval-prompts",
        "20",
        "--max-completion-length",
        "8",
    ]
    by_name = evaluated(tmp_path / "b", tmp_path / "run" / "model", "--base", "tiny", *rows)
    assert by_name["run/model"] == by_run["grao, repaired (run)"]
    assert by_name["run/model"]["KL"][0] > 0.1


def test_a_run_of_a_method_that_can_not_be_imported_here_is_evaluated(runs, tmp_path):
    shutil.copytree(runs / "one", tmp_path / "one")
    config = tmp_path / "one" / "config.yaml"
    config.write_text(config.read_text().replace("method: grao", "method: gone.module.MINE"))
    found = evaluated(tmp_path / "out", tmp_path / "one")
    assert found["MINE (one)"] == evaluated(tmp_path / "there", runs / "one")["grao, repaired (one)"]


def test_every_setting_of_training_that_is_borrowed_is_one():
    known = {field.name for field in fields(Config)}
    assert {name for names in BORROWED.values() for name in names} <= known
    assert not DEFAULT.given
