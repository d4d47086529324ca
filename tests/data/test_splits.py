"""The rows of a run: held out, from a split, from another file; and that no prompt is on both sides."""

import json
import re

import pytest

from grao_ref.data.rows import Row, Rows, apart, left_out, rows_of, split_by_prompt
from grao_ref.data.splits import rows_of as rows_of_run
from grao_ref.settings.config import Config


def write(path, prompts, **others):
    path.write_text("".join(json.dumps({"question": p, "completion": "y", **others}) + "\n" for p in prompts))
    return str(path)


def run(name, *, column=("prompt=question",), **settings):
    return rows_of_run(Config(dataset_name=str(name), column=column, **settings))


def prompts(rows):
    return [row.prompt for row in rows]


def test_rows_keep_their_numbers_through_the_split(tmp_path):
    training, held_out = run(write(tmp_path / "a.jsonl", "abcdefghij"), test_size=0.3)
    assert (len(training), len(held_out)) == (7, 3)
    for row in [*training, *held_out]:
        assert "abcdefghij"[row.number - 1] == row.prompt


def test_another_file_is_evaluated_on_and_its_prompts_are_not_trained_on(tmp_path):
    train, test = write(tmp_path / "train.jsonl", "abcb"), write(tmp_path / "test.csv.jsonl", "bx")
    training, held_out = run(train, dataset_test_name=test)
    assert (prompts(training), prompts(held_out)) == (["a", "c"], ["b", "x"])
    assert training.skipped == ("row 2: its prompt is in the test set", "row 4: its prompt is in the test set")
    assert [row.number for row in training] == [1, 3]
    everything, _ = run(train, dataset_test_name=write(tmp_path / "test.jsonl", "x"))
    assert prompts(everything) == ["a", "b", "c", "b"]  # control


def test_nothing_left_to_train_on_names_the_test_set(tmp_path):
    train, test = write(tmp_path / "train.jsonl", "ab"), write(tmp_path / "test.jsonl", "bac")
    message = f"every prompt of the split 'train' is in {test} too: nothing is left to train on"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run(train, dataset_test_name=test)


def test_a_test_file_has_one_split_and_another_data_set_its_test(tmp_path):
    pytest.importorskip("datasets", reason="the extra hub is not installed")
    train, folder = write(tmp_path / "train.jsonl", "ab"), tmp_path / "folder"
    folder.mkdir()
    for split in ("train", "test", "validation"):
        write(folder / f"{split}.jsonl", [f"of {split}"])
    assert prompts(run(train, dataset_test_name=str(folder))[1]) == ["of test"]
    both = run(train, dataset_test_name=str(folder), dataset_test_split="validation")
    assert prompts(both[1]) == ["of validation"]
    with pytest.raises(
        ValueError, match=rf"^{train} is one file and has the split 'train' alone; there is no split 'x'"
    ):
        run(folder, dataset_test_name=train, dataset_test_split="x")


@pytest.mark.parametrize(("test_name", "config_of_test"), [("other/data", None), (None, "main"), ("my/data", "main")])
def test_a_configuration_is_that_of_its_own_data_set_alone(test_name, config_of_test, monkeypatch):
    asked = []

    def load_rows(name, *, split, config, column):
        asked.append((name, split, config))
        return Rows([Row(f"{name} {split}", "y")])

    monkeypatch.setattr("grao_ref.data.splits.load_rows", load_rows)
    run("my/data", dataset_config="main", dataset_test_name=test_name, dataset_test_split="test")
    assert asked == [("my/data", "train", "main"), (test_name or "my/data", "test", config_of_test)]


def test_the_columns_of_both_are_renamed(tmp_path):
    train = write(tmp_path / "train.jsonl", "ab")
    (tmp_path / "test.jsonl").write_text('{"prompt": "c", "completion": "y"}\n')
    with pytest.raises(ValueError, match=r"test\.jsonl has no column 'question'"):
        run(train, dataset_test_name=str(tmp_path / "test.jsonl"))


def test_whole_texts_are_held_out_by_their_text():
    rows = rows_of([{"text": letter} for letter in "abcdabcd"], "table")
    train, held_out = split_by_prompt(rows, share=0.5, seed=0)
    assert len(train) == len(held_out) == 4
    assert not {row.reference for row in train} & {row.reference for row in held_out}
    assert [row.reference for row in apart(rows, rows[:2])] == list("cdcd")


def test_the_log_names_the_first_row_that_was_left_out():
    assert left_out([Row("a", "b")], Rows()) == ""
    assert left_out(Rows([], ["row 7: output is empty"]), []) == ", 1 left out (row 7: output is empty)"
    several = Rows([], [f"row {n}: output is empty" for n in range(7, 1300)])
    assert left_out(Rows(), several) == ", 1,293 left out (row 7: output is empty, and others)"
