"""Values as people write them, in YAML or on the command line, made into those of a setting's type.

What does not fit stays as it is, and is refused by name when the settings are made (`kinds.require_kind`).
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args, get_origin

from grao_ref.settings.kinds import optional, plain

YES = {"true", "t", "yes", "y", "on", "1"}
NO = {"false", "f", "no", "n", "off", "0"}
NONE = {"none", "null"}


def as_kind(value: Any, kind: Any) -> Any:
    """A YAML value as the setting's type has it: lists are tuples, paths are text, and 1e-5 is text to YAML.

    `~/` is expanded. A mapping where texts are wanted has one text for each key (`column: {prompt: question}`).

    >>> as_kind("1e-5", float), as_kind(["a", "b"], tuple[str, ...]), as_kind(None, Path | None)
    (1e-05, ('a', 'b'), None)
    >>> as_kind({"prompt": "question"}, tuple[str, ...])
    ('prompt=question',)
    """
    inner = plain(kind)
    if get_origin(inner) is tuple:
        return _tuple(value, get_args(inner)[0])
    if value is None:
        return None
    if inner is Path and isinstance(value, str):
        return Path(os.path.expanduser(value))
    if inner is str and isinstance(value, str) and value.startswith("~/"):  # a model, data: the shell expands no `=~/`
        return os.path.expanduser(value)
    if inner is float and isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


def of_text(text: str, kind: Any) -> Any:
    """The text behind a flag as the setting's type has it; a mapping is written as JSON.

    >>> of_text("False", bool), of_text("8", int | None), of_text("none", int | None), of_text("{}", dict[str, Any])
    (False, 8, None, {})
    """
    inner = plain(kind)
    if optional(kind) and text.lower() in NONE:
        return None
    if inner is bool and text.lower() in YES | NO:
        return text.lower() in YES
    if inner is int:
        with suppress(ValueError):
            return int(text)
    if get_origin(inner) is dict:
        with suppress(ValueError):
            return json.loads(text)
    return as_kind(text, kind)


def _tuple(value: Any, item: Any) -> tuple[Any, ...]:
    """A list's items, or the parts of a text between commas, unless there is a file of that name."""
    if value is None:
        return ()
    if isinstance(value, dict) and plain(item) is str:
        value = [f"{key}={each}" for key, each in value.items()]
    if isinstance(value, str) and plain(item) is not Path and not os.path.exists(value):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return tuple(as_kind(each, item) for each in (value if isinstance(value, list | tuple) else [value]))
