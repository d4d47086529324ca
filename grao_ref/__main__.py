"""The console command: `grao train`, `grao evaluate`, `grao reward-head`; without an installation `python -m grao_ref`.

Each is one of the commands beside this file, with all of its flags. Nothing but the chosen one is imported, so that
`grao --help` needs no torch.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import grao_ref
from grao_ref.plugins.blame import leave
from grao_ref.plugins.near import hint

COMMANDS = {  # name -> the module of the command, and what it does
    "train": ("grao_ref.train", "train a policy, and show the results"),
    "evaluate": ("grao_ref.evaluate", "compare trained models with their base on held-out prompts"),
    "reward-head": ("grao_ref.reward_head", "train a reward from preference pairs"),
}
METHODS = ("sft", "dpo", "ppo", "grpo", "grao")  # which are no commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first word names on the other words; its exit code. 2: there is no such command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words[0].replace("_", "-") if words else ""
    if name in COMMANDS:
        code: int = import_module(COMMANDS[name][0]).main(words[1:])
        return code
    if name == "--version":
        print(f"grao_ref {grao_ref.__version__}")
        return 0
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if not words:
        print(usage(), file=sys.stderr)
        return 2
    if name in METHODS:  # as in TRL
        print(f"error: there is no command {words[0]!r}; it is `grao train --method {name}`", file=sys.stderr)
        return 2
    instead = hint(name, COMMANDS, f"there are {', '.join(COMMANDS)}")
    print(f"error: there is no command {words[0]!r}; {instead}", file=sys.stderr)
    return 2


def usage() -> str:
    """The commands, a line each."""
    lines = [f"  {name:13}{what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: grao COMMAND [flags]",
            "",
            "Align a language model with GRAO (arXiv:2508.07750) or one of its baselines.",
            "",
            *lines,
            "",
            "grao COMMAND --help lists a command's flags; grao --version prints the version.",
        ]
    )


def command() -> NoReturn:
    """What `grao` is."""
    leave(main())


if __name__ == "__main__":
    command()
