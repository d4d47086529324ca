"""Text files, JSON lines, JSON, CSV and TSV, as pairs (number, entry): the numbers are those of `tables.py`."""

import codecs
import csv
import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any

Entry = dict[str, Any]
Numbered = Iterator[tuple[int, Entry]]
LONGEST_FIELD = 2**31 - 1  # the csv module's own limit, 131,072 characters, is shorter than some answers
_BEGIN = re.compile(r"\S")


def _open(path: Path) -> TextIOWrapper:
    """The file as text. Raises `ValueError` on UTF-16, which has a mark of its own or zeros between its letters."""
    opening: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opening(path, "rb") as file:
        begin = file.read(4)
    marks = begin[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if marks or (len(begin) == 4 and (begin[:3:2] == b"\0\0" or begin[1::2] == b"\0\0")):
        raise ValueError(f"{path} is written in UTF-16 or UTF-32; save it as UTF-8")
    text: TextIOWrapper = opening(path, "rt", encoding="utf-8-sig", newline="")  # csv wants line breaks as they are
    return text


def json_lines(path: Path) -> Numbered:
    """One object a line; a file that begins like a list is read as one, whatever it is called."""
    with _open(path) as lines:
        begun = False
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            if not begun and line.lstrip().startswith("["):
                yield from _json_text("\n" * (number - 1) + line + lines.read(), path)
                return
            begun = True
            yield number, _entry(_decoded(_DECODER.decode, line.rstrip(), path, number), f"{path}, line {number}")


def json_file(path: Path) -> Numbered:
    """A list of objects, or what else may stand for one (`_json_text`)."""
    with _open(path) as file:
        yield from _json_text(file.read(), path)


def _json_text(text: str, path: Path) -> Numbered:
    """A list of objects, one object that holds nothing but such a list, or one object behind the other."""
    if text.lstrip().startswith("{") and (objects := list(_objects(text, path))) and len(objects) > 1:
        yield from objects
        return
    content = _only_list(_decoded(_DECODER.decode, text, path))
    if not isinstance(content, list):
        found = (
            f"one object with the keys {', '.join(content)}" if isinstance(content, dict) else type(content).__name__
        )
        raise ValueError(f"{path} must hold a list of objects, or an object on each line, got {found}")
    for number, entry in enumerate(content, start=1):
        yield number, _entry(entry, f"{path}, entry {number}")


def _objects(text: str, path: Path) -> Numbered:
    """One object behind the other; each has the number of the line in which it begins."""
    place, line = 0, 1
    while begin := _BEGIN.search(text, place):
        line += text.count("\n", place, begin.start())
        value, end = _decoded(_DECODER.raw_decode, text, path, begin=begin.start())
        yield line, _entry(value, f"{path}, line {line}")
        line, place = line + text.count("\n", begin.start(), end), end


def _only_list(content: Any) -> Any:
    """The list of `{"data": [...]}`, whatever its key; any other content as it is."""
    if isinstance(content, dict) and len(content) == 1:
        (value,) = content.values()
        if isinstance(value, list) and not any(isinstance(item, dict) and _is_message(item) for item in value):
            return value
    return content


def _is_message(item: Mapping[str, Any]) -> bool:
    return {"role", "content"} <= set(item) or {"from", "value"} <= set(item)


def delimited(path: Path) -> Numbered:
    """CSV, whose header tells a comma, a semicolon or a tab, or TSV."""
    with _open(path) as file:
        header = file.readline()
        file.seek(0)
        if header.lstrip().startswith(("{", "[")):
            raise ValueError(f"{path} begins as JSON and not as a header: name it .jsonl or .json")
        marks = "\t" if path.name.lower().removesuffix(".gz").endswith(".tsv") else ",;\t"
        rows = csv.reader(file, delimiter=max(marks, key=header.count), strict=True)
        before = csv.field_size_limit(LONGEST_FIELD)
        try:
            yield from _records(rows, path)
        except csv.Error as error:
            raise ValueError(f"{path}, line {rows.line_num}: broken CSV ({error})") from None
        finally:
            csv.field_size_limit(before)


def _records(rows: Any, path: Path) -> Numbered:
    """A record for each row that is not blank, under the names of the first row."""
    names: list[str] = [name.strip() for name in next(rows, [])]  # a blank behind a comma is no part of a name
    quoted = next((name for name in names if name.startswith('"')), None)
    if quoted is not None:
        raise ValueError(f"{path} has a blank in front of the quotes of {quoted} in its header: remove such blanks")
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise ValueError(f"{path} has the column {twice[0]!r} twice in its header")
    number = 0
    for values in rows:
        if not values:  # a blank line
            continue
        number += 1
        if len(values) != len(names):
            raise ValueError(
                f"row {number} of {path} (it ends in line {rows.line_num}) has {len(values)} values, and the header "
                f"has {len(names)} names; a value that holds the delimiter or a line break must stand in double quotes"
            )
        yield number, dict(zip(names, values, strict=True))


def _decoded(decode: Callable[..., Any], text: str, path: Path, line: int = 1, begin: int | None = None) -> Any:
    """What the text holds. `line`: its first one in the file; `begin`: where in it the decoder begins."""
    try:
        return decode(text) if begin is None else decode(text, begin)
    except json.JSONDecodeError as error:
        place = f"{path}, line {line + error.lineno - 1}"
        raise ValueError(f"{place}: broken JSON ({error.msg}, column {error.colno})") from None
    except RecursionError:
        raise ValueError(f"{path}, line {line}: lists and objects are nested too deeply; write them flatter") from None
    except _TwiceError as error:
        raise ValueError(f"{path}, line {line}: {error}") from None
    except ValueError:  # the only one that is left
        longest = sys.get_int_max_str_digits()
        raise ValueError(f"{path}, line {line}: it has a whole number of more than {longest:,} digits") from None


class _TwiceError(ValueError):
    """An object that has a key twice."""


def _object(pairs: list[tuple[str, Any]]) -> Entry:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise _TwiceError(f"an object has the key {twice!r} twice, and only one of the two can be meant")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _entry(value: Any, place: str) -> Entry:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: a row must be an object, got {type(value).__name__}")
    return value
