"""The registry: a file for each claim, a claim from a file of one's own, and what registering refuses."""

import importlib.util
import sys
from pathlib import Path

import pytest

import theory.claims
from theory.__main__ import main
from theory.ledger import HOLDS, KINDS, Run, claim, claims, select, settle, withdraw
from theory.report import report

PLUG_IN = '''
from theory.ledger import Check, Finding, Run, claim


@claim("exp-moon", "The moon is nearer than the sun.")
def moon(run: Run) -> Finding:
    """In kilometres, 384,400 against 149,600,000."""
    nearer = Check(
        what="moon over sun", measured=384_400 / 149_600_000, test="<", limit=1.0,
        control="sun over moon", control_measured=149_600_000 / 384_400,
    )
    return Finding("It is.", holds=[nearer])
'''


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_file_holds_the_one_claim_that_its_name_says():
    ours = [each for each in claims().values() if each.source.startswith("theory/")]
    assert len(ours) == len(claims()) > 50
    for each in ours:
        assert each.source == f"theory/claims/{each.id.replace('-', '_')}.py"
    modules = {path.stem for path in Path(theory.claims.__path__[0]).glob("*.py")} - {"__init__"}
    assert modules == {each.id.replace("-", "_") for each in ours}


def test_a_claim_in_a_module_of_one_s_own_is_settled_like_ours(tmp_path):
    before = list(claims())
    path = tmp_path / "my_moon.py"
    path.write_text(PLUG_IN)
    load(path)
    try:
        (mine,) = select(["exp-moon"])
        assert list(claims()) == sorted([*before, "exp-moon"], key=list(claims()).index)
        assert (mine.source, mine.argument) == ("my_moon.py", "In kilometres, 384,400 against 149,600,000.")
        row = settle(mine, Run("quick"))
        assert row.verdict == HOLDS
        assert row.as_json()["source"] == "my_moon.py"
        assert "**holds** · `my_moon.py`" in report([row], "figures")
        assert main(["--only", "exp-moon", "--size", "quick", "--output-dir", str(tmp_path)]) == 0
    finally:
        withdraw("exp-moon")
    assert list(claims()) == before
    with pytest.raises(ValueError, match="no claim 'exp-moon' to withdraw"):
        withdraw("exp-moon")


@pytest.mark.parametrize("id", ["lemma-1", "Appendix", "claim", "eq1", "A", "expert-2", "thm-", "thm-1 ", "A1b"])
def test_an_id_of_an_unknown_kind_is_refused_when_it_is_registered(id):
    before = list(claims())
    with pytest.raises(ValueError, match=f"'{id}' begins with no known kind") as error:
        claim(id, "a statement")
    assert all(kind in str(error.value) for kind in KINDS)
    assert list(claims()) == before


def test_without_sympy_the_command_says_in_one_line_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sympy", None)
    assert main(["--only", "eq-1", "--size", "quick"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "error: the theory laboratory needs sympy: pip install 'grao_ref[theory]'" in said
