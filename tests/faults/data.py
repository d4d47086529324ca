"""Data files that are damaged at random: rows that can be read, or one line."""

import csv
import io
import json
import random
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.faults.outcomes import SKIPPED, Trial, stopped
from tests.faults.workshop import SMALL, Workshop, examples

PARQUET = find_spec("pyarrow") is not None and find_spec("datasets") is not None
VALUES: list[Any] = [
    None, "", " ", 0, 1.5, True, [], {}, [None], "\ud800", "\0", "a\nb", "é" * 3, "9" * 3000, 10**400, float("nan"),
    [{"role": "user", "content": "1="}], [{"role": "robot", "content": "1="}], [{"role": "user"}], [[1]],
]  # fmt: skip


def trials(shop: Workshop) -> Iterator[Trial]:
    """Bytes, values and structure, in every format."""
    for name in WRITERS if not shop.short else ("jsonl",):
        if name != "parquet" or PARQUET:
            yield read(shop, "none (control)", name)
    for kind in ("bytes", "a value", "a column", "structure"):
        for _ in range(shop.few(50, 4)):
            name = shop.rng.choice([each for each in WRITERS if each != "parquet" or PARQUET])
            yield read(shop, kind, name)
    if not PARQUET:
        yield Trial("parquet files", SKIPPED, "pyarrow or datasets is not installed")


def read(shop: Workshop, kind: str, name: str) -> Trial:
    """A run of one step on such a file."""
    rows: list[dict[str, Any]] = [dict(row) for row in examples(12, "data")]
    what = ""
    if kind == "a value":
        column, value = shop.rng.choice(list(rows[0])), shop.rng.choice(VALUES)
        rows[shop.rng.randrange(12)][column] = value
        what = f"{column} = {str(value)[:30]!r}"
    elif kind == "a column":
        what = _column(rows, shop.rng)
    place = shop.fresh()
    place.mkdir()
    path = place / f"rows.{name}"
    try:
        path.write_bytes(WRITERS[name](rows))
    except Exception:  # the format can't hold such a value
        path = place / "rows.jsonl"
        path.write_bytes(WRITERS["jsonl"](rows))
    if kind in ("bytes", "structure"):
        what = (_bytes if kind == "bytes" else _structure)(path, shop.rng)
    flags = ["--dataset-name", path, "--test-size", 0.3, "--max-steps", 1, "--output-dir", place / "run"]
    ended = shop.run([*SMALL[: SMALL.index("--dataset-name")], "--reward-funcs", "exact", *flags])
    trial = stopped(ended, (0,) if kind == "none (control)" else (0, 2), kind)
    if not trial.bad:
        shop.drop(place)
    return Trial(trial.fault, trial.seen, f"exit {ended.code}, {path.name}, {what}: {trial.details}")


def _bytes(path: Path, rng: random.Random) -> str:
    content = bytearray(path.read_bytes())
    kind = rng.choice(["flip", "cut", "insert", "BOM", "UTF-16", "NUL", "empty"])
    place = rng.randrange(len(content))
    if kind == "flip":
        for _ in range(rng.randint(1, 5)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del content[place:]
    elif kind == "insert":
        content[place:place] = rng.choice([b"\xff\xfe", b"\0", b"{", b'"', b"\r", b",,,,", b"\n\n"])
    elif kind == "BOM":
        content[:0] = b"\xef\xbb\xbf"
    elif kind == "UTF-16":
        content = bytearray(content.decode(errors="replace").encode("utf-16"))
    elif kind == "NUL":
        content[place : place + 50] = bytes(50)
    else:
        content.clear()
    path.write_bytes(content)
    return kind


def _column(rows: list[dict[str, Any]], rng: random.Random) -> str:
    column = rng.choice(list(rows[0]))
    kind = rng.choice(["missing", "missing in one row", "renamed", "in capitals", "of one value", "all null", "added"])
    for row in rows if kind != "missing in one row" else rows[3:4]:
        value = row.pop(column)
        if kind in ("renamed", "in capitals"):
            row[column.upper() if kind == "in capitals" else f"my {column}"] = value
        elif kind in ("of one value", "all null"):
            row[column] = None if kind == "all null" else "1"
        elif kind == "added":
            row |= {column: value, rng.choice(["prompts", "log_metric", "completion_ids", "", "a b"]): value}
    return f"{column} {kind}"


def _structure(path: Path, rng: random.Random) -> str:
    path = path.with_suffix(path.suffix)
    texts = {
        "deep JSON": "[" * 50_000 + "]" * 50_000,
        "a deep row": '{"prompt": ' + "[" * 5000 + "]" * 5000 + ', "completion": "1"}\n',
        "a number": "7\n",
        "a text": '"rows"\n',
        "a list of lists": "[[1, 2], [3, 4]]\n",
        "empty rows": "{}\n{}\n",
        "one row": json.dumps(examples(1, "one")[0]) + "\n",
        "a double key": '{"prompt": "1=", "prompt": "2=", "completion": "1"}\n',
        "a long line": '{"prompt": "' + "1" * 2_000_000 + '", "completion": "1"}\n',
        "lone surrogates": '{"prompt": "\\ud800=", "completion": "\\udfff"}\n' * 12,
        "blank lines": "\n\n\n",
        "a header alone": "prompt,completion\n",
        "rows of other lengths": "prompt,completion\n1=\n1=,1,1,1\n",
        "an open quote": 'prompt,completion\n"1=,1\n2=,2\n',
    }
    kind = rng.choice(list(texts))
    path.write_text(texts[kind])
    return kind


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), sink)
    return sink.getvalue()


WRITERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    "json": lambda rows: json.dumps(rows).encode(),
    "csv": _csv,
    "parquet": _parquet,
}
