"""The page *Results* and the ledger's pages show what the report of the experiments has."""

import json
import re

import pytest
from PIL import Image

from tutorials import ledger_scale, results, sources, style

SECTION = "The race on the sorting model"


@pytest.fixture
def shown(monkeypatch):
    """What is put on a page."""
    parts = []
    monkeypatch.setattr(style, "present", lambda markup, words: parts.append(markup))
    return parts


def test_a_section_is_the_report_s_with_its_tables_folded(shown):
    results.section(SECTION)
    report = results.REPORT.read_text().split(f"## {SECTION}\n")[1].split("\n## ")[0]
    assert len(shown) == 1 + report.count("\n### ")
    assert all(part.startswith("<details><summary>") for part in shown[1:])
    rows = re.findall(r"^\| (SFT [^|]+|surprise) \| ([^|]+) \|", report, re.MULTILINE)
    assert len(rows) == 3
    for method, value in rows:
        assert re.search(rf"<td>{method}</td>\s*<td>{value}</td>", shown[1])


def test_the_conclusions_are_the_report_s_without_its_title(shown):
    results.conclusions()
    results.section("In five sentences")
    before, sentences = shown
    assert "<h1>" not in before
    assert sentences.count("<li>") == 5


def test_the_page_shows_every_section_of_the_report():
    titles = re.findall(r"^## (.+)$", results.REPORT.read_text(), re.MULTILINE)
    page = (sources.HERE / "pages" / "results.md").read_text()
    assert sorted(re.findall(r'results\.section\("(.+)"\)', page)) == sorted(titles)


def test_which_method_to_use_is_on_the_page_with_its_links(shown):
    results.section("Which method should I use?")
    assert shown[0].count("<tr>") == 9
    assert '<a href="choosing_settings.md">' in shown[0]  # the build makes it a link to the page
    assert 'results.section("Which method should I use?")' in (sources.HERE / "pages" / "results.md").read_text()


def test_a_section_that_the_report_does_not_have_is_named():
    with pytest.raises(ValueError, match="no section 'The race on the moon'"):
        results.section("The race on the moon")


def test_pictures_are_in_the_page_and_commands_lead_nowhere_outside(tmp_path, monkeypatch):
    (tmp_path / "figures").mkdir()
    Image.new("RGB", (40, 30), "white").save(tmp_path / "figures" / "map.png")
    monkeypatch.setattr(results, "HERE", tmp_path)
    page = results.markup("![A map.](figures/map.png) See [commands/knobs.md](commands/knobs.md).")
    assert '<img alt="A map." width=' in page
    assert "base64," in page
    assert "<code>theory/experiments/commands/knobs.md</code>" in page
    assert "<a " not in page


def test_a_row_that_runs_say_something_of_has_it_on_its_page(tmp_path, monkeypatch):
    rows = [{"id": "claim-12", "task": "best <1>", "verdict": "no", "words": "Ratio 0.8.", "table": "terms"}]
    (tmp_path / "at_this_scale.json").write_text(json.dumps(rows))
    monkeypatch.setattr(ledger_scale, "HERE", tmp_path)
    page = ledger_scale.at_this_scale("claim-12")
    assert "best &lt;1&gt;: it is not so here." in page
    assert "Ratio 0.8." in page
    assert ledger_scale.at_this_scale("claim-1") == ""


def test_every_recorded_row_is_one_of_the_ledger_s():
    ledger = json.loads((results.HERE.parent / "ledger.json").read_text())
    assert {row["id"] for row in ledger_scale.recorded()} <= {row["id"] for row in ledger}
    assert {row["verdict"] for row in ledger_scale.recorded()} <= set(ledger_scale.VERDICTS)
