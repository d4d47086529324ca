"""What the pages for users promise: short scripts, flags that exist, and every word of the tables."""

import re
from dataclasses import fields
from importlib.util import find_spec

import pytest

from grao_ref.settings import trl_words
from grao_ref.settings.config import Config
from tutorials.sources import BLOCK, HERE

FROM_TRL = (HERE / "pages" / "coming_from_trl.md").read_text()
NOTEBOOK = (HERE / "pages" / "in_a_notebook.md").read_text()
BUILT = HERE / "_build" / "coming_from_trl.html"
SETTINGS = {field.name for field in fields(Config)}


def scripts(page: str) -> list[list[str]]:
    """The lines of every block that is run and seen, without empty ones."""
    return [[line for line in code.splitlines() if line.strip()] for folded, code in BLOCK.findall(page) if not folded]


@pytest.mark.parametrize("page", [FROM_TRL, NOTEBOOK], ids=["coming_from_trl", "in_a_notebook"])
def test_every_script_has_at_most_ten_lines_that_fit_a_screen(page):
    assert len(scripts(page)) >= 5
    assert max(map(len, scripts(page))) <= 10
    assert max(len(line) for script in scripts(page) for line in script) <= 100


def test_every_group_of_rows_has_a_script():
    groups = FROM_TRL.split("\n## ")[2:]  # the first says what is different
    assert {group.partition("\n")[0]: bool(scripts(group)) and "| TRL" in group for group in groups} == {
        "Trainers and their arguments": True,
        "Commands, flags and YAML files": True,
        "Data columns": True,
        "Reward functions": True,
        "Metrics": True,
    }


def test_a_notebook_needs_eight_lines():
    assert len(next(lines for lines in scripts(NOTEBOOK) if lines[1] == "from grao_ref import finetune")) == 8


@pytest.mark.parametrize("page", [FROM_TRL, NOTEBOOK], ids=["coming_from_trl", "in_a_notebook"])
def test_every_flag_that_a_page_gives_our_command_exists(page):
    flags = re.findall(r"`grao train [^`]*?(--[\w-]+)|`(--[a-z][\w-]+) \w+=", page)
    names = {flag.strip("-").replace("-", "_") for pair in flags for flag in pair if flag}
    assert names
    assert names - {"help", "config"} <= SETTINGS


def test_the_tables_are_made_from_the_command_s_own_words():
    """What a user reads on the page is what the command answers; nothing is written twice."""
    blocks = "".join(code for folded, code in BLOCK.findall(FROM_TRL) if folded)
    assert all(f"trl_words.{name}.items()" in blocks for name in ("ARGUMENTS", "INSTEAD", "NOT_HERE", "VALUES"))
    for names in (*trl_words.INSTEAD, *trl_words.NOT_HERE.values()):
        for name in names.split():
            assert f"`{name}`" not in FROM_TRL, f"{name} is written on the page too"


@pytest.mark.skipif(not BUILT.exists(), reason="no site is built: make tutorials")
@pytest.mark.skipif(find_spec("bs4") is None, reason="beautifulsoup4 is not installed")
def test_the_built_page_has_every_word_of_trl_s_with_its_answer():
    from bs4 import BeautifulSoup

    rows = [[cell.text for cell in row.find_all("td")] for row in BeautifulSoup(BUILT.read_text(), "html.parser")("tr")]
    for names, answer in (*trl_words.ARGUMENTS.items(), *trl_words.INSTEAD.items()):
        assert [", ".join(names.split()), answer.replace("`", "")] in rows
    for answer, names in trl_words.NOT_HERE.items():
        assert [answer.replace("`", ""), ", ".join(names.split())] in rows


def test_every_hop_of_the_life_of_a_step_is_where_the_page_says():
    page = (HERE / "pages" / "life_of_a_step.md").read_text()
    hops = re.findall(r"^\| \d+ \| `([\w/]+\.py)` `([\w.]+)` \|", page, re.MULTILINE)
    assert len(hops) >= 20
    missing = []
    for path, name in hops:
        text = (HERE.parent / "grao_ref" / path).read_text()
        if not all(re.search(rf"^\s*(class|def) {part}\b", text, re.MULTILINE) for part in name.split(".")):
            missing.append((path, name))
    assert missing == []
    assert "imitation_coef" in (HERE.parent / "grao_ref" / "settings" / "groups" / "method.py").read_text()
