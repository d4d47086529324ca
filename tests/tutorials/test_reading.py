"""How a page of the site reads in a browser: whole formulas, wrapped code, search, terms, themes, keyboard, axe."""

from importlib.util import find_spec

import pytest

from tests.tutorials.axe import script, violations
from tests.tutorials.pages import CHROMIUM, WIDTHS, browser
from tests.tutorials.tiny import build

TALL = r"""# Tall

A policy samples a group.

## Formulas

$$ \frac{\frac{1}{G} \sum_{i=1}^{G} \hat A_i J(o_i)}{\sqrt{\frac{1}{P} \sum_j (R_j - \mu)^2}} $$

$$ \left( \sum_{i} \prod_{j} \frac{a_{i_j}}{b^{2^2}} \right)^{\frac{1}{2}} $$

## Code

```bash
python -m grao_ref.train --model-name-or-path smollm2 --dataset-name harmless-base.jsonl.gz --output-dir runs/head
```

```python
words = "a long line of output, "
print(words * 8)
```
"""
TERMS = '["policy"]\nforms = ["policy"]\nmeaning = "What is trained."\n'
CLIPPED = """() => Array.from(document.querySelectorAll("math[display=block], .formula"))
  .filter(each => each.scrollHeight > each.clientHeight || each.scrollWidth > each.clientWidth + 1).length"""
OLD = "math[display=block] { padding: 0; margin: .8rem 0; max-width: 100%; overflow-x: auto; overflow-y: hidden; }"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]
at_widths = pytest.mark.parametrize("width", WIDTHS)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reading")
    sources = {"pages/tall.md": TALL, "pages/other.md": "# Other\n\nA zebra lives here.\n", "glossary.toml": TERMS}
    done = build(folder, sources)
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture
def at(chromium, site):
    opened = []

    def go(name="tall", width=1280, **options):
        context = chromium.new_context(viewport={"width": width, "height": 800}, **options)
        opened.append(context)
        page = context.new_page()
        page.goto((site / f"{name}.html").as_uri())
        return page

    yield go
    for context in opened:
        context.close()


@at_widths
def test_formulas_are_whole_and_under_the_old_style_they_are_not(at, width):
    page = at(width=width)
    assert page.locator("math[display=block]").count() == 2
    assert page.evaluate(CLIPPED) == 0
    page.add_style_tag(content=OLD)
    assert page.evaluate(CLIPPED) > 0, "control"


def test_no_block_of_code_scrolls_on_a_phone_and_without_wrapping_it_would(at):
    page = at(width=360)
    wide = "() => Array.from(document.querySelectorAll('pre')).filter(b => b.scrollWidth > b.clientWidth + 1).length"
    assert page.evaluate(wide) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.add_style_tag(content="pre { white-space: pre; overflow-x: auto } pre .l { display: inline }")
    assert page.evaluate(wide) > 0, "control"


def test_the_search_is_found_by_a_key_and_used_by_keys_alone(at):
    page = at()
    page.keyboard.press("/")
    page.keyboard.type("zebra")
    option = page.locator("#results [aria-selected=true]")
    option.wait_for()
    assert option.locator("mark").text_content() == "zebra"
    assert page.locator("#search").get_attribute("aria-activedescendant") == option.get_attribute("id")
    page.keyboard.press("Enter")
    page.wait_for_url("**/other.html*")
    page.keyboard.press("/")
    page.keyboard.type("a")
    page.locator("#results [data-to]").nth(1).wait_for()
    before = option.get_attribute("id")
    page.keyboard.press("ArrowDown")
    assert option.get_attribute("id") != before
    page.keyboard.press("Escape")
    assert page.locator("#results").is_hidden()
    page.locator("#search").fill("nowhereatall")
    assert page.locator("#results").text_content() == "Nothing found"


def test_a_term_is_shown_on_hover_on_focus_and_on_tap_and_closed_by_escape(at):
    page = at()
    term, box = page.locator("button.term").first, page.locator("#term-policy")
    assert box.is_hidden()
    term.hover()
    box.wait_for()
    page.mouse.move(1, 700)
    box.wait_for(state="hidden")
    term.focus()
    assert "What is trained." in box.text_content()
    assert box.is_visible()
    page.keyboard.press("Escape")
    assert box.is_hidden()
    touched = at(width=360, has_touch=True)
    touched.locator("button.term").first.tap()
    assert touched.locator("#term-policy").is_visible()


def test_the_theme_is_the_system_s_until_a_button_says_otherwise_and_is_remembered(at):
    ground = "getComputedStyle(document.body).backgroundColor"
    page = at(color_scheme="dark")
    dark = page.evaluate(ground)
    assert at(color_scheme="light").evaluate(ground) != dark
    button = page.locator("button.theme")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert page.evaluate(ground) != dark
    page.reload()
    assert page.evaluate(ground) != dark
    assert button.get_attribute("aria-pressed") == "false"


def test_code_is_copied_by_the_keyboard_and_it_is_said(at):
    page = at(permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("button.copy").last
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_text("The code is copied.").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()") == 'words = "a long line of output, "\nprint(words * 8)'


def test_the_contents_are_folded_on_a_phone_and_beside_the_text_on_a_desktop(at):
    wide, narrow = at(), at(width=360)
    assert wide.locator("nav.contents a").first.is_visible()
    assert wide.locator("nav.menu a").first.is_visible()
    assert not narrow.locator("nav.contents a").first.is_visible()
    narrow.locator("nav.contents button").press("Enter")
    assert narrow.locator("nav.contents a").first.is_visible()


def test_the_first_stop_of_the_tab_key_skips_to_the_text(at):
    page = at()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@at_widths
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(at, tiny_site, width, scheme):
    if script() is None:
        pytest.skip("axe-core is not here: npm is not installed, or its registry does not answer")
    for name in ("tall", "glossary", "index"):
        assert violations(at(name, width, color_scheme=scheme)) == [], name
    page = at("tall", width, color_scheme=scheme)
    page.goto((tiny_site / "01_tiny.html").as_uri())
    assert violations(page) == []
    page.add_style_tag(content="p { color: #888 !important; background: #999 !important }")
    assert violations(page), "control"
