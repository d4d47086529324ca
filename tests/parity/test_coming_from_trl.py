"""The page *Coming from TRL* has an answer for every trainer of TRL's and for each of their arguments."""

import inspect
import re
from pathlib import Path

import pytest

trl = pytest.importorskip("trl")
PAGE = (Path(__file__).parents[2] / "tutorials" / "pages" / "coming_from_trl.md").read_text()
TABLES = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
WORDS = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", TABLES))))
TRAINERS = [name for name in dir(trl) if name.endswith("Trainer")]
OURS = ("SFTTrainer", "DPOTrainer", "GRPOTrainer")  # those that have a counterpart here


def test_every_trainer_is_on_the_page():
    assert len(TRAINERS) >= 6
    assert set(TRAINERS) <= WORDS
    assert "NoSuchTrainer" not in WORDS


@pytest.mark.parametrize("name", OURS)
def test_every_argument_of_a_trainer_that_we_have_is_on_the_page(name):
    arguments = set(inspect.signature(getattr(trl, name).__init__).parameters) - {"self", "args"}
    assert "processing_class" in arguments
    assert arguments <= WORDS
