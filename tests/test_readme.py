"""README and the pages that it leads to: short, what they name is there, commands parse, numbers have their source."""

import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from grao_ref.settings.evaluation import DEFAULT
from grao_ref.settings.flags import parse, parse_alone
from grao_ref.settings.head import HeadSettings
from grao_ref.settings.presets import PRESETS
from theory.report import verdicts_in
from tutorials import pictures, side_by_side
from tutorials.sources import HERE, pages, tutorials

ROOT = HERE.parent
README = (ROOT / "README.md").read_text()
PAGES = {source.path.stem: source.path.read_text() for source in pages()}
MOVED = ("from_the_paper_to_the_code", "the_house", "the_laboratory", "train_your_own_model", "what_to_expect")
TEXTS = {"README": README} | {name: PAGES[name] for name in MOVED}
LEDGER = (ROOT / "theory" / "REPORT.md").read_text()
MAKE = re.compile(r'make (train|evaluate) ARGS="?((?<=")[^"]*|[^"\s`]*)')
TYPED = re.compile(r"(?:python -m grao_ref\.|-m grao_ref\.)(train|evaluate|reward_head)( [^\n#`]*|$)", re.MULTILINE)
by_text = pytest.mark.parametrize("name", TEXTS)


def folder_of(name: str) -> Path:
    """Where the links of a text begin."""
    return ROOT if name == "README" else HERE / "pages"


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Command and flags of each line that a reader may type."""
    joined = text.replace("\\\n", " ")
    found = [(command, shlex.split(flags)) for command, flags in MAKE.findall(joined)]
    return found + [(command, shlex.split(flags)) for command, flags in TYPED.findall(joined)]


def understood(command: str, words: list[str]) -> None:
    """Parse the flags; exits with code 2 on what can't be used."""
    if command == "train":
        parse(words, PRESETS, module="grao_ref.train", description="")
    elif command == "evaluate":
        parse_alone(words, DEFAULT, module="grao_ref.evaluate", description="", positional="models")
    else:
        parse_alone(words, HeadSettings(), module="grao_ref.reward_head", description="")


def test_readme_is_short():
    assert README.count("\n") <= 130


def test_readme_s_examples_run():
    finetuned, example = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(finetuned.replace("max_steps=20", "max_steps=1"), names)
    assert names["report"].step == 1
    assert "reward" in names["report"].means()
    exec(example, names)
    moved = names["logprobs"].grad.sum(-1)
    assert moved[1] < 0 < moved[0]  # descent raises the best sample and lowers a failure
    of_samples, of_reference = names["weights"]
    assert moved.tolist() == pytest.approx([-weight for weight in (*of_samples.tolist(), of_reference.item())])
    assert (names["beaten"], names["better"]) == (0.25, 0.5)


@by_text
def test_its_commands_parse(name):
    for command, words in commands(TEXTS[name]):
        if not {"--config", "--help", "..."} & set(words):  # a file that a reader has and we have not
            understood(command, words)


def test_the_commands_are_found_and_a_wrong_one_is_refused():
    """The controls of the one above."""
    count = {name: len(commands(text)) for name, text in TEXTS.items()}
    assert count["README"] >= 2
    assert count["train_your_own_model"] >= 18
    assert count["what_to_expect"] >= 5
    assert commands('make train ARGS="--a b"\npython -m grao_ref.train --c \\\n  d  # e') == [
        ("train", ["--a", "b"]),
        ("train", ["--c", "d"]),
    ]
    for command in ("train", "evaluate", "reward_head"):
        with pytest.raises(SystemExit, match="2"):
            understood(command, ["--no-such-flag", "1"])


@by_text
def test_make_targets_exist(name):
    targets = set(re.findall(r"^([a-z0-9]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z0-9]+)", TEXTS[name], re.MULTILINE))
    assert named <= targets
    assert named or name in ("from_the_paper_to_the_code", "train_your_own_model")


@by_text
def test_files_that_it_names_exist(name):
    text, folder = TEXTS[name], folder_of(name)
    links = re.findall(r"\]\((?!https?:)([\w./-]+)(?:#[\w-]+)?\)|src=\"([\w./]+)\"", text)
    linked = {path for pair in links for path in pair if path}
    named = set(re.findall(r"`((?:tests|grao_ref|theory|tutorials)/(?!_build)[\w/.]+)`", text))
    assert [path for path in linked if not (folder / path).exists()] == []
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert linked


def test_readme_leads_to_every_tutorial_and_every_page():
    linked = set(re.findall(r"\]\((\w[\w./]+)\)", README))
    assert {"CITATION.cff", "CHANGELOG.md"} <= linked
    assert [each.name for each in tutorials() if f"tutorials/{each.path.name}" not in linked] == []
    assert [each.name for each in pages() if f"tutorials/pages/{each.path.name}" not in linked] == []
    for each in tutorials():
        assert f"- {each.name[:2]} [{each.title}](tutorials/{each.path.name}): " in README


@pytest.mark.parametrize(
    ("text", "pattern", "least"),
    [
        (README, r"- \[([\w-]+)\]\(theory/REPORT\.md#([\w-]+)\) \*\*([\w ]+)\*\*: ", 5),
        (PAGES["from_the_paper_to_the_code"], r"\*\*([\w-]+)\*\*, [^\n]*\[([\w ]+)\]\(\.\./\.\./theory/REPORT\.md#", 8),
    ],
    ids=["README", "from_the_paper_to_the_code"],
)
def test_its_verdicts_are_the_ledger_s(text, pattern, least):
    found = [(match[0], match[-1]) for match in re.findall(pattern, text)]
    assert len(found) >= least
    verdicts = verdicts_in(LEDGER)
    assert [(id, verdict) for id, verdict in found if verdicts[id] != verdict] == []


def test_every_row_of_the_ledger_that_a_text_names_is_there():
    rows = set(verdicts_in(LEDGER))
    for name, text in TEXTS.items():
        named = set(re.findall(r"\b(?:eq|thm|claim|exp|table|figure)-(?:\d+|[a-z]+)\b", text))
        named -= {"exp-", "table-of"}
        assert named <= rows, name
        anchors = re.findall(r"REPORT\.md#([\w-]+)", text)
        assert [each for each in anchors if f"\n## {each}\n" not in LEDGER] == []


def test_the_rows_of_output_and_the_pictures_are_the_recorded_run_s():
    record = json.loads(pictures.RECORD.read_text())
    rows = [
        f"  {prompt}   {old}      {earned:.2f}   {new}     {earns:.2f}\n"
        for prompt, old, earned, new, earns in record["greedy"]
    ]
    assert len(rows) == 3
    assert "".join(rows) in README
    assert "".join(rows) in PAGES["what_to_expect"]
    tried = {row["step"]: row["eval_reward"] for row in record["steps"] if "eval_reward" in row}
    passes = f"passes the references' {record['references']:.2f} by step 10"
    assert f"starts at {tried[0]:.2f}, {passes} and ends at {tried[200]:.2f}." in README
    assert tried[0] < record["references"] < tried[10]
    cells = "   ".join(f"{tried[step]:9.3f}" for step in (50, 100, 200))
    assert re.search(rf"grao, repaired +{tried[0]:.3f} +{' +'.join(cells.split())}", PAGES["what_to_expect"])
    change = dict(zip(*record["prompts"][0]["answers"]["reference"], strict=True))
    assert min(change, key=change.get) == "9"
    assert f"only the wrong 9 becomes less likely, by {-change['9']:.1f};" in README


def test_the_pictures_are_of_that_run_small_white_and_have_words():
    sizes = []
    for path in (pictures.TRAINING, pictures.TOKENS):
        with Image.open(path) as opened:
            assert opened.text["record"] == pictures.fingerprint(), "python -m tutorials.pictures"
            assert opened.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
            assert opened.width >= 720
        sizes.append(path.stat().st_size)
        (alt,) = re.findall(rf'<img src="{path.relative_to(ROOT)}" width="\d+" alt="([^"]+)">', README)
        assert 60 < len(alt) < 300
    assert sum(sizes) < 150_000


def test_the_tables_of_all_methods_are_the_record_s():
    record = json.loads(side_by_side.RECORD.read_text())
    page = PAGES["what_to_expect"].replace("**GRAO, repaired** (default)", "GRAO, repaired")
    for rows in (side_by_side.sorting_rows(record), side_by_side.bandit_rows(record)):
        assert side_by_side.markdown(rows) in page
    last = {row[0]: row[-1].split(" ")[0] for row in side_by_side.sorting_rows(record)}
    sentence = (
        f"DPO earns {last['DPO']}, SFT {last['SFT']}, which is about what its references earn (0.667), "
        f"PPO {last['PPO']}, GRPO {last['GRPO']} and GRAO {last['GRAO, repaired']};"
    )
    assert sentence in README
    assert f"falls back to {last['GRAO, as printed']}," in README
    seeds = record["sorting"]["rewards"]
    assert {len(values) for steps in seeds.values() for values in steps.values()} == {5}
    assert side_by_side.SORTING in page
    assert side_by_side.BANDIT in page
