"""The reference: every public name stands on its package's page, as the source and its docstring have it."""

import ast
import subprocess
import sys
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import grao_ref
from grao_ref.settings.config import Config
from tests.tutorials.pages import CHROMIUM, WIDTHS, browser, problems
from tests.tutorials.test_build import outside
from tutorials.api import Field, modules
from tutorials.api_pages import PACKAGE, Writer, write_reference
from tutorials.finish import finish

ROOT = PACKAGE.parent
PLANTED = '''
"""A module with `Kind` in it.

name_of_it    what it is *called*
more          and what <not>
"""

from collections.abc import Sequence
from dataclasses import dataclass

from planted.other import helper as renamed

LIMIT = 3  # of everything
_HIDDEN = 4
Name = str | None


@dataclass(frozen=True)
class Kind:
    """A kind. count: how many
        there are.
    """

    # The first group
    count: int = 0
    """How many."""
    beside: str = "a"  # what stands beside
    # what stands above,
    # on two lines
    above: float | None = None
    _private: int = 1

    def public(self) -> "Kind":
        """Another kind."""

    def _own(self):
        """Nothing."""


def function(x: "Float[Tensor, 'N']", /, kind: Kind, *names: str, pool: str = "outputs", **rest: Sequence[int]) -> Kind:
    """y_i = a_i · b_i, for 0 < i <= 2 and <b>x_2</b>; it calls `renamed` and `helper`, and reads `kind`.

    - `x`: a number.
    kind: what it is,
        on two lines.
    pool: another.
    Returns a `Kind`.
    Raises `ValueError` on none.

    >>> 1 + 1  # doctest: +SKIP
    2

    After the example.
    """
    return renamed(kind)


def _private():
    """Nothing."""


async def waits(*, a: int) -> None:
    """It waits."""
'''


@pytest.fixture(scope="session")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    (folder / "index.html").write_text("<title>The site</title>")  # and not of ours: it stays as it is
    names = write_reference(folder, "footer")
    finish(folder, [], [])
    return {name: folder / name for name in names}


@pytest.fixture(scope="session")
def soups(reference):
    return {name: BeautifulSoup(path.read_text(), "html.parser") for name, path in reference.items()}


@pytest.fixture
def planted(tmp_path):
    """The pages of a package of two modules: its page, as HTML."""
    (tmp_path / "planted").mkdir()
    for name, text in {
        "__init__.py": '"""Planted."""\n',
        "module.py": PLANTED,
        "other.py": '"""Other."""\n\n\ndef helper():\n    """Help."""\n',
    }.items():
        (tmp_path / "planted" / name).write_text(text)
    read = modules(tmp_path / "planted")
    return read, BeautifulSoup(Writer(read).page(""), "html.parser")


def public_names() -> set[str]:
    """What Python's own parser finds: functions and classes without an underscore, in every module."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.stem.startswith("_"):
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name[0] != "_":
                found.add(f"{module}.{node.name}")
    return found


def ids(soup) -> list[str]:
    return [tag["id"] for tag in soup.find_all(id=True)]


def test_every_public_name_of_the_package_has_one_entry_and_no_private_one_has(soups):
    for soup in soups.values():
        assert len(ids(soup)) == len(set(ids(soup)))
    found = [each["id"] for soup in soups.values() for each in soup.select("section.entry")]
    assert len(found) == len(set(found))
    entries = {each["id"] for soup in soups.values() for each in soup.select("section.entry")}
    assert entries == public_names()
    assert "grao_ref.equations.grao.grao_objective" in entries
    assert not [each for each in found if any(part.startswith("_") for part in each.split("."))]


def test_every_link_leads_to_a_page_and_to_a_place_on_it(reference, soups):
    places = {name: set(ids(soup)) for name, soup in soups.items()} | {"index.html": set()}
    links = [(name, link["href"]) for name, soup in soups.items() for link in soup.find_all("a")]
    parts = [(name, *link.partition("#")[::2]) for name, link in links]
    pages = [(page or name, place) for name, page, place in parts]
    assert [link for link, (page, _) in zip(links, pages, strict=True) if page not in places] == []
    assert [link for link, (page, place) in zip(links, pages, strict=True) if place and place not in places[page]] == []
    assert sum(bool(place) for _, place in pages) > 500  # control: it has links to places


def test_the_index_names_everything_that_can_be_called(soups):
    listed = {link["href"].partition("#")[2] for link in soups["api.html"].select(".names a")}
    assert public_names() <= listed
    first = soups["api.html"].select(".names li")[0]
    assert {link.text for link in first.find_all("a")} == set(grao_ref.__all__)


def test_nothing_is_loaded_from_elsewhere(soups):
    assert {name: outside(soup) for name, soup in soups.items() if outside(soup)} == {}
    own = {name: [each for each in soup.find_all("script") if not each.get("src")] for name, soup in soups.items()}
    assert {len(each) for each in own.values()} == {1}  # the shell's, which sets the theme


def test_a_signature_has_the_source_s_shapes_and_its_types_are_links(soups):
    page = soups["api_equations.html"]
    entry = page.find(id="grao_ref.equations.advantage.group_advantages")
    assert 'rewards: Float[Tensor, "*batch G"],\n' in entry.pre.text
    assert 'pool: str = "with_reference",\n' in entry.pre.text
    called = soups["api_methods.html"].find(id="grao_ref.methods.grao.objective")
    links = {link.text: link["href"] for link in called.pre.find_all("a")}
    assert links["LogProbs"] == "api_grao_ref.html#grao_ref.records.LogProbs"
    assert links["Config"] == "api_settings.html#grao_ref.settings.config.Config"


def test_a_docstring_s_parts_are_paragraphs_its_table_a_table_and_its_example_code(soups):
    page = soups["api_equations.html"]
    entry = page.find(id="grao_ref.equations.grao.grao_objective")
    begins = [paragraph.text.split()[0] for paragraph in entry.find_all("p")]
    assert begins == ["J", "eq-3,", "Returns", "Raises", "Departures:"]
    assert "J = 1/G Σ_i [ Â_oi·J_exploration(o_i) + β Â_y·J_imitation(y)" in entry.p.text
    assert entry.find_all("pre")[1].text.startswith(">>> terms = grao_objective(")
    assert page.find(id="grao_ref.equations.grao").find_next("table").th.text == "argument"
    assert "A_o, A_y = advantages.detach()" in entry.details.pre.text


def test_formulas_lose_no_sign(soups):
    """An underscore or a star of a formula is no emphasis; a *word* between stars is."""
    shown = [soup.find_all(["em", "strong", "img", "blockquote", "hr"]) for soup in soups.values()]
    assert [
        str(tag) for tags in shown for tag in tags if tag.name != "em" or not tag.text.replace(" ", "").isalpha()
    ] == []


def test_a_setting_has_its_sentence_and_its_group(soups):
    entry = soups["api_settings.html"].find(id="grao_ref.settings.config.Config")
    (head,) = [each for each in entry.find_all("dt") if each.text.startswith("imitation_coef:")]
    assert head.text == "imitation_coef: NonNegative = 0.5"
    assert "β of eq-3" in head.find_next("dd").text
    assert "grao_ref.settings.kinds.NonNegative" in head.a["href"]
    assert head.find_previous("dt", class_=None).text == "The method"
    shown = [each.text.partition(":")[0] for each in entry.find_all("dt", class_="highlight")]
    assert shown == [field.name for field in fields(Config)], "inherited ones too, in the order of the dataclass"


def test_fields_take_the_text_below_or_the_comment_beside_or_above(planted):
    (module,) = [each for each in planted[0] if each.name == "planted.module"]
    (kind,) = [each for each in module.entries if each.name == "Kind"]
    assert kind.fields == (
        Field("count: int = 0", "How many.", "The first group"),
        Field('beside: str = "a"', "what stands beside"),
        Field("above: float | None = None", "what stands above, on two lines"),
    )
    assert [method.name for method in kind.methods] == ["public"]


def test_a_planted_page_has_signatures_lists_examples_and_links(planted):
    page = planted[1]
    entry = page.find(id="planted.module.function")
    assert entry.pre.text.splitlines() == [
        "def function(",
        "    x: \"Float[Tensor, 'N']\",",
        "    /,",
        "    kind: Kind,",
        "    *names: str,",
        '    pool: str = "outputs",',
        "    **rest: Sequence[int],",
        ") -> Kind",
    ]
    assert page.find(id="planted.module.waits").pre.text == "async def waits(*, a: int) -> None"
    items = [" ".join(item.text.split()) for item in entry.find_all("li")]
    assert items == ["x: a number.", "kind: what it is, on two lines.", "pool: another."]
    assert "<b>x_2</b>" in entry.p.text, "words are no markup"
    assert [p.text.split()[0] for p in entry.find_all("p")[-3:]] == ["Returns", "Raises", "After"]
    links = {link.text: link["href"].partition("#")[2] for link in entry.find_all("a")}
    assert links == {"Kind": "planted.module.Kind", "renamed": "planted.other.helper"}, "an argument's name is none"
    assert "LIMIT = 3  # of everything\nName = str | None" in [box.text for box in page.find_all("pre")]
    assert "_HIDDEN" not in page.text
    (columns,) = [box.text for box in page.select("pre.highlight") if "name_of_it" in box.text]
    assert columns == "name_of_it    what it is *called*\nmore          and what <not>\n"
    assert "_private" not in page.text


def test_a_package_that_no_group_names_is_an_error(tmp_path):
    (tmp_path / "grao_ref" / "another").mkdir(parents=True)
    (tmp_path / "grao_ref" / "another" / "module.py").write_text('"""Planted."""\n')
    with pytest.raises(ValueError, match=r"GROUPS must name every package once: .*another"):
        write_reference(tmp_path, "footer", tmp_path / "grao_ref")


def test_the_package_is_read_without_being_imported(tmp_path):
    """It takes two seconds instead of twelve, and needs none of the optional parts."""
    code = (
        "import sys; from pathlib import Path; from tutorials.api_pages import write_reference; "
        f"write_reference(Path({str(tmp_path)!r}), ''); assert not {{'torch', 'grao_ref'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert len(list(tmp_path.glob("api*.html"))) >= 14


@pytest.mark.browser
@pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed")
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_no_page_of_the_reference_has_a_problem_in_a_browser(reference):
    """The controls are those of `test_browser.py`."""
    with browser() as started:
        found = {
            (name, width): each
            for name, path in reference.items()
            for width in WIDTHS
            if (each := problems(started, Path(path), width))
        }
    assert found == {}
