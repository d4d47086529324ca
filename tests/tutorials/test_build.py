"""A percent script becomes one page, sliders are pictures drawn in advance, errors are reported."""

import base64
from io import BytesIO

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient.exceptions import CellTimeoutError
from PIL import Image

from tests.tutorials.tiny import BROKEN, BROKEN_PAGE, FIRST, ROOT, SECOND, build, words
from tutorials import build as building
from tutorials import interactive, style
from tutorials.__main__ import main
from tutorials.build import execute, set_formulas, shell, with_formulas
from tutorials.index import index_page
from tutorials.interactive import LIMIT, sliders
from tutorials.sources import pages, read, tutorials

OURS = ("site.css", "site.js", "search.js")  # beside every page


def soup(path):
    return BeautifulSoup(path.read_text(), "html.parser")


@pytest.fixture(scope="module")
def page(tiny_site):
    return soup(tiny_site / "01_tiny.html")


def outside(page):
    """Everything that a browser would load from elsewhere. Links that a reader may click on don't count."""
    loaded = [tag.get("src") for tag in page.find_all(src=True)]
    loaded += [tag.get("href") for tag in page.find_all("link")]
    loaded += [
        part for style in page.find_all("style") for part in style.text.split() if "url(" in part or "@import" in part
    ]
    return [address for address in loaded if not address.startswith("data:") and address not in OURS]


def test_title_and_summary_are_the_first_lines(tmp_path):
    (tmp_path / "01_tiny.py").write_text(FIRST)
    tutorial = read(tmp_path / "01_tiny.py")
    assert (tutorial.title, tutorial.number) == ("A tiny page", 1)
    assert tutorial.summary == "What $x^2$ is, in a *word*, and `$y$` in code."


@pytest.mark.parametrize("text", ["x = 1\n", "# %% [markdown]\n# No title\n", "# %% [markdown]\n# # Title alone\n"])
def test_a_script_without_title_and_summary_is_an_error(text, tmp_path, capsys):
    (tmp_path / "01_tiny.py").write_text(text)
    with pytest.raises(ValueError, match=r"01_tiny.py must begin with a markdown cell"):
        tutorials(tmp_path)
    assert main(words(tmp_path)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_the_page_has_title_text_and_output(page):
    assert page.title.text == "A tiny page"
    assert page.h1.text == "A tiny page"
    assert "a long line of output, a long line" in page.text
    assert page.html["lang"] == "en"
    assert any("print(" in code.text and not code.find_parent("details") for code in page.find_all("pre"))
    assert page.find("meta", {"name": "viewport"})


def test_a_tutorial_runs_from_the_root_on_one_core_and_offline(page):
    """Whatever the environment is; paths are relative to the project's root."""
    assert f"here: {ROOT.name} 1 1" in page.text


def test_a_title_is_text():
    assert BeautifulSoup(shell("&lt; is <", "", "", ""), "html.parser").title.text == "&lt; is <"


def test_formulas_become_mathml_and_those_in_code_stay(page):
    assert [math.text.strip() for math in page.find_all("math", display="inline")] == ["x2", "a2", "b1+1"]
    (block,) = page.find_all("math", display="block")
    assert block.find("mfrac")
    assert [code.text for code in page.select("main p code")] == ["$y$", "$c$"]
    assert "$not$ a formula" in page.text
    assert "a price of $5 or $10 a piece" in page.text
    assert "FORMULA" not in str(page)


def test_a_formula_in_a_heading_is_set(page):
    assert page.h2.text == "The square a2"
    assert page.h2.math


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$5 and $10", 0),
        ("from $5–$10", 0),
        ("it costs $5. And $x$", 1),
        ("US$5 or ($5, $10)", 0),
        (r"\$x\$", 0),
        ("$x$, $y$", 2),
        ("$a_1$–$a_4$", 2),
        ("($x$)", 1),
        ("`$x$` and ``$y$`` and $z$", 1),
        ("```\n$x$\n```\n$$y$$", 1),
        ("$$\nx\n+ y\n$$", 1),
    ],
)
def test_what_is_a_formula(text, formulas):
    found = []
    left = with_formulas(text, found)
    assert len(found) == formulas
    assert [f"FORMULA{index}END" in left for index in range(formulas)] == [True] * formulas
    assert formulas or left == text


def test_the_eleventh_formula_has_its_place():
    formulas = []
    body = with_formulas(" and ".join(f"$x_{{{n}}}$" for n in range(12)), formulas)
    found = BeautifulSoup(set_formulas(body, formulas), "html.parser")
    assert [math.text for math in found.find_all("math")] == [f"x{n}" for n in range(12)]
    assert "FORMULA" not in found.text


def test_the_code_of_a_picture_is_folded_and_no_other(page):
    (folded,) = page.find_all("details")
    assert folded.summary.text == "code of the picture"
    assert "style.show" in folded.text
    assert "print(" not in folded.text
    assert not folded.find("img"), "the picture itself is seen"
    assert not folded.has_attr("open")


def test_a_picture_carries_its_bytes_its_words_and_its_size(page):
    image = page.find("img", alt="A line & nothing else.")
    assert image["src"].startswith("data:image/png;base64,")
    assert int(image["width"]) == round(style.WIDTH * 96)
    assert image.find_next("figcaption").text == "A caption with <angles>."
    with Image.open(BytesIO(base64.b64decode(image["src"].partition(",")[2]))) as picture:
        assert picture.width >= 1.5 * int(image["width"]), "sharp on a phone"


def test_words_of_any_kind_stay_words(monkeypatch):
    """Quotes and angles in a caption or in `alt` end no attribute and open no tag."""
    seen = []
    for module in (style, interactive):
        monkeypatch.setattr(module, "present", lambda markup, words: seen.append(BeautifulSoup(markup, "html.parser")))
    style.show(style.figure()[0], 'a "<b>" & c', alt='"<i>" & so on')
    sliders(lambda β: style.figure()[0], {"β": [0]}, {"β": 0}, 'a "<b>" & c', alt='"<i>" & so on')
    assert [shown.img["alt"] for shown in seen] == ['"<i>" & so on', '"<i>" & so on (β = 0)']
    assert [shown.figcaption.text for shown in seen] == ['a "<b>" & c'] * 2


def test_panels_stand_one_above_the_other_and_letters_are_no_smaller_than_10():
    drawn, panels = style.figure(rows=3)
    drawn.draw_without_rendering()
    boxes = [panel.get_position() for panel in panels]
    assert len({round(box.x0, 6) for box in boxes}) == 1
    assert boxes[0].y0 > boxes[1].y1 > boxes[1].y0 > boxes[2].y1
    sizes = {name: size for name, size in style.STYLE.items() if name.endswith("size")}
    assert len(sizes) == 6
    assert min(sizes.values()) >= 10
    assert panels[0].xaxis.label.get_size() == sizes["axes.labelsize"]
    assert panels[0].get_xticklabels()[0].get_size() == sizes["xtick.labelsize"]


def test_nothing_is_loaded_from_elsewhere(page, tiny_site):
    assert outside(page) == []
    assert outside(soup(tiny_site / "index.html")) == []
    for name in OURS:
        assert "http" not in (tiny_site / name).read_text()
    assert not [script for script in page.find_all("script") if "http" in script.text]


def test_what_would_be_loaded_from_elsewhere_is_noticed():
    """The control of the one above."""
    for markup in (
        '<script src="https://cdn.example/mathjax.js"></script>',
        '<link rel="stylesheet" href="style.css">',
        '<img src="picture.png">',
        "<style>@import url(https://fonts.example/x.css);</style>",
    ):
        assert outside(BeautifulSoup(markup, "html.parser")), markup


def test_the_index_lists_them_with_their_summaries(tiny_site):
    index = soup(tiny_site / "index.html")
    assert [link["href"] for link in index.select("main ol li a")] == [
        *("01_tiny.html", "notebooks/01_tiny.ipynb"),
        *("02_second.html", "notebooks/02_second.ipynb"),
    ]
    assert [link.has_attr("download") for link in index.select("main ol li a")] == [False, True] * 2
    assert [link.text for link in index.select("main ol li > a")] == ["A tiny page", "The second"]
    first, second = index.select("main ol li p")
    assert first.math.text == "x2"
    assert (first.em.text, first.code.text) == ("word", "$y$")
    assert second.text == "It says & computes nothing."
    assert " s · notebook" in index.small.text


def test_a_markdown_page_is_in_the_index_under_its_own_heading(tiny_site):
    index = soup(tiny_site / "index.html")
    pages = index.find(id="more-pages").find_next_sibling("ul")
    assert [(link.text, link["href"]) for link in pages.select("li > a")] == [
        ("Another", "another.html"),
        ("A tiny recipe", "recipe.html"),
    ]
    assert [words.text for words in pages.select("li p")] == ["", "How to add 1+1."]


def test_a_site_without_pages_has_no_heading_for_them(tmp_path):
    assert "<h2" not in index_page([], {}, "", tmp_path)


def test_the_reference_stands_among_the_pages_where_there_is_one(tiny_site, tmp_path):
    (tmp_path / "api.html").touch()
    index = BeautifulSoup(index_page([], {}, "", tmp_path), "html.parser")
    assert [link["href"] for link in index.select("ul.index li > a")] == ["api.html"]
    (tmp_path / "ledger.html").touch()
    index = BeautifulSoup(index_page([], {}, "", tmp_path), "html.parser")
    assert [link["href"] for link in index.select("ul.index li > a")] == ["ledger.html", "api.html"]
    assert "Reference" not in soup(tiny_site / "index.html").text  # a folder of one's own has none


def test_the_code_of_a_page_is_run_and_highlighted(tiny_site):
    page = soup(tiny_site / "recipe.html")
    assert (page.title.text, page.h1.text) == ("A tiny recipe", "A tiny recipe")
    assert "the sum is 2" in [output.text.strip() for output in page.select("div[class*=output] pre")]
    assert page.find("math")
    shown = page.select(".highlight pre")
    assert [code.text.strip().splitlines()[0] for code in shown] == [
        "x = 1 + 1",
        "exit 1",
        "assert False",
        "from tutorials import style",
        "assert x == 2  # one namespace",
    ]
    assert all(code.find("span") for code in shown)


def test_a_table_of_a_page_is_shown_and_its_code_folded(tiny_site):
    page = soup(tiny_site / "recipe.html")
    assert [cell.decode_contents() for cell in page.table.find_all(["th", "td"])] == [
        *("word", "meaning"),
        *("<code>x</code>", "a &lt;sum&gt;"),
    ]
    (folded,) = page.find_all("details")
    assert folded.summary.text == "code of the table"
    assert "style.table" in folded.text
    assert not folded.table


def test_a_page_is_linked_to_the_index_its_neighbours_and_what_it_names(tiny_site):
    page = soup(tiny_site / "recipe.html")
    assert [link["href"] for link in page.select("nav.pager a")] == ["index.html", "another.html"]
    links = [link["href"] for link in page.main.find_all("a") if "here" not in link.get("class", [])]
    assert links == ["01_tiny.html", "another.html#here", "https://example.org/a.md"]


def test_a_page_whose_code_fails_is_named_with_its_line(tmp_path):
    done = build(tmp_path, {"02_second.py": SECOND, "pages/recipe.md": BROKEN_PAGE}, "--only", "recipe")
    assert done.returncode == 1
    line = 1 + BROKEN_PAGE.splitlines().index("assert x == 3, 'one [is] not two'  # one namespace")
    assert f"recipe fails in {tmp_path}/pages/recipe.md, line {line}\n" in done.stderr
    assert "one [is] not two" in done.stderr
    assert not (tmp_path / "site" / "recipe.html").exists()


@pytest.mark.parametrize(
    "text", ["", "Words.\n", "## Too deep\n", "# Title\nwithout an empty line\n", "```python\n# x\n```\n"]
)
def test_a_page_without_a_title_is_an_error(text, tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "recipe.md").write_text(text)
    with pytest.raises(ValueError, match=r"recipe.md must begin with a line '# Title' and an empty line"):
        pages(tmp_path)


def test_neighbours_are_linked(tiny_site):
    first, second = (soup(tiny_site / name).find("nav", class_="pager") for name in ("01_tiny.html", "02_second.html"))
    assert [link["href"] for link in first.find_all("a")] == ["index.html", "02_second.html"]
    assert [link["href"] for link in second.find_all("a")] == ["index.html", "01_tiny.html"]


def test_the_notebook_is_executed(tiny_site):
    notebook = nbformat.read(tiny_site / "notebooks" / "01_tiny.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [None, 1, 2, 3]


def test_every_slider_has_all_its_frames_and_one_is_seen(page):
    two, one = page.select("figure.sliders")
    assert two["id"] != one["id"], "the same caption, and two boxes"
    assert [len(box.find_all("img")) for box in (two, one)] == [6, 2]
    (seen,) = [image for image in two.find_all("img") if not image.has_attr("hidden")]
    assert seen["alt"] == "A line (β = 0.5, n = 1)"
    assert [image["alt"] for image in two.find_all("img")] == [
        f"A line (β = {β:g}, n = {n})" for β in (0, 0.5, 1) for n in (1, 10)
    ]
    assert [control["value"] for control in two.find_all("input")] == ["1", "0"]
    assert [control["max"] for control in two.find_all("input")] == ["2", "1"]
    assert [output.text for output in two.find_all("output")] == ["0.5", "1"]
    assert two["id"] in two.script.text


def test_a_start_that_is_none_of_the_values_is_an_error():
    for start in ({"β": 0.3}, {}, {"β": 1, "λ": 1}):
        with pytest.raises(ValueError, match="none of the combinations"):
            sliders(lambda β: style.figure()[0], {"β": [0, 1]}, start, "A caption.", alt="A line")


def test_too_many_pictures_are_an_error_before_any_is_drawn():
    def draw(**values):
        raise AssertionError("drawn")

    many = {name: list(range(100)) for name in "abcdefgh"}
    with pytest.raises(ValueError, match=rf"10000000000000000 combinations .* {LIMIT} are the limit"):
        sliders(draw, many, dict.fromkeys(many, 0), "A caption.", alt="A line")


def test_a_plain_script_prints_its_tables(capsys):
    """The text speaks of their rows."""
    style.table(["word", "n"], [["`longer`", "1"], ["x", "20"]])
    assert capsys.readouterr().out.splitlines() == ["word      n", "`longer`  1", "x         20"]


def test_a_plain_script_draws_every_frame_and_shows_nothing(monkeypatch, capsys):
    drawn = []
    monkeypatch.setattr(interactive, "image", lambda figure, *words, **options: drawn.append(figure) or "<img>")
    sliders(lambda β: β, {"β": [0, 1, 2]}, {"β": 1}, "A caption.", alt="A line")
    assert drawn == [0, 1, 2]
    assert capsys.readouterr().out == ""


def test_a_good_tutorial_exits_with_0_and_is_quiet(tmp_path):
    """The control of the one below; and what is built alone links to what is there."""
    done = build(tmp_path, {"01_tiny.py": BROKEN, "02_second.py": SECOND}, "--only", "2")
    assert done.returncode == 0, done.stderr
    begun, said, path = done.stderr.splitlines()
    assert begun.startswith("running 1, ")
    assert said.startswith("02_second  ")
    assert path == f"open {tmp_path}/site/02_second.html"
    assert [link["href"] for link in soup(tmp_path / "site" / "02_second.html").select("nav.pager a")] == ["index.html"]
    assert [link["href"] for link in soup(tmp_path / "site" / "index.html").select("main li > a")] == ["02_second.html"]


def test_what_was_built_earlier_stays_in_the_index(tmp_path):
    """`--only` builds one page again; the others are still there."""
    scripts = {"01_tiny.py": SECOND, "02_second.py": SECOND}
    assert build(tmp_path, scripts).returncode == 0
    assert build(tmp_path, scripts, "--only", "2").returncode == 0
    links = [link["href"] for link in soup(tmp_path / "site" / "index.html").select("main li > a")]
    assert links == ["01_tiny.html", "02_second.html"]


def test_a_cell_that_does_not_end_is_given_up(monkeypatch, tmp_path):
    (tmp_path / "01_slow.py").write_text(SECOND.replace("x = 1", "import time\ntime.sleep(60)"))
    monkeypatch.setattr(building, "SECONDS", 1)
    with pytest.raises(CellTimeoutError):
        execute(read(tmp_path / "01_slow.py"))


def test_a_failing_cell_exits_with_1_and_tells_the_error(tmp_path):
    done = build(tmp_path, {"01_broken.py": BROKEN, "02_second.py": SECOND})
    assert done.returncode == 1
    assert "01_broken fails" in done.stderr
    assert "assert 1 == 2" in done.stderr
    assert "one [is] not two" in done.stderr
    assert "\x1b[" not in done.stderr
    assert "Traceback" not in done.stderr.replace("Traceback (most recent call last)\nCell", "")
    assert not (tmp_path / "site" / "01_broken.html").exists()
    assert (tmp_path / "site" / "02_second.html").exists(), "the others are built"


@pytest.mark.parametrize("number", ["7", "two"])
def test_a_number_of_none_is_bad_input(number, tmp_path, capsys):
    (tmp_path / "01_tiny.py").write_text(SECOND)
    assert main([*words(tmp_path), "--only", number]) == 2
    assert "error: " in capsys.readouterr().err
    assert not (tmp_path / "site").exists()
