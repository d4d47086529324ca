"""CONTRIBUTING, CHANGELOG, the project's metadata and the workflow: what they name is there."""

import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import grao_ref

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
NAMED = re.compile(r"`((?:\.?[\w-]+/)+[\w.]*)`|\]\((?!https?:)([\w./]+)\)")


def missing(text: str) -> list[str]:
    """The files and folders that a text names and that are not there."""
    return [name for pair in NAMED.findall(text) for name in pair if name and not (ROOT / name).exists()]


def test_every_file_that_contributing_and_changelog_name_exists():
    assert missing(CONTRIBUTING + CHANGELOG) == []
    assert len(NAMED.findall(CONTRIBUTING)) > 15
    assert missing("`tests/gone.py`, [a page](tutorials/pages/gone.md)") == ["tests/gone.py", "tutorials/pages/gone.md"]


def test_every_make_target_that_contributing_names_exists():
    targets = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", CONTRIBUTING))
    assert {"check", "test", "theory", "tutorials"} <= named <= targets


def test_what_contributing_says_can_be_registered_is_there():
    for name, path in re.findall(r"`(\w+)` (?:of|in) `(grao_ref/[\w/]+\.py)`", CONTRIBUTING):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text()), f"{name} is not in {path}"


def test_the_changelog_has_this_version_and_what_is_not_released_above_it():
    headings = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(grao_ref.__version__)} - \d{{4}}-\d\d-\d\d", headings[1])
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_package_s_authors_are_its_contributors_and_the_paper_s_are_cited():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert [each["name"] for each in citation["authors"]] == [each["name"] for each in PROJECT["authors"]]
    assert PROJECT["urls"]["Paper"] == citation["preferred-citation"]["url"]
    assert {each["family-names"] for each in citation["preferred-citation"]["authors"]} >= {"Wang", "Yue", "Gu"}


@pytest.mark.parametrize("script", PROJECT["scripts"].values())
def test_a_console_command_leads_to_a_function(script):
    module, name = script.split(":")
    assert callable(getattr(__import__(module, fromlist=[name]), name))


def test_the_workflow_runs_ci_with_a_python_that_the_project_allows_and_without_cuda():
    (job,) = WORKFLOW["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert steps[-1] == ".ci/run"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    (python,) = (step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/setup-python@"))
    assert f">={python['python-version']}" == PROJECT["requires-python"]
    assert python["cache"] == "pip"
    assert all((ROOT / name).exists() for name in python["cache-dependency-path"].split())
    assert job["env"]["PIP_EXTRA_INDEX_URL"].endswith("/whl/cpu")
    assert "chromium" in steps[0]
    assert WORKFLOW["permissions"] == {"contents": "read"}
