"""The pages and tables of an evaluation, whose format no answer can break."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from grao_ref.evaluation.assess import Evaluated, assess
from grao_ref.evaluation.tables import in_cell, markdown, metrics_table, quoted
from tests.evaluation.answers import answers, comparison, scored_where

markdown_it = pytest.importorskip("markdown_it", reason="needs the extra [tutorials]")
HOSTILE = [
    "a | b\nc || d",
    "\\| \\",
    "</td></tr></table><script>alert(1)</script> <!-- &lt;",
    "![x](http://example.org/x.png) [y](http://example.org) `a | b` **bold** ~~no~~ $x$",
    "```\n| --- |\n## Case 9\n\n> quote",
    "x\r\ny\u2028z\x0bw",
    "",
]


def evaluated(texts, name="grao"):
    given = answers([0.5] * len(texts), texts=texts)
    metrics = {"base": assess(comparison(given, given, [0.0] * len(texts)), resamples=20)}
    metrics[name] = metrics["base"]
    each = {"base": given, name: given}
    return Evaluated(texts, texts, *scored_where([0.0] * len(texts)), each, metrics, temperature=0.0)


def test_no_answer_breaks_out_of_its_cell_or_quote():
    page = markdown(evaluated(HOSTILE, name="a | b <i> [x](y)"), cases=len(HOSTILE))
    tokens = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(page)
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 1 + len(HOSTILE)
    assert kinds.count("heading_open") == 1 + len(HOSTILE)
    # A header each, eight metrics, three answers a case; but for the last one, whose reference is empty.
    assert kinds.count("tr_open") == 1 + 8 + len(HOSTILE) * 4 - 1
    assert kinds.count("td_open") == 8 * 4 + len(HOSTILE) * 9 - 3
    inline = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inline} <= {"text", "text_special", "html_inline", "softbreak"}
    assert {child.content for child in inline if child.type == "html_inline"} == {"<br>"}
    cells = ["".join(c.content for c in t.children) for t in tokens if t.type == "inline"]
    for text in HOSTILE:
        assert "<br>".join(text.splitlines()) in cells  # and each is shown unchanged
    assert "a | b <i> [x](y)" in cells


def test_what_is_left_out_is_said_below_the_table():
    page = markdown(replace(evaluated(["a"]), notes=("other has no KL: its tokenizer is not the base's.",)), cases=0)
    assert page.endswith("|\n\nother has no KL: its tokenizer is not the base's.\n")


def test_control_the_parser_notices_what_is_not_escaped():
    page = "| | answer |\n| --- | --- |\n| base | <script> `x` | end |\n"
    tokens = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table").parse(page)
    assert {"html_inline", "code_inline"} <= {child.type for token in tokens for child in token.children or []}
    assert not any("end" in token.content for token in tokens)  # cut off with the cell


def test_escaping_by_hand():
    assert in_cell("a|b\n<i>") == "a\\|b<br>&lt;i&gt;"
    assert quoted("a\n\nb") == "> a<br><br>b"


def test_what_is_missing_is_a_dash_and_what_is_no_number_is_not_shown():
    one = evaluated(["only"])
    one = replace(one, answers={"base": answers([None], texts=["only"])})
    page = markdown(one, cases=3)
    assert "| base | only | – |" in page
    assert "nan" not in page
    assert "The references' mean reward is 0.000" in page
    assert page.count("## Case") == 1
    console = Console(width=120, file=StringIO())
    console.print(metrics_table(replace(evaluated(["a", "b"]), metrics={"[/x] :smile:": {"RAS": (0.5, 0.25, 1.0)}})))
    shown = console.file.getvalue()
    assert "[/x] :smile:" in shown
    assert "50.0 [25.0, 100.0]" in shown
    assert "greedy" in shown
    assert "nan" not in shown


def test_shares_are_percent_and_units_are_named_and_no_zero_is_negative():
    measured = {"NAG, signed": (-0.0, -0.0, 0.25), "length": (12.34, 11.0, 13.0), "KL": (-0.00001, 0.5, 1.25)}
    console = Console(width=160, file=StringIO())
    console.print(metrics_table(replace(evaluated(["a", "b"]), metrics={"grao": measured})))
    shown = " ".join(console.file.getvalue().split())
    for expected in ("NAG, signed 0.0 [0.0, 25.0]", "length 12.3 [11.0, 13.0]", "KL 0.000 [0.500, 1.250]"):
        assert expected in shown
    assert "In %: NAG, signed. In tokens: length. In nats: KL." in shown


def test_a_reference_that_could_not_be_scored_is_left_out_of_their_mean():
    rewards, scored = scored_where([0.5, None])
    page = markdown(replace(evaluated(["a", "b"]), reference_rewards=rewards, reference_scored=scored), cases=2)
    assert "references' mean reward is 0.500" in page
    assert page.count("| reference | a | 0.50 |") == 1
    assert page.count("| reference | b | – |") == 1
