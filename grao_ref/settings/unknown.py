"""Names that are no settings: one answer that lists all of them, each with what to write instead."""

import difflib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from grao_ref.settings import trl_words


class UnknownNamesError(ValueError):
    """Several names at once: as a text it is one line, and `lines` has a line for each."""

    def __init__(self, head: str, answers: Mapping[str, str]) -> None:
        self.lines = [f"{head}:", *(f"  {name}: {answer}" for name, answer in answers.items())]
        super().__init__("; ".join(f"{name}: {answer}" for name, answer in answers.items()))


def require_known(keys: Mapping[str, Any], flags: Mapping[str, Any], known: Iterable[str], source: str) -> None:
    """Refuse keys of a file and flags of the command line that are no settings; all of them in one `ValueError`.

    keys, flags: what is no setting, as it was written, with its value. known: the settings. source: where the keys are.
    A word of TRL's whose value says what is done here anyway is left out, and a note on standard error says so.
    """
    given = {str(name): value for name, value in (*keys.items(), *flags.items())}
    harmless = [name for name, value in given.items() if trl_words.changes_nothing(*_plainly(name, value))]
    if len(harmless) == len(given):
        if harmless:
            print(f"note: {', '.join(harmless)}: left out, since that is what is done here anyway", file=sys.stderr)
        return
    answers = {name: _answer(name, list(known)) for name in given}
    answers |= {name: f"{answers[name]} (with this value, leave it out)" for name in harmless}
    if len(answers) == 1:
        ((name, answer),) = answers.items()
        raise ValueError(f"{source} has the unknown key {name!r}; {answer}" if keys else f"no flag {name}; {answer}")
    place = f"{source} has" if not flags else f"{source} and the command line have" if keys else "the command line has"
    raise UnknownNamesError(f"{place} {len(answers)} names that are no settings here", answers)


def _answer(name: str, known: list[str]) -> str:
    """What TRL's table says, or the nearest name, written as the unknown one is."""
    plain, _ = _plainly(name, None)
    said = trl_words.answer(plain)
    if said is not None:
        return said
    near = difflib.get_close_matches(plain, known, 1)
    if near:
        return f"did you mean {'--' + near[0].replace('_', '-') if name.startswith('-') else near[0]}?"
    near = difflib.get_close_matches(plain, trl_words.ROWS, 1, cutoff=0.8)
    return f"TRL's {near[0]} is {trl_words.answer(near[0])}" if near else "no setting is like it (--help lists all)"


def _plainly(name: str, value: Any) -> tuple[str, Any]:
    """The name as a file has it, and its value: `--no-use-vllm` is use_vllm: false."""
    plain = str(name).lstrip("-").replace("-", "_")
    if plain.startswith("no_") and trl_words.answer(plain) is None:
        return plain.removeprefix("no_"), "false"
    return plain, value
