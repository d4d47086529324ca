"""Counts and formats of the real files, if they are in $GRAO_TEST_DATA or ../shared/data. No row is kept here."""

import gzip
import json
import os
from pathlib import Path

import pytest

from grao_ref.data.hh import as_text
from grao_ref.data.load import load_rows
from grao_ref.data.rows import split_by_prompt

FOLDER = Path(os.environ.get("GRAO_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")


def real(name: str):
    path = FOLDER / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no {path}: set GRAO_TEST_DATA to the folder that holds hh/ and gsm8k/")
    return load_rows(str(path))


@pytest.mark.parametrize(("name", "count", "prompts"), [("harmless", 1992, 1990), ("helpful", 1983, 1983)])
def test_hh(name, count, prompts):
    rows = real(f"hh/{name}-base")
    assert (len(rows), rows.skipped) == (count, ())
    assert len({as_text(row.prompt) for row in rows}) == prompts
    for row in rows:
        roles = [message["role"] for message in row.prompt]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert row.reference != row.rejected
        assert "\n\nHuman:" not in row.reference + row.rejected


@pytest.mark.parametrize("name", ["harmless", "helpful"])
def test_hh_s_transcripts_come_back_but_for_spaces_and_doubled_turns(name):
    rows = real(f"hh/{name}-base")
    with gzip.open(FOLDER / "hh" / f"{name}-base.jsonl.gz", "rt") as lines:
        transcripts = [json.loads(line)["chosen"] for line in lines]
    same = [f"{as_text(row.prompt)} {row.reference}" == text for row, text in zip(rows, transcripts, strict=True)]
    assert same.count(False) == {"harmless": 4, "helpful": 6}[name]
    for row, text in zip(rows, transcripts, strict=True):  # no word is lost
        assert _words(f"{as_text(row.prompt)} {row.reference}") == _words(text)


def _words(text: str) -> list[str]:
    return text.replace("\n\nAssistant:", " ").split()


@pytest.mark.parametrize(("name", "count"), [("train", 7473), ("test", 1139)])
def test_gsm8k(name, count):
    rows = real(f"gsm8k/{name}")
    assert (len(rows), rows.skipped) == (count, ())
    for row in rows:
        assert float(row.columns["solution"]) == float(row.reference.rpartition("####")[2].replace(",", ""))
        assert "<<" not in row.reference
    train, held_out = split_by_prompt(rows, share=0.1, seed=0)
    assert (len(held_out), len(train)) == (round(0.1 * count), count - round(0.1 * count))
