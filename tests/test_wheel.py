"""A wheel and a source distribution hold what they need: built without a network, installed elsewhere, and run."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAPERS = ("pyproject.toml", "README.md", "LICENSE")
BUILD = "import sys, setuptools.build_meta as backend; getattr(backend, sys.argv[1])(sys.argv[2])"


def run(*words, cwd, **environment):
    """What a command prints; an error shows all that it said."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The project's files, in a folder that a build may write into."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "grao_ref", folder / "grao_ref", ignore=shutil.ignore_patterns("__pycache__"))
    for name in PAPERS:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    run(*pip, "--wheel-dir", folder, ".", cwd=source)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the wheel and its command; everything else comes from the environment of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder]
    run(*pip, wheel, cwd=folder)
    return folder


def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        (metadata,) = (opened.read(n).decode() for n in opened.namelist() if n.endswith(".dist-info/METADATA"))
    listed = (path for path in (ROOT / "grao_ref").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert names == {path.relative_to(ROOT).as_posix() for path in listed}
    assert {"grao_ref/py.typed", "grao_ref/policies/tiny/model.safetensors", "grao_ref/__main__.py"} <= names
    for line in (
        "Name: grao_ref",
        "License-Expression: Apache-2.0",
        "Author: The grao_ref contributors",
        "Project-URL: Paper, https://arxiv.org/abs/2508.07750",
        "Classifier: Typing :: Typed",
        "Requires-Python: >=3.11",
    ):
        assert f"\n{line}\n" in metadata, line


def test_the_source_distribution_makes_the_same_wheel(source, wheel, tmp_path):
    run(sys.executable, "-c", BUILD, "build_sdist", tmp_path, cwd=source)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    run(sys.executable, "-c", BUILD, "build_wheel", tmp_path, cwd=folder)
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert set(first.namelist()) == set(second.namelist())


def test_the_installed_commands_train_and_evaluate_in_an_empty_folder(installed, tmp_path):
    """Not with the package of the checkout: that would find files that the wheel lacks."""
    place = {"PYTHONPATH": str(installed)}
    code = "import grao_ref, pathlib; print(pathlib.Path(grao_ref.__file__).parent)"
    assert run(sys.executable, "-c", code, cwd=tmp_path, **place).strip() == str(installed / "grao_ref")
    grao = installed / "bin" / "grao"
    small = ["--num-generations", "2", "--per-device-train-batch-size", "4", "--max-eval-prompts", "4"]
    run(grao, "train", "--max-steps", "3", *small, cwd=tmp_path, **place)
    rows = (tmp_path / "runs" / "1" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [0, 1, 2, 3]
    assert (tmp_path / "runs" / "1" / "model" / "model.safetensors").exists()
    run(sys.executable, "-m", "grao_ref", "evaluate", "runs/1", "--resamples", "10", cwd=tmp_path, **place)
    metrics = json.loads((tmp_path / "runs" / "1" / "evaluation.json").read_text())
    assert len(metrics) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}
    done = subprocess.run(
        [str(grao), "train", "--max-steps", "none"],
        cwd=tmp_path,
        env=os.environ | place,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2  # the control: an error is an error here too
