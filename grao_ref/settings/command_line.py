"""A command line, read by the types of the settings, as TRL's users type it.

--learning-rate 1e-5   --learning_rate=1e-5   dashes and underscores are the same
--bf16   --bf16 true   --bf16 false   --no-bf16
--reward-funcs exact my.module.reward   --reward-funcs exact,my.module.reward   or the flag once for each
--chat-template-kwargs '{"enable_thinking": false}'

argparse can't look whether the word behind a flag of yes or no is its value, and stops at the first bad name.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_origin

from grao_ref.settings.kinds import plain
from grao_ref.settings.values import NO, NONE, YES, of_text

FLAG = re.compile(r"--?[A-Za-z]")  # a negative number is a value
HELP = {"-h", "--help"}


@dataclass
class Typed:
    """What was typed."""

    values: dict[str, Any] = field(default_factory=dict)  # setting -> value
    unknown: dict[str, str] = field(default_factory=dict)  # flag that is no setting -> the text behind it
    loose: list[str] = field(default_factory=list)  # words that belong to no flag
    help: bool = False


def read(arguments: Sequence[str], kinds: Mapping[str, Any]) -> Typed:
    """Every flag with its value. Raises `ValueError` on a flag without the value that it needs."""
    typed, words = Typed(), list(arguments)
    while words:
        word = words.pop(0)
        if word in HELP:
            typed.help = True
            continue
        if not FLAG.match(word):
            typed.loose.append(word)
            continue
        flag, equals, text = word.partition("=")
        name = flag.lstrip("-").replace("-", "_")
        if name in kinds and flag.startswith("--"):
            given = [text] if equals else _behind(flag, plain(kinds[name]), words)
            _put(typed.values, name, given, kinds[name])
        elif name.startswith("no_") and plain(kinds.get(name[3:])) is bool and not equals:
            typed.values[name[3:]] = False
        else:
            typed.unknown[flag] = text if equals else " ".join(_until_flag(words)) or "true"
    return typed


def _behind(flag: str, kind: Any, words: list[str]) -> list[str]:
    """Takes the words that are the flag's value from the front of the line."""
    if kind is bool:
        return [words.pop(0)] if words and words[0].lower() in YES | NO | NONE else ["true"]
    if get_origin(kind) is tuple:
        return _until_flag(words)
    if not words or FLAG.match(words[0]):
        raise ValueError(f"{flag} needs a value behind it")
    return [words.pop(0)]


def _until_flag(words: list[str]) -> list[str]:
    taken = []
    while words and not FLAG.match(words[0]):
        taken.append(words.pop(0))
    return taken


def _put(values: dict[str, Any], name: str, given: list[str], kind: Any) -> None:
    """A list grows where its flag is given again; of any other setting, the last value counts."""
    if get_origin(plain(kind)) is tuple:
        values[name] = values.get(name, ()) + tuple(item for text in given for item in of_text(text, kind))
    else:
        values[name] = of_text(given[0], kind)
