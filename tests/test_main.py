"""The console command `grao`."""

import subprocess
import sys

import pytest

import grao_ref
import grao_ref.__main__ as console
from grao_ref.__main__ import COMMANDS, main


def test_it_has_the_three_commands_and_each_has_a_main():
    assert list(COMMANDS) == ["train", "evaluate", "reward-head"]
    for module, _ in COMMANDS.values():
        assert callable(getattr(__import__(module, fromlist=["main"]), "main"))  # noqa: B009 read by its name


def test_a_command_gets_the_other_words_and_its_exit_code_is_grao_s(monkeypatch):
    given = []

    class Command:
        @staticmethod
        def main(words):
            given.append(words)
            return 130

    monkeypatch.setattr(console, "import_module", lambda module: given.append(module) or Command)
    assert main(["reward-head", "--seed", "3", "train"]) == 130
    assert main(["reward_head"]) == 130
    assert given == ["grao_ref.reward_head", ["--seed", "3", "train"], "grao_ref.reward_head", []]


def test_a_bad_flag_of_a_command_exits_as_the_command_does(capsys):
    """The control: a good one."""
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--preset", "tyni"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.startswith("error: unknown preset 'tyni'; ")
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    assert not stopped.value.code
    assert "--imitation-coef" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "error: there is no command 'trian'; did you mean train?\n"),
        (["--seed", "1"], "error: there is no command '--seed'; there are train, evaluate, reward-head\n"),
    ],
)
def test_another_command_is_one_line_that_names_those_there_are(words, said, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err == said


def test_help_names_every_command_and_no_word_at_all_is_an_error(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in COMMANDS)
    assert max(map(len, said.splitlines())) <= 80
    assert main([]) == 2
    assert capsys.readouterr().err == said
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"grao_ref {grao_ref.__version__}\n"


def test_help_imports_neither_torch_nor_transformers():
    """Which takes longer than everything else that it does; a command's own main does import them."""
    code = "import sys; from grao_ref.__main__ import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "numpy"} & set(done.stdout.split())
