"""What the scripts share: the embedded model, a model with a chat template, the command, and one run of it."""

import copy
import json

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from grao_ref import finetune
from grao_ref.__main__ import main
from grao_ref.policies.embedded import tiny_model, tiny_tokenizer
from tests.cases import byte_tokenizer, save_model
from tests.coming_from_trl.ten import DPO, SMALL, ten
from tests.language import save_rows

PICTURE = "grao_ref.runs.train_command.draw"  # takes seconds, and no script looks at it


@pytest.fixture(autouse=True)
def as_a_user(without_shape_checks):
    """The package's own errors are what a user sees."""


@pytest.fixture(scope="session")
def embedded():
    return tiny_model()


@pytest.fixture
def model(embedded):
    """The embedded model of 280,000 parameters, the test's own."""
    return copy.deepcopy(embedded)


@pytest.fixture(scope="session")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def chat_folder(tmp_path_factory):
    """A random model of two layers, 32 wide, with a chat template: a turn ends in <stop> and a line break."""
    return save_model(tmp_path_factory.mktemp("chat"), byte_tokenizer())


@pytest.fixture
def chat(chat_folder):
    return AutoModelForCausalLM.from_pretrained(chat_folder), AutoTokenizer.from_pretrained(chat_folder)


@pytest.fixture(scope="session")
def file(tmp_path_factory):
    """The ten rows in a file, with every column of TRL's that this package has."""
    rows = [row | {"completion": row["solution"]} for row in ten("prompt", "solution", "level")]
    return save_rows(tmp_path_factory.mktemp("rows") / "ten.jsonl", rows)


def flags(settings: dict) -> list[str]:
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


@pytest.fixture
def grao(capsys, monkeypatch):
    """The command in this process: its words -> exit code, what it printed, its errors."""
    monkeypatch.setattr(PICTURE, lambda *_: None)

    def command(*words, **settings):
        try:
            code = main([*map(str, words), *flags(settings)])
        except SystemExit as exit_:
            code = exit_.code
        return code, *capsys.readouterr()

    return command


@pytest.fixture(scope="session")
def a_run(tmp_path_factory, file):
    """A run of the command: two steps on the ten rows, with a checkpoint of each."""
    folder = tmp_path_factory.mktemp("runs") / "1"
    words = ["--dataset-name", file, "--reward-funcs", "exact", "--save-steps", "1", "--test-size", "0.3"]
    words += ["--output-dir", str(folder)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(PICTURE, lambda *_: None)
        assert main(["train", *words, *flags(SMALL | {"max_steps": 2, "eval_steps": 1})]) == 0
    return folder


@pytest.fixture
def metrics_of():
    def rows(folder):
        return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]

    return rows


@pytest.fixture(scope="session")
def paired(embedded, tokenizer):
    """(the model before the second step and after it, the reports, their means), with two held-out pairs."""
    model = copy.deepcopy(embedded)
    rows = ten("prompt", "chosen", "rejected")
    run = finetune(model, tokenizer, rows[:8], eval_rows=rows[8:], **DPO)
    first, middle, second = next(run), copy.deepcopy(model), next(run)
    return (middle, model), (first, second), [first.means(), second.means()]
