"""What a page gets once all are written: contents, links, terms, the menu, the index; and a notebook's start."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.tutorials.tiny import ROOT, build
from tutorials.contents import contents, with_places
from tutorials.finish import repository
from tutorials.glossary import Term, read_terms, with_terms
from tutorials.lines import with_lines
from tutorials.links import Linker, package_names, with_files
from tutorials.notebooks import colab, find_repository
from tutorials.search import parts
from tutorials.sources import HERE, pages, tutorials

LINKER = Linker(
    {"thm-1": "ledger_thm-1.html", "thm-10": "ledger_thm-10.html", "A2": "ledger_A2.html"},
    {"group_advantages": "api_equations.html#a"},
    {"4": "04_a.html"},
)


def made(markup):
    return BeautifulSoup(markup, "html.parser")


def links(body, own=""):
    return [(link.text, link["href"]) for link in made(LINKER.links(body, own)).find_all("a")]


def test_every_heading_has_a_place_of_its_own_and_the_contents_lead_there():
    body, headings = with_places("<h1>T</h1><h2>A, b</h2><h3>C</h3><h2>A b</h2><h2 id='x.y'>D</h2>".replace("'", '"'))
    page = made(contents(headings) + body)
    assert [each["id"] for each in page.select("h2, h3")] == ["a-b", "c", "a-b-1", "x.y"]
    assert [link["href"] for link in page.select("nav a")] == ["#a-b", "#c", "#a-b-1", "#x.y"]
    assert [link["href"] for link in page.select("a.here")] == ["#a-b", "#c", "#a-b-1", "#x.y"]
    assert contents(with_places("<h2>Alone</h2>")[1]) == ""


def test_labels_tutorials_and_names_become_links_and_nothing_else_does():
    assert links("<p>(thm-1), Thm-10's, A2, tutorial 4 and <code>group_advantages(r)</code></p>") == [
        ("thm-1", "ledger_thm-1.html"),
        ("Thm-10", "ledger_thm-10.html"),
        ("A2", "ledger_A2.html"),
        ("tutorial 4", "04_a.html"),
        ("group_advantages(r)", "api_equations.html#a"),
    ]
    for body in (
        "<p>thm-100, thm-1x, my-thm-1, thm-2, tutorial 5, BA2, group_advantages</p>",
        "<pre>thm-1</pre><h2>thm-1</h2><math>A2</math><p><code>x thm-1</code></p>",
        "<table><tr><td>A2</td></tr></table>",
    ):
        assert links(body) == [], body
    assert links("<p>thm-1 and thm-10</p>", "ledger_thm-1.html") == [("thm-10", "ledger_thm-10.html")]
    assert len(links('<p><a href="x">thm-1</a></p>')) == 1


def test_a_file_of_the_repository_leads_to_the_ledger_or_the_web_or_nowhere():
    body = '<a href="../../theory/REPORT.md#thm-1">a</a> <a href="../../LICENSE">b</a>'
    labels = {"thm-1": "ledger_thm-1.html"}
    assert with_files(body, labels, True, None) == '<a href="ledger_thm-1.html">a</a> b'
    assert with_files(body, {}, False, None) == "a b"
    assert 'href="https://github.com/o/r/blob/main/LICENSE"' in with_files(body, labels, True, "https://github.com/o/r")


def test_a_plain_word_is_no_name_of_the_package(tmp_path):
    text = '<section class="entry" id="grao_ref.a.run_it"><section class="entry" id="grao_ref.a.run">'
    (tmp_path / "api_a.html").write_text(text)
    names = package_names(tmp_path)
    assert names["run_it"] == names["a.run_it"] == "api_a.html#grao_ref.a.run_it"
    assert "run" not in names
    assert "a.run" in names


def test_a_term_is_marked_once_where_it_first_stands_in_the_text():
    term = Term("group", ("group",), ("group chat",), "A <i>few</i>.", ("01_a.html", "A"))
    body = with_terms("<h2>Group</h2><p>A group chat, <code>group</code>, Groups, a group.</p><p>group</p>", [term])
    (button,) = made(body).find_all("button")
    assert button.text == "Groups"
    box = made(body).find(id=button["popovertarget"])
    assert "A few. Explained in A." in " ".join(box.text.split())
    assert [link["href"] for link in box.find_all("a")] == ["01_a.html", "glossary.html#group"]


def test_the_glossary_has_the_words_of_the_site_and_each_leads_to_a_page_that_has_it():
    sources = {each.name: each for each in tutorials() + pages()}
    terms = {term.name: term for term in read_terms(HERE / "glossary.toml", {name: name for name in sources})}
    assert {"policy", "group", "reward", "reference", "advantage", "pool", "dead group", "KL", "baseline"} <= set(terms)
    assert {"exploration", "imitation", "alignment", "likelihood weight", "lock-in", "held out"} <= set(terms)
    assert [name for name, term in terms.items() if term.where is None] == []
    for term in terms.values():
        assert term.meaning.rstrip("</math>").endswith(".") or term.meaning.endswith("."), term.name


def test_a_field_that_the_glossary_does_not_know_is_an_error(tmp_path):
    (tmp_path / "glossary.toml").write_text('["group"]\nmeaning = "A few."\nsee = "x"\n')
    with pytest.raises(ValueError, match="'group' needs a meaning"):
        read_terms(tmp_path / "glossary.toml", {})


def test_a_long_line_wraps_by_itself_and_no_letter_changes():
    code = '<pre><span class="k">if</span> ' + "a " * 30 + "\n    short\n    " + "b " * 30 + "\n</pre>"
    page = made(with_lines(code))
    assert page.text == made(code).text
    assert [line["style"] for line in page.select(".l")] == ["--i:0", "--i:4"]


def test_the_menu_is_on_every_page_and_marks_it(tiny_site):
    for path in tiny_site.glob("*.html"):
        menu = made(path.read_text()).find("nav", class_="menu")
        assert {"01_tiny.html", "02_second.html", "recipe.html"} <= {link["href"] for link in menu.find_all("a")}
        here = [link["href"] for link in menu.find_all("a", attrs={"aria-current": "page"})]
        assert here == ([] if path.name == "index.html" else [path.name])


def test_the_index_of_the_search_has_every_part_of_every_page(tiny_site):
    text = (tiny_site / "search-index.js").read_text()
    index = json.loads(text.removeprefix("window.SITE_INDEX = ").removesuffix(";\n"))
    assert [page[0] for page in index[:4]] == ["01_tiny.html", "02_second.html", "another.html", "recipe.html"]
    assert [(place, heading) for place, heading, _ in index[0][2]] == [
        ("", "A tiny page"),
        ("the-square-a2", "The square"),
    ]
    assert "a price of $5 or $10" in index[0][2][1][2]
    assert [part.place for part in parts('<main class="api"><section class="entry" id="a.b">x</section></main>')] == [
        "a.b"
    ]


def test_a_page_that_is_built_again_is_treated_once(tmp_path):
    script = "# %% [markdown]\n# # One\n#\n# A summary of it.\n#\n# ## A\n#\n# ## B\n"
    for only in ((), ("--only", "2"), ()):
        done = build(tmp_path, {"01_one.py": script, "02_two.py": script}, *only)
        assert done.returncode == 0, done.stderr
    page = made((tmp_path / "site" / "01_one.html").read_text())
    assert [len(page.select(each)) for each in ("nav.contents", "nav.menu", "main", "h2", "a.here")] == [1, 1, 1, 2, 2]


def test_a_downloaded_notebook_runs_in_any_folder_and_without_its_first_cell_does_not(tiny_site, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    notebook = nbformat.read(tiny_site / "notebooks" / "01_tiny.ipynb", as_version=4)
    assert "find_repository(" in notebook.cells[0].source
    (tmp_path / "grao_ref").symlink_to(ROOT)  # as a clone beside the notebook would be
    run = {"timeout": 60, "resources": {"metadata": {"path": str(tmp_path)}}}
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    NotebookClient(notebook, **run).execute(env=environment)
    del notebook.cells[0]
    with pytest.raises(CellExecutionError, match="tutorials"):
        NotebookClient(notebook, **run).execute(env=environment)


def test_a_project_that_is_nowhere_is_fetched_or_its_absence_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    asked = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: asked.append(command))
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(FileNotFoundError, match="grao_ref is not here"):
        find_repository(None)
    assert asked == []
    assert find_repository("https://github.com/o/r") == tmp_path / "grao_ref"
    assert [command[0] for command in asked] == ["git", sys.executable]


def test_a_link_to_colab_stands_where_the_project_has_an_address(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nurls = {Repository = "https://github.com/o/r/"}\n')
    address = repository(tmp_path / "pyproject.toml")
    assert "https://colab.research.google.com/github/o/r/blob/gh-pages/notebooks/01_a.ipynb" in colab("01_a", address)
    assert colab("01_a", "https://example.org/r") == ""


@pytest.mark.parametrize("path", sorted(HERE.glob("[0-9][0-9]_*.py")), ids=lambda path: path.stem)
def test_a_notebook_reads_no_file_by_a_path_from_where_it_runs(path):
    assert not [
        line for line in path.read_text().splitlines() if 'Path("tutorials' in line or 'open("tutorials' in line
    ]
