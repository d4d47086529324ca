"""The help of a command, from its settings' sentences: in their groups, 80 columns wide."""

import ast
import inspect
import shutil
import textwrap
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from grao_ref.settings.kinds import kinds_of, plain

WIDTH = 80
SENTENCES = "__sentences__"  # of a dataclass without a source of its own: setting -> sentence
GLUE = "\0"  # stands for a space at which no line ends
WORDS = {str: "TEXT", int: "INT", float: "NUMBER", Path: "PATH", dict: "JSON", bool: "[true|false]"}
PRECEDENCE = """A flag beats the file of --config, whose keys are the names below, and the file beats the preset.
A flag of [true|false] alone is true: --bf16. Its opposite is --bf16 false or --no-bf16."""


def help_text(
    default: Any,
    *,
    module: str,
    description: str | None,
    first: Mapping[str, str] | None = None,
    positional: str | None = None,
) -> str:
    """What `--help` prints: usage, description, and every flag with its values, its sentence and its default."""
    usage = f"usage: python -m {module}"
    usage += f" {positional.upper()}{GLUE}..." if positional else ""
    usage += "".join(f" [{flag}{GLUE}{values}]" for flag, values in (first or {}).items()) + " [FLAGS]"
    parts = [_wrapped(usage, hang=7), *(_wrapped(each) for each in (description or "").strip().split("\n\n"))]
    if first:
        parts.append(_wrapped(PRECEDENCE))
    kinds, told = kinds_of(type(default)), sentences(type(default))
    for title, names in groups(type(default)).items():
        parts.append(f"{title}:")
        for name in names:
            flag = name.upper() if name == positional else f"--{name.replace('_', '-')} {values_of(kinds[name])}"
            text = told[name] + _default(getattr(default, name))
            if len(flag) > WIDTH - 2:  # many choices
                flag, _, choices = flag.partition(" ")
                text += f" One of {choices.strip('{}').replace(',', ', ')}."
            parts[-1] += f"\n  {flag}\n" + _wrapped(text, margin=6)
    return "\n\n".join(parts)


def groups(settings: type) -> dict[str, list[str]]:
    """Title -> settings: a dataclass that the settings inherit from is a group, and its docstring is the title."""
    found: dict[str, list[str]] = {}
    for field in fields(settings):
        home = next(each for each in reversed(settings.__mro__) if field.name in vars(each).get("__annotations__", {}))
        title = "Flags" if home is settings else (home.__doc__ or home.__name__).splitlines()[0].rstrip(".")
        found.setdefault(title, []).append(field.name)
    return found


def sentences(settings: type) -> dict[str, str]:
    """Setting -> the text below it in the source, on one line."""
    found: dict[str, str] = {}
    for each in reversed(settings.__mro__[:-1]):
        if SENTENCES in vars(each):
            found |= vars(each)[SENTENCES]
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                assert isinstance(text.value, ast.Constant)
                found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def values_of(kind: Any) -> str:
    """What stands behind a flag: `{a,b}`, `INT`, `TEXT ...`.

    >>> values_of(Literal["sgd", "adam"]), values_of(tuple[str, ...]), values_of(bool | None)
    ('{sgd,adam}', 'TEXT ...', '[true|false]')
    """
    inner = plain(kind)
    if get_origin(inner) is Literal:
        return f"{{{','.join(map(str, get_args(inner)))}}}"
    if get_origin(inner) is tuple:
        return f"{values_of(get_args(inner)[0])} ..."
    return WORDS[get_origin(inner) or inner]


def _default(value: Any) -> str:
    """` (default: ...)`, or nothing where the setting is left out by default: its sentence says what that means."""
    if value is None or value == ():
        return ""
    shown = str(value).lower() if isinstance(value, bool) else ",".join(value) if isinstance(value, tuple) else value
    return f" (default:{GLUE}{shown})"


def _wrapped(text: str, margin: int = 0, hang: int = 0) -> str:
    """Lines of at most 80 columns, or of the terminal's, which are never broken inside a word or a flag."""
    width = max(40, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))
    filled = textwrap.fill(
        " ".join(text.split()),
        width,
        initial_indent=" " * margin,
        subsequent_indent=" " * (margin + hang),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace(GLUE, " ")
