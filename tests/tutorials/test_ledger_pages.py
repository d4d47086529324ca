"""The ledger's pages: each claim has one and is in the index, with the committed ledger's verdict and answer."""

import json
import re
import shutil
from dataclasses import fields
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from grao_ref.settings.config import Config
from tests.tutorials.pages import CHROMIUM, WIDTHS, browser, opened, problems
from tests.tutorials.test_build import outside
from theory.checks import FAILS, HOLDS, VERDICTS
from theory.topics import TOPICS
from tutorials import ledger_links
from tutorials.__main__ import main
from tutorials.ledger_index import FIGURES, SEVEN, SHAPES, Index, badge, slug
from tutorials.ledger_links import ROOT, checked_by, line_of
from tutorials.ledger_pages import HOME, LEDGER, Pages
from tutorials.ledger_pictures import first_panel
from tutorials.ledger_text import page_of
from tutorials.sources import pages, tutorials

ROWS = {row["id"]: row for row in json.loads(LEDGER.read_text())}
in_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The ledger's pages beside stand-ins for those that they lead to."""
    folder = tmp_path_factory.mktemp("ledger")
    sources = tutorials() + pages()
    for name in ("index", *(each.name for each in sources)):
        (folder / f"{name}.html").write_text(f"<title>{name}</title>")
    assert main(["--only", "ledger", "--output-dir", str(folder)]) == 0
    return folder


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(), "html.parser")


@pytest.fixture(scope="module")
def soups(site):
    return {path.stem: soup(path) for path in site.glob("ledger*.html")}


def shown(place) -> tuple[str, str]:
    """The verdict that a badge shows, by its words and by its class."""
    (found,) = place.select(".badge")
    (name,) = set(found["class"]) - {"badge"}
    assert found.svg, "a shape, too: colour is not all"
    return found.text, name


def wrong(index, page_soups) -> list[str]:
    """Where the index or a page isn't what the committed ledger says."""
    found = []
    cards = index.select(".of-topic .card")
    if sorted(card["data-id"] for card in cards) != sorted(ROWS):
        found.append("the index lists other rows")
    for card in (*cards, *index.select(".seven .card")):
        row = ROWS[card["data-id"]]
        expected = (row["verdict"], slug(row["verdict"]))
        if shown(card) != expected or card["data-verdict"] != expected[1]:
            found.append(f"index, {row['id']}: its verdict")
        if card.select_one(".answer").text != row["answer"]:
            found.append(f"index, {row['id']}: its answer")
        if card.select_one(".claim a")["href"] != page_of(row["id"]):
            found.append(f"index, {row['id']}: its link")
    for id, row in ROWS.items():
        page = page_soups.get(f"ledger_{id}")
        if page is None:
            found.append(f"{id}: no page")
        elif shown(page.select_one(".verdict")) != (row["verdict"], slug(row["verdict"])):
            found.append(f"{id}: its verdict")
        elif page.select_one(".short").text != row["answer"]:
            found.append(f"{id}: its answer")
    return found


def dangling(folder: Path, page_soups) -> list[str]:
    """Links of the site's pages that lead to no file, or to no place in one of them."""
    found = []
    for name, page in page_soups.items():
        for link in page.find_all("a", href=True):
            file, _, place = link["href"].partition("#")
            if file.startswith("https://"):
                continue
            if not (folder / (file or f"{name}.html")).is_file():
                found.append(f"{name}: {link['href']}")
            elif place.startswith("topic="):
                if place.removeprefix("topic=") not in map(slug, TOPICS):
                    found.append(f"{name}: {link['href']}")
            elif place and file.startswith("ledger") and not page_soups[file[:-5]].find(id=place):
                found.append(f"{name}: {link['href']}")
    return found


def test_every_claim_has_a_page_and_is_in_the_index_as_the_ledger_has_it(soups):
    assert len(ROWS) > 70
    assert len(soups) == len(ROWS) + 1
    assert wrong(soups["ledger"], soups) == []


def test_the_site_s_index_leads_to_the_ledger(site):
    assert soup(site / "index.html").main.find("a", href=HOME).text == "The paper's claims"


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        (("holds under conditions</span>", "fails</span>"), "index, claim-12: its verdict"),
        (('data-verdict="holds-under-conditions"', 'data-verdict="holds"'), "index, claim-12: its verdict"),
        (("It can, where", "Always, where"), "index, claim-12: its answer"),
        (("ledger_claim-12.html", "ledger_claim-11.html"), "index, claim-12: its link"),
        (('data-id="claim-12"', 'data-id="thm-3"'), "the index lists other rows"),
    ],
)
def test_a_planted_error_in_the_index_is_noticed(site, soups, planted, found):
    text = (site / HOME).read_text()
    at = text.rindex('data-id="claim-12"') - len('<li class="card" ')
    changed = text[:at] + text[at:].replace(*planted)  # here and in rows below
    assert changed != text
    assert found in wrong(BeautifulSoup(changed, "html.parser"), soups)


def test_a_planted_error_on_a_page_is_noticed(site, soups):
    text = (site / "ledger_claim-4.html").read_text()
    for before, after in (
        ("fails</span>", "holds</span>"),
        ("badge fails", "badge holds"),
        ("No: at the", "Yes: at the"),
    ):
        page = BeautifulSoup(text.replace(before, after, 1), "html.parser")
        assert wrong(soups["ledger"], soups | {"ledger_claim-4": page})[0].startswith("claim-4: its")
    without = {name: page for name, page in soups.items() if name != "ledger_A2"}
    assert wrong(soups["ledger"], without) == ["A2: no page"]


def test_every_link_leads_somewhere(site, soups):
    assert dangling(site, soups) == []


@pytest.mark.parametrize("href", ["ledger_thm-99.html", "gone.html", "ledger.html#nowhere", "ledger.html#topic=moon"])
def test_a_link_that_leads_nowhere_is_noticed(site, soups, href):
    page = BeautifulSoup(f"<a href='{href}'>x</a>", "html.parser")
    assert dangling(site, soups | {"ledger_thm-1": page}) == [f"ledger_thm-1: {href}"]


def test_nothing_is_loaded_from_elsewhere(soups):
    assert {name: found for name, page in soups.items() if (found := outside(page))} == {}


def test_a_page_has_the_statement_the_figure_the_checks_and_the_links(soups):
    page = soups["ledger_thm-4"]
    row = ROWS["thm-4"]
    assert page.h1.text == row["statement"]
    assert page.select_one("figure img")["alt"] == row["figures"][0]["alt"]
    checks = page.select(".checks li")
    assert len(checks) == len(row["checks"]) > 5
    for shown_check, check in zip(checks, row["checks"], strict=True):
        assert [bold.text for bold in shown_check.find_all("b")] == [check["measured"], check["control_measured"]]
        assert not shown_check.find_parent("details").has_attr("open"), "folded"
    places = {name.text: name.find_next("dd") for name in page.select(".places dt")}
    assert places["Compute it again"].text == 'make theory ARGS="--only thm-4"'
    assert "theory/claims/thm_4.py, function thm_4" in places["Code"].text
    assert "def thm_4(run: Run)" in places["Code"].details.text
    assert "test_thm_4_spread_over_queries_can_turn_the_sign_only_below_a_win_rate" in places["Tests"].text
    assert "08_the_repair.html" in [link["href"] for link in places["Tutorials that mention it"].find_all("a")]
    assert "train" in places["What it uses of the package"].text
    assert "thm-3" in places["Rows that it mentions"].text


def test_neighbours_are_those_of_the_index(soups):
    ordered = [card["data-id"] for card in soups["ledger"].select(".of-topic .card")]
    for before, after in pairwise(ordered):
        assert soups[f"ledger_{before}"].find("a", rel="next")["href"] == page_of(after)
        assert soups[f"ledger_{after}"].find("a", rel="prev")["href"] == page_of(before)


def test_the_counts_are_those_of_the_ledger(soups):
    counted = {item.span.text: int(item.b.text) for item in soups["ledger"].select(".tally li")}
    assert counted == {verdict: sum(row["verdict"] == verdict for row in ROWS.values()) for verdict in VERDICTS}
    sections = soups["ledger"].select(".of-topic")
    assert [section["data-topic"] for section in sections] == [slug(topic) for topic in TOPICS]
    for section in sections:
        assert int(section.select_one(".count").text) == len(section.select(".card"))


def test_seven_are_known_first_and_a_reason_is_for_the_verdict_that_was_computed(soups):
    assert [card["data-id"] for card in soups["ledger"].select(".seven .card")] == [each.id for each in SEVEN]
    assert len(SEVEN) == len({each.id for each in SEVEN}) == 7
    turned = [row | ({"verdict": FAILS} if row["id"] == "thm-4" else {}) for row in ROWS.values()]
    with pytest.raises(ValueError, match="SEVEN: thm-4 is fails, and its reason is for holds"):
        Index(turned)
    with pytest.raises(ValueError, match="SEVEN: thm-1 is missing"):
        Index([row for row in ROWS.values() if row["id"] != "thm-1"])


def settings_and_methods(reason: str) -> list[bool]:
    """For each code in a reason, whether it is a setting of the trainer or a method that can be imported."""
    found = []
    for code in re.findall(r"`([^`=]+)(?:=\d+)?`", reason):
        module, _, name = code.rpartition(".")
        known = hasattr(import_module(module), name) if module else code in {field.name for field in fields(Config)}
        found.append(known)
    return found


def test_what_a_reason_tells_one_to_set_can_be_set():
    found = [known for each in SEVEN for known in settings_and_methods(each.reason)]
    assert found == [True] * 4
    assert settings_and_methods("Set `gone=1` or `grao_ref.methods.neighbours.bar.FOO`.") == [False, False]


def test_a_verdict_has_a_shape_of_its_own():
    assert set(SHAPES) == set(VERDICTS)
    assert len(set(SHAPES.values())) == len({badge(verdict) for verdict in VERDICTS}) == 4


def test_the_tests_that_a_page_names_exist():
    for id in ROWS:
        for test in checked_by(id):
            file, _, name = test.partition("::")
            assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(), test
    assert any("test_thm_2_by_hand" in name for name in checked_by("thm-2"))
    assert not any("thm_1_by" in name for name in checked_by("thm-11"))
    with pytest.raises(ValueError, match="has no function 'gone'"):
        line_of("theory/claims/thm_4.py", "gone")


def test_what_a_row_uses_is_what_its_file_and_its_helpers_import():
    package = ledger_links.Package()
    own = {use.name: use.place for use in package.uses("theory/claims/thm_1.py") if not use.through}
    assert own["likelihood_weights"] == "api_equations.html#grao_ref.equations.grao.likelihood_weights"
    assert {"grao_objective", "group_advantages", "likelihood_weights"} <= set(own)
    helped = {use.name: use.through for use in package.uses("theory/claims/thm_4.py")}
    assert helped["train"] == "theory/runs.py"
    assert package.uses("theory/claims/table_1.py") == []


def test_a_link_to_the_reference_is_made_where_there_is_one(site, tmp_path):
    assert "api_equations.html" not in (site / "ledger_thm-1.html").read_text()
    (tmp_path / "api_equations.html").write_text("")
    page = Pages(list(ROWS.values()), [], tmp_path).page(ROWS["thm-1"])
    assert 'href="api_equations.html#grao_ref.equations.grao.grao_objective"' in page


def test_a_thumbnail_is_the_first_panel():
    from PIL import Image

    sizes = {}
    for name in ("thm-3", "thm-4", "exp-family", "exp-map"):
        with Image.open(FIGURES / f"{name}.png") as picture:
            sizes[name] = (picture.size, first_panel(picture).size)
    assert sizes["thm-3"][0] == sizes["thm-3"][1]
    for name, parts in (("thm-4", (2, 1)), ("exp-family", (3, 1)), ("exp-map", (3, 2))):
        for whole, first, count in zip(*sizes[name], parts, strict=True):
            assert first == pytest.approx(whole / count, rel=0.18 if count > 1 else 0)


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


def rows_seen(page) -> list[str]:
    return [card.get_attribute("data-id") for card in page.locator(".of-topic .card").all() if card.is_visible()]


@pytest.mark.parametrize("width", WIDTHS)
class TestInABrowser:
    pytestmark = in_chromium

    def test_no_page_has_a_problem(self, chromium, site, width):
        """The controls are those of `test_browser.py`. A page of each kind, and the index."""
        names = [
            HOME,
            *map(page_of, ("eq-8", "A2", "claim-12", "table-4", "figure-5", "exp-map", "exp-family", "thm-9")),
        ]
        assert {name: each for name in names if (each := problems(chromium, site / name, width))} == {}

    def test_filters_show_the_rows_of_a_verdict_and_a_topic_and_the_address_keeps_them(self, chromium, site, width):
        with opened(chromium, site / HOME, width) as (page, complaints):
            assert len(rows_seen(page)) == len(ROWS)
            page.locator("input[value=fails]").focus()
            page.keyboard.press("Space")  # as a reader without a mouse does
            fails = [id for id, row in ROWS.items() if row["verdict"] == FAILS]
            assert sorted(rows_seen(page)) == sorted(fails)
            assert page.url.endswith("#verdict=fails")
            assert page.locator("output").text_content() == f"{len(fails)} of {len(ROWS)} claims"
            page.locator("select").select_option("the-equations")
            both = [id for id in fails if ROWS[id]["topic"] == "the equations"]
            assert rows_seen(page) == both
            assert page.locator(".of-topic:visible").count() == 1
            assert page.url.endswith("#verdict=fails&topic=the-equations")
            page.locator("button[type=reset]").press("Enter")
            page.wait_for_function("!location.hash")
            assert len(rows_seen(page)) == len(ROWS)
            assert complaints == []

    def test_an_address_brings_its_rows_back(self, chromium, site, width):
        with opened(chromium, site / HOME, width) as (page, complaints):
            page.goto(page.url + "#verdict=holds,fails&topic=convergence")
            page.wait_for_function("document.querySelector('select').value === 'convergence'")
            wanted = [i for i, r in ROWS.items() if r["verdict"] in (HOLDS, FAILS) and r["topic"] == "convergence"]
            assert rows_seen(page) == wanted
            page.goto(page.url.partition("#")[0] + "#topic=nowhere")
            page.wait_for_function("document.querySelector('select').value === ''")
            assert len(rows_seen(page)) == len(ROWS)
            assert complaints == []

    def test_without_a_script_it_is_a_plain_list(self, chromium, site, tmp_path, width):
        text = re.sub(r"<script>.*?</script>", "", (site / HOME).read_text(), flags=re.DOTALL)
        shutil.copytree(site, tmp_path / "site")
        (tmp_path / "site" / HOME).write_text(text)
        with opened(chromium, tmp_path / "site" / HOME, width) as (page, _):
            assert len(rows_seen(page)) == len(ROWS)
            assert not page.locator(".filters").is_visible()
