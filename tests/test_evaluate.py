"""`python -m grao_ref.evaluate` as a user runs it, and its pages, whose format no answer can break."""

import json
import math
from dataclasses import replace
from io import StringIO

import pytest
import torch
from markdown_it import MarkdownIt
from rich.console import Console

from grao_ref.evaluate import joined, main
from grao_ref.evaluation.assess import Evaluated, assess
from grao_ref.evaluation.tables import in_cell, markdown, metrics_table, quoted
from grao_ref.records import Samples
from grao_ref.train import main as train
from tests.test_assessment import answers

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
    said = answers([0.5] * len(texts), texts=texts)
    figures = {"base": assess(said, said, torch.zeros(len(texts)), resamples=20)}
    figures[name] = figures["base"]
    return Evaluated(texts, texts, torch.zeros(len(texts)), {"base": said, name: said}, figures, temperature=0.0)


def test_no_answer_breaks_out_of_its_cell_or_quote():
    page = markdown(evaluated(HOSTILE, name="a | b <i> [x](y)"), cases=len(HOSTILE))
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(page)
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 1 + len(HOSTILE)
    assert kinds.count("heading_open") == 1 + len(HOSTILE)
    assert kinds.count("tr_open") == 1 + 8 + len(HOSTILE) * 4  # a header each, eight figures, three answers a case
    assert kinds.count("td_open") == 8 * 4 + len(HOSTILE) * 9
    inline = [child for token in tokens for child in token.children or []]
    assert {child.type for child in inline} <= {"text", "text_special", "html_inline", "softbreak"}
    assert {child.content for child in inline if child.type == "html_inline"} == {"<br>"}
    cells = ["".join(c.content for c in t.children) for t in tokens if t.type == "inline"]
    for text in HOSTILE:
        assert "<br>".join(text.splitlines()) in cells  # and each is shown unchanged
    assert "a | b <i> [x](y)" in cells


def test_control_the_parser_notices_what_is_not_escaped():
    page = "| | answer |\n| --- | --- |\n| base | <script> `x` | end |\n"
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(page)
    assert {"html_inline", "code_inline"} <= {child.type for token in tokens for child in token.children or []}
    assert not any("end" in token.content for token in tokens)  # cut off with the cell


def test_escaping_by_hand():
    assert in_cell("a|b\n<i>") == "a\\|b<br>&lt;i&gt;"
    assert quoted("a\n\nb") == "> a<br><br>b"


def test_what_is_missing_is_a_dash_and_what_is_no_number_is_not_shown():
    one = evaluated(["only"])
    one = replace(one, answers={"base": answers([math.nan], texts=["only"])})
    page = markdown(one, cases=3)
    assert "| base | only | – |" in page
    assert "nan" not in page
    assert page.count("## Case") == 1
    console = Console(width=120, file=StringIO())
    console.print(metrics_table(replace(evaluated(["a", "b"]), figures={"[/x] :smile:": {"RAS": (0.5, 0.25, 1.0)}})))
    shown = console.file.getvalue()
    assert "[/x] :smile:" in shown
    assert "50.0 [25.0, 100.0]" in shown
    assert "greedy" in shown


def test_batches_of_different_width_are_joined():
    short, long = answers([0.0]).samples, answers([0.0]).samples
    long = Samples(*(torch.cat([t, t], dim=-1) for t in (long.ids, long.mask, long.logprobs - 1)))
    both = joined([short, long])
    assert both.mask.tolist() == [[[True, True, False, False]], [[True] * 4]]
    assert both.logprobs.tolist() == [[[0.0] * 4], [[-1.0] * 4]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    flags = ["--per-device-train-batch-size", "32", "--max-eval-prompts", "40", "--eval-steps", "100"]
    for name, steps, method in (("one", "15", "grao"), ("two", "2", "sft")):
        assert train([*flags, "--max-steps", steps, "--method", method, "--output-dir", str(folder / name)]) == 0
    return folder


def figures_of(folder):
    return json.loads((folder / "evaluation.json").read_text())


def test_a_trained_run_is_evaluated_beside_its_base(runs, capsys):
    assert main([str(runs / "one"), "--num-cases", "2"]) == 0
    figures = figures_of(runs / "one")
    base, trained = figures["base"], figures["grao, repaired (one)"]
    assert base["NAG"] == base["NAG, signed"] == [0, 0, 0]
    assert abs(base["KL"][0]) < 1e-5
    assert trained["KL"][1] > 0.5
    assert trained["NAG, signed"][1] > 0
    assert trained["reward"][1] > base["reward"][0]
    page = (runs / "one" / "evaluation.md").read_text()
    assert page.count("## Case") == 2
    assert "references' mean reward is 0.667" in page
    shown = capsys.readouterr().out
    assert "40 held-out prompts, sampled at temperature 1.0" in " ".join(shown.split())
    assert "-0.000" not in shown


def test_the_distance_from_the_base_is_measured_at_the_temperature_of_sampling(runs, tmp_path):
    flags = ["--temperature", "0.5", "--max-eval-prompts", "8", "--resamples", "20", "--output-dir", str(tmp_path)]
    assert main([str(runs / "two"), *flags]) == 0
    assert abs(figures_of(tmp_path)["base"]["KL"][0]) < 1e-5  # from itself; at two temperatures it would be far


def test_two_runs_stand_side_by_side_and_order_does_not_change_them(runs, tmp_path):
    one, two = str(runs / "one"), str(runs / "two")
    flags = ["--temperature", "0", "--max-eval-prompts", "12", "--per-device-eval-batch-size", "5", "--output-dir"]
    assert main([one, two, *flags, str(tmp_path / "a" / "b")]) == 0
    assert main([two, one, *flags, str(tmp_path / "c")]) == 0
    figures = figures_of(tmp_path / "a" / "b")
    assert list(figures) == ["base", "grao, repaired (one)", "sft (two)"]
    assert figures == figures_of(tmp_path / "c")
    assert figures["grao, repaired (one)"]["reward"][0] > figures["base"]["reward"][0]
    assert not any(name.startswith("KL") for each in figures.values() for name in each)  # greedy has none


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name at least one run's folder, such as runs/1"),
        (["nowhere"], "nowhere is no run's folder: it has no config.yaml"),
        (["bare"], "bare has no model: a run saves one at its end"),
        (["one", "bandit"], "model_name_or_path is 'tiny' in one and 'tabular' in bandit"),
        (["bandit"], "a bandit's policy is known exactly: there is nothing to sample"),
        (["one", "--reward-funcs", "exact"], "sorting has its own rule, and no other can be told of it"),
        (["one", "--per-device-eval-batch-size", "0"], "per_device_eval_batch_size must be a finite number > 0, got 0"),
        (["one", "--temperature", "-1"], "temperature must be a finite number > 0, got -1"),
    ],
)
def test_what_cannot_be_evaluated_is_one_line_and_exit_code_2(runs, arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    (runs / "bare").mkdir(exist_ok=True)
    (runs / "bare" / "config.yaml").write_text("max_steps: 3\n")
    (runs / "bandit" / "model").mkdir(parents=True, exist_ok=True)
    (runs / "bandit" / "config.yaml").write_text(
        "model_name_or_path: tabular\ndataset_name: bandit\nmax_grad_norm: 0\noptimizer: sgd\n"
    )
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert message in shown
    assert shown.count("\n") == 1
    assert not (runs / "nowhere").exists()


def test_runs_that_held_out_other_prompts_are_not_compared(runs, tmp_path, capsys):
    for seed in (0, 1):
        (tmp_path / str(seed) / "model").mkdir(parents=True)
        (tmp_path / str(seed) / "config.yaml").write_text(
            f"model_name_or_path: smollm2\ndataset_name: gsm8k\nseed: {seed}\n"
        )
    with pytest.raises(SystemExit):
        main([str(tmp_path / "0"), str(tmp_path / "1")])
    assert "same held-out prompts: seed is 0 in" in capsys.readouterr().err
