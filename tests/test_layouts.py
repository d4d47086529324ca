"""Data as people have it, from the command line: what trains, what is refused in one line, and what the log says."""

import json

import pytest

from grao_ref.data.rows import Row
from grao_ref.reward_head import main as reward_head
from grao_ref.runs.own_objects import rows_from
from grao_ref.settings.config import Config
from grao_ref.train import main
from tests.command import refused, rows_of
from tests.data.layouts import alpaca, messages, orca, prompts, questions, table, ultrafeedback, whole_texts
from tests.language import save_model, save_rows

STEP = ["--max-steps", "1", "--device", "cpu", "--max-completion-length", "48", "--max-eval-prompts", "2"]
SAMPLED = [*STEP, "--num-generations", "2", "--per-device-train-batch-size", "4"]


def length(completions, **columns):
    """A reward."""
    return [float(len(str(completion))) for completion in completions]


def starts_right(completions, solution, **columns):
    """A reward of TRL's kind: no reference, a column of the data set's own."""
    return [float(c[0]["content"].startswith(right)) for c, right in zip(completions, solution, strict=True)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"), context=512)


@pytest.fixture
def run(model, tmp_path):
    """Flags of a run on a table, and its folder."""

    def flags(entries, *others):
        file = save_rows(tmp_path / "rows.jsonl", entries)
        return ["--model-name-or-path", model, "--dataset-name", file, "--output-dir", str(tmp_path / "run"), *others]

    return flags


@pytest.mark.parametrize("layout", [alpaca, messages, orca, questions], ids=lambda layout: layout.__name__)
def test_sft_trains_on_it(layout, run, tmp_path):
    assert main(run(table(layout, 8), "--method", "sft", *STEP)) == 0
    assert rows_of(tmp_path / "run")[-1]["step"] == 1


@pytest.mark.parametrize("method", ["dpo", "grao"])
def test_whole_conversations_train_as_pairs(method, run, tmp_path):
    flags = run(table(ultrafeedback, 8), "--method", method, "--reward-funcs", "tests.test_layouts.length", *SAMPLED)
    assert main(flags) == 0
    assert rows_of(tmp_path / "run")[-1]["step"] == 1


@pytest.mark.parametrize("layout", [ultrafeedback, orca], ids=lambda layout: layout.__name__)
def test_a_reward_head_is_fitted_to_it(layout, model, tmp_path):
    file = save_rows(tmp_path / "rows.jsonl", table(layout, 12))
    flags = ["--model-name-or-path", model, "--dataset-name", file, "--output-dir", str(tmp_path / "head")]
    assert reward_head([*flags, "--device", "cpu", "--l2", "1"]) == 0
    assert json.loads((tmp_path / "head" / "head.json").read_text())["pairs"]["used"] == 12


def test_prompts_alone_train_grpo_as_in_trl_s_quickstart(run, tmp_path):
    reward = ["--reward-funcs", "tests.test_layouts.starts_right", *SAMPLED]
    assert main(run(table(prompts, 8), "--method", "grpo", *reward)) == 0
    assert "reward" in rows_of(tmp_path / "run")[-1]


@pytest.mark.parametrize("method", ["grao", "sft"])
def test_prompts_alone_are_refused_where_a_reference_is_needed_with_the_column_that_may_be_it(
    method, run, tmp_path, capsys
):
    reward = ["--reward-funcs", "tests.test_layouts.starts_right", *SAMPLED]
    line = refused(main, run(table(prompts, 8), "--method", method, *reward), capsys)
    assert line.startswith(f"error: {method} needs a reference answer in every row, and row ")
    assert "(of its columns solution, one is read as y by --column completion=NAME)" in line
    assert not (tmp_path / "run").exists()
    renamed = ["--column", "completion=solution", "solution=solution"]  # control: what it says works
    assert main(run(table(prompts, 8), "--method", method, *reward, *renamed)) == 0


def test_whole_texts_are_for_sft_without_a_reward(run, tmp_path, capsys):
    entries = table(whole_texts, 8)
    for others in (["--reward-funcs", "exact", *SAMPLED], ["--method", "sft", "--reward-funcs", "exact", *STEP]):
        line = refused(main, run(entries, *others), capsys)
        assert line.endswith(
            "rows.jsonl is a whole text without a prompt, and answers to prompts are sampled here; sft without "
            "reward_funcs trains on whole texts"
        )
        assert not (tmp_path / "run").exists()
    assert main(run(entries, "--method", "sft", *STEP)) == 0


def test_another_file_is_the_test_set_and_columns_are_renamed_in_both(run, tmp_path, capsys):
    dolly = [{"instruction": f"Say {n}", "context": "", "response": f"{n}"} for n in range(6)]
    test = save_rows(tmp_path / "test.jsonl", [dolly[2], {"instruction": "Say x", "context": "", "response": "x"}])
    flags = run(dolly, "--method", "sft", "--dataset-test-name", test, "--column", "output=response", *STEP)
    assert main(flags) == 0
    written = capsys.readouterr().out
    assert "5 rows to train on, 2 held out, 0 dropped as too long, 1 left out (row 3: its prompt is in the test" in (
        " ".join(written.split())
    )


def test_what_no_row_can_be_made_of_is_one_line_and_leaves_nothing(run, tmp_path, capsys):
    entries = table(questions, 4)
    half = json.loads('{"question": "a\\ud83d", "answer": "b"}')
    for bad, message in ((half, "row 5 of "), ({"question": 4, "answer": "b"}, "question must be text, got int")):
        line = refused(main, run([*entries, bad], "--method", "sft", *STEP), capsys)
        assert message in line
        assert not (tmp_path / "run").exists()


def test_columns_are_renamed_in_rows_of_a_user_s_own():
    entries = [{"q": "a", "completion": "b"}]
    assert rows_from(entries, "rows", Config(column=("prompt=q",))) == [Row("a", "b")]
    with pytest.raises(ValueError, match=r"^rows has the columns q, completion; expected one of"):
        rows_from(entries, "rows", Config())


def test_the_column_of_a_config_file_may_be_a_mapping(run, tmp_path):
    config = tmp_path / "settings.yaml"
    config.write_text("column:\n  output: response\nmethod: sft\n")
    dolly = [{"instruction": f"Say {n}", "context": "", "response": f"{n}"} for n in range(6)]
    assert main(["--config", str(config), *run(dolly, *STEP)]) == 0


@pytest.mark.parametrize("name", ["prompts", "completions", "references"])
def test_a_column_with_the_name_of_a_reward_function_s_argument_is_refused_until_it_is_renamed(
    name, run, tmp_path, capsys
):
    entries = [entry | {name: "x"} for entry in table(prompts, 8)]
    flags = ["--method", "grpo", "--reward-funcs", "tests.test_layouts.starts_right", *SAMPLED]
    line = refused(main, run(entries, *flags), capsys)
    advice = f"--column other_{name}={name}"
    assert line == f"error: the data set's column {name!r} has the name of a reward function's argument; give it " + (
        f"another one: {advice}"
    )
    assert main(run(entries, *flags, *advice.split())) == 0
