"""Data sets by name: local files, folders and stand-ins for the hub, and every message about a name that fails."""

import gzip
import json
import re
import sys

import pytest

import grao_ref.data.load as module
from grao_ref.data.load import HUB, OWN_RULES, load_rows, own_rule
from grao_ref.data.rows import Row
from grao_ref.rewards.load import BUILT_IN

TABLE = [{"prompt": f"{n} + 1 =", "completion": f" {n + 1}", "level": n} for n in range(5)]
ROWS = [Row(f"{n} + 1 =", f" {n + 1}", columns={"level": n}) for n in range(5)]


def lines(table) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in table)


def refuses(message: str, name, **asked) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_rows(str(name), **asked)


def test_files_of_every_kind_give_the_same_rows_in_their_order(tmp_path):
    (tmp_path / "a.jsonl").write_text(lines(TABLE) + "\n\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(TABLE).encode()))
    (tmp_path / "a.json").write_text(json.dumps(TABLE, indent=1))
    for name in ("a.jsonl", "a.jsonl.gz", "a.json"):
        assert load_rows(str(tmp_path / name)) == ROWS


def test_a_file_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.jsonl").write_text(lines(TABLE))
    assert load_rows("~/a.jsonl") == ROWS


def test_left_out_rows_are_told(tmp_path):
    start = "\n\nHuman: a\n\nAssistant:"
    pairs = [{"chosen": f"{start} b", "rejected": f"{start} c"}, {"chosen": start, "rejected": f"{start} c"}]
    (tmp_path / "hh.jsonl").write_text(lines(pairs))
    rows = load_rows(str(tmp_path / "hh.jsonl"))
    assert len(rows) == 1
    assert rows.skipped == ("row 2: chosen ends in an empty answer",)


def test_broken_files_are_named_with_the_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(lines(TABLE[:2]) + '{"prompt": \n' + lines(TABLE))
    refuses(f"{path}, line 3: broken JSON (Expecting value, column 11)", path)
    path.write_text(lines(TABLE[:1]) + "[1, 2]\n")
    refuses(f"{path}, line 2: a row must be an object, got list", path)
    path.write_text("\n")
    refuses(f"{path} is empty: it has no rows", path)
    path.write_bytes(b"\xff{}")
    refuses(
        f"{path} can't be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte; "
        "save it as UTF-8",
        path,
    )
    path = tmp_path / "a.json"
    path.write_text('[\n{"prompt": "a",\n "completion" "b"}]')
    refuses(f"{path}, line 3: broken JSON (Expecting ':' delimiter, column 15)", path)
    path.write_text('{"prompt": "a"}')
    refuses(f"{path} must hold a list of objects, or an object on each line, got one object with the keys prompt", path)
    path.write_text('[{"prompt": "a", "completion": "b"}, 3]')
    refuses(f"{path}, entry 2: a row must be an object, got int", path)
    path.write_bytes(b"\xff")
    refuses(
        f"{path} can't be read: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte; "
        "save it as UTF-8",
        path,
    )


@pytest.mark.parametrize("damage", [lambda whole: b"plain text", lambda whole: whole[:-12], lambda whole: whole[:40]])
def test_a_damaged_archive_is_named(tmp_path, damage):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(damage(gzip.compress(lines(TABLE * 50).encode())))
    with pytest.raises(ValueError, match=re.escape(f"{path} can't be read: ")):
        load_rows(str(path))


def test_an_archive_with_a_flipped_bit_is_named(tmp_path):
    path, whole = tmp_path / "a.jsonl.gz", bytearray(gzip.compress(lines(TABLE * 50).encode()))
    whole[30] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        load_rows(str(path))


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "train.jsonl").write_text(lines(TABLE))
    refuses(f"no file {tmp_path}/trian.jsonl; did you mean train.jsonl?", tmp_path / "trian.jsonl")
    refuses(f"no file {tmp_path}/xyz.json; the folder has no name like it", tmp_path / "xyz.json")
    refuses(f"no file {tmp_path}/no/a.jsonl; its folder is missing or empty", tmp_path / "no" / "a.jsonl")


def test_a_file_has_one_split_and_no_config(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(lines(TABLE))
    message = f"{path} is one file and has the split 'train' alone; there is no "
    refuses(message + "split 'test'", path, split="test")
    refuses(message + "config 'main'", path, config="main")


KNOWN = (
    "known are sorting, hh-harmless, hh-helpful, gsm8k, reasoning-gym:TASK, a folder, an OWNER/NAME on the hub, or a "
    "file that ends in .jsonl, .json, .csv, .tsv, one of these and .gz, or .parquet"
)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("hh-harmles", "did you mean hh-harmless?"),
        ("gsm8", "did you mean gsm8k?"),
        ("sortin", "did you mean sorting?"),
        ("reasoning_gym:chain_sum", "did you mean reasoning-gym:TASK?"),
        ("imdb", KNOWN),
        ("./no/folder", KNOWN),
        ("/no", KNOWN),
        ("~/no", KNOWN),
        ("", KNOWN),
    ],
)
def test_a_name_that_leads_nowhere_is_named_with_the_nearest(name, advice):
    refuses(f"no data set {name!r}; {advice}", name)


def test_a_file_of_another_kind_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("prompt,completion\n")
    refuses(
        f"{tmp_path}/a.txt is no file that can be read here; it must end in .jsonl, .json, .csv, .tsv, one of these "
        "and .gz, or .parquet",
        f"{tmp_path}/a.txt",
    )
    (tmp_path / "data-00000-of-00001.arrow").write_text("")
    path = tmp_path / "data-00000-of-00001.arrow"
    refuses(f"{path} is no file that can be read here; name the folder that save_to_disk wrote", path)


@pytest.mark.parametrize(
    ("name", "package", "message"),
    [
        ("gsm8k", "datasets", "the data set openai/gsm8k needs the package datasets: pip install 'grao_ref[hub]'"),
        (
            "reasoning-gym:gcd",
            "reasoning_gym.factory",
            "reasoning-gym is not installed here: pip install 'grao_ref[reasoning]'",
        ),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, name, package, message):
    monkeypatch.setitem(sys.modules, package, None)
    refuses(message, name)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder laid out as HH-RLHF is on the hub; what `datasets` keeps goes into another one."""
    datasets = pytest.importorskip("datasets", reason="the extra hub is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    shown = not datasets.are_progress_bars_disabled()
    if shown:
        datasets.disable_progress_bars()
    for folder in ("harmless-base", "helpful-base"):
        (tmp_path / "hub" / folder).mkdir(parents=True)
        for split in ("train", "test"):
            start = f"\n\nHuman: {folder}, {split}?\n\nAssistant:"
            text = lines([{"chosen": f"{start} yes", "rejected": f"{start} no"}])
            (tmp_path / "hub" / folder / f"{split}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    yield tmp_path / "hub"
    if shown:
        datasets.enable_progress_bars()


@pytest.mark.parametrize(("name", "folder"), [("hh-harmless", "harmless-base"), ("hh-helpful", "helpful-base")])
def test_short_names_read_their_folder_and_split(hub, monkeypatch, name, folder):
    assert HUB[name] == ("Anthropic/hh-rlhf", {"data_dir": folder})
    monkeypatch.setitem(module.HUB, name, (str(hub), HUB[name][1]))
    for split in ("train", "test"):
        prompt = [{"role": "user", "content": f"{folder}, {split}?"}]
        assert load_rows(name, split=split) == [Row(prompt, "yes", "no")]


def test_gsm8k_is_asked_for_its_config(monkeypatch):
    datasets, asked = pytest.importorskip("datasets", reason="the extra hub is not installed"), []

    def answers(*names, **options):
        asked.append((names, options))
        return [{"question": "q", "answer": "#### 4"}]

    monkeypatch.setattr(datasets, "load_dataset", answers)
    assert load_rows("gsm8k", split="test")[0].columns["solution"] == "4"
    assert load_rows("gsm8k", config="socratic")
    assert asked == [
        (("openai/gsm8k",), {"split": "test", "name": "main"}),
        (("openai/gsm8k",), {"split": "train", "name": "socratic"}),
    ]


def test_folders_are_read_by_split_from_json_lines_and_parquet(hub, tmp_path):
    import pyarrow
    import pyarrow.parquet

    messages = [
        {"prompt": [{"role": "user", "content": row["prompt"]}], "completion": [{"role": "assistant", "content": "2"}]}
        for row in TABLE
    ]
    for folder in ("lines", "tables"):
        (tmp_path / folder).mkdir()
    for split, table in {"train": messages, "test": messages[:2]}.items():
        (tmp_path / "lines" / f"{split}.jsonl").write_text(lines(table))
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "tables" / f"{split}.parquet")
    for folder in ("lines", "tables"):
        rows = load_rows(str(tmp_path / folder))
        assert rows == [Row([{"role": "user", "content": row["prompt"]}], "2") for row in TABLE]
        assert load_rows(str(tmp_path / folder), split="test") == rows[:2]


def test_rows_of_a_folder_keep_their_number_in_their_file(hub, tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    (folder / "train-00000-of-00002.jsonl").write_text("\n" + lines(TABLE[:2]))
    (folder / "train-00001-of-00002.jsonl").write_text("\N{ZERO WIDTH NO-BREAK SPACE}" + lines(TABLE[2:]))
    rows = load_rows(str(folder))
    assert rows == ROWS
    assert [row.number for row in rows] == [2, 3, 1, 2, 3]
    assert load_rows(str(folder), split="train[1:3]") == ROWS[1:3]  # `datasets` takes the slice
    second = folder / "train-00001-of-00002.jsonl"
    second.write_text(lines(TABLE[2:4]) + '{"prompt": "", "completion": "a"}\n')
    refuses(f"row 3 of {second}: prompt is empty", folder)
    second.write_text(lines(TABLE[2:4]) + '{"prompt": \n')
    refuses(f"{second}, line 3: broken JSON (Expecting value, column 11)", folder)


def test_rows_that_are_left_out_of_several_files_are_named_with_their_file(hub, tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for name in "ab":
        (folder / f"train-{name}.jsonl").write_text(lines([{"text": "a"}, {"text": ""}]))
    assert load_rows(str(folder)).skipped == (
        f"row 2 of {folder}/train-a.jsonl: text is empty",
        f"row 2 of {folder}/train-b.jsonl: text is empty",
    )


def test_what_save_to_disk_wrote_is_read_with_its_splits_or_without(hub, tmp_path):
    from datasets import Dataset, DatasetDict

    whole = Dataset.from_list(TABLE)
    whole.save_to_disk(tmp_path / "one")
    DatasetDict({"train": whole, "test": whole.select([3])}).save_to_disk(tmp_path / "two")
    for folder in (tmp_path / "one", tmp_path / "two", tmp_path / "two" / "train"):
        assert load_rows(str(folder)) == ROWS
    assert load_rows(str(tmp_path / "two"), split="test") == ROWS[3:4]
    assert [row.number for row in load_rows(str(tmp_path / "one"))] == [1, 2, 3, 4, 5]
    refuses(f"the folder {tmp_path}/two has no split 'tset'; did you mean test?", tmp_path / "two", split="tset")
    refuses(f"the folder {tmp_path}/one has no split 'test'; it has train", tmp_path / "one", split="test")
    message = f"the folder {tmp_path}/one was written by save_to_disk and has no config 'main'"
    refuses(message, tmp_path / "one", config="main")


def test_a_folder_of_files_names_its_splits(hub):
    message = f"the folder {hub}/harmless-base has no split 'val'; it has train, test"
    refuses(message, hub / "harmless-base", split="val")


def test_a_folder_whose_name_ends_like_a_file_is_a_folder(hub, tmp_path):
    (tmp_path / "rows.jsonl").mkdir()
    (tmp_path / "rows.jsonl" / "part-0.jsonl").write_text(lines(TABLE))
    assert load_rows(str(tmp_path / "rows.jsonl")) == ROWS


def test_columns_get_other_names_in_a_file_and_in_a_data_set_of_the_hub(hub, tmp_path, monkeypatch):
    renamed = [{"question": row["prompt"], "completion": row["completion"], "level": row["level"]} for row in TABLE]
    (tmp_path / "a.jsonl").write_text(lines(renamed))
    assert load_rows(str(tmp_path / "a.jsonl"), column=["prompt=question"]) == ROWS
    monkeypatch.setitem(module.HUB, "gsm8k", (str(tmp_path / "other"), {}))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "train.jsonl").write_text(lines(renamed))
    assert load_rows("gsm8k", column=["prompt=question"]) == ROWS


def test_what_datasets_refuses_is_one_line_with_its_reason(hub, tmp_path):
    start = f"the data set {hub}/harmless-base could not be loaded: "
    message = start + "Unknown split \"val\". Should be one of ['train', 'test']."
    refuses(message, hub / "harmless-base", split="val[:9]")
    refuses(start + "BuilderConfig 'x' not found. Available: ['default']", hub / "harmless-base", config="x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty could not be loaded: .* doesn't contain any data files$"):
        load_rows(str(tmp_path / "empty"))


def test_an_id_without_a_network_is_named(hub):
    refuses(
        "the data set no/such could not be loaded: Couldn't reach 'no/such' on the Hub (OfflineModeIsEnabled)",
        "no/such",
    )


def test_the_rule_of_a_data_set_is_a_reward_function_that_is_built_in():
    assert set(OWN_RULES.values()) <= set(BUILT_IN)
    assert own_rule("gsm8k") == "final_number"
    assert own_rule("sorting") == "sorting"
    assert own_rule("reasoning-gym:chain_sum") == own_rule("reasoning-gym") == "reasoning_gym"
    assert own_rule("hh-harmless") is own_rule("gsm8k.jsonl") is own_rule("") is None


def test_a_folder_of_too_many_files_is_refused_before_datasets_walks_through_it(tmp_path, monkeypatch):
    from grao_ref.data import folders

    def walked(function, source, options):
        raise AssertionError("datasets was asked")

    monkeypatch.setattr(folders, "MOST", 3)
    monkeypatch.setattr(folders, "_loaded", walked)
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_text(lines(TABLE))
    with pytest.raises(AssertionError, match="datasets was asked"):  # control: three are no more than three
        load_rows(str(tmp_path))
    (tmp_path / "deep").mkdir()
    with pytest.raises(ValueError, match="holds more than 3 files and folders, and is taken for no data set"):
        load_rows(str(tmp_path))
    monkeypatch.setattr(folders, "MOST", 10_000)
    with pytest.raises(ValueError, match="the folder / holds more than 10,000 files and folders"):
        load_rows("/")
