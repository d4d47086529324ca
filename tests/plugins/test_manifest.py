"""A checkpoint that is not as it was written, to the last bit, is known; one that is, is whole."""

import json
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from grao_ref.plugins.manifest import DamagedError, read_manifest, require_whole, seal


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(0, 2, dtype=torch.bfloat16)}
    save_file(tensors, folder / "model.safetensors")
    save_file({"a": torch.ones(2, 3)}, folder / "training.safetensors")
    (folder / "empty.txt").touch()
    (folder / "deep").mkdir()
    (folder / "deep" / "words.txt").write_text("words\n")
    seal(folder, {"step": 3, "config": {"seed": 0, "text": "ü \ud800"}})
    return folder


FILES = ("model.safetensors", "training.safetensors", "deep/words.txt", "manifest.json")


def test_a_folder_as_it_was_written_is_whole_and_says_what_it_holds(sealed):
    manifest = require_whole(sealed)
    assert manifest["step"] == 3
    assert manifest["files"].keys() == {"model.safetensors", "training.safetensors", "empty.txt", "deep/words.txt"}
    assert manifest["files"]["model.safetensors"]["tensors"] == {"a": ["F32", [2, 3]], "b": ["BF16", [0, 2]]}
    (sealed / "added").touch()  # is nobody's business
    require_whole(sealed)


@given(file=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(file, place, bit, sealed, tmp_path_factory):
    def flip(content):
        content[int(place * len(content))] ^= 1 << bit

    assert_found(sealed, tmp_path_factory, file, flip)


@given(file=st.sampled_from(FILES), length=st.floats(0, 1, exclude_max=True))
def test_any_cut_and_any_tail_of_zeros_is_found(file, length, sealed, tmp_path_factory):
    def cut(content):
        del content[int(length * len(content)) :]

    def zeros(content):
        tail = len(content) - max(int(length * len(content)), 1)
        content[-tail:] = bytes(tail)

    for change in (cut, zeros):
        assert_found(sealed, tmp_path_factory, file, change)


def assert_found(sealed, tmp_path_factory, file, change):
    folder = tmp_path_factory.mktemp("damaged") / "it"
    shutil.copytree(sealed, folder)
    before = (folder / file).read_bytes()
    content = bytearray(before)
    change(content)
    (folder / file).write_bytes(content)
    if bytes(content) == before:  # zeros in place of zeros
        require_whole(folder)
        return
    with pytest.raises(DamagedError):
        require_whole(folder)
    (folder / file).write_bytes(before)
    require_whole(folder)  # control


@pytest.mark.parametrize("file", [*FILES, "empty.txt"])
def test_a_missing_file_and_one_in_place_of_another_are_named(file, sealed, tmp_path):
    for change in ("missing", "folder", "other"):
        folder = tmp_path / change
        shutil.copytree(sealed, folder)
        (folder / file).unlink()
        if change == "folder":
            (folder / file).mkdir()
        elif change == "other":
            shutil.copy(sealed / ("deep/words.txt" if file != "deep/words.txt" else "model.safetensors"), folder / file)
        with pytest.raises(DamagedError, match=file.replace(".", r"\.")):
            require_whole(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"sha256": 1}', "[" * 100_000, "\xff"])
def test_what_is_no_manifest_is_said(text, sealed, tmp_path):
    folder = tmp_path / "it"
    shutil.copytree(sealed, folder)
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        read_manifest(folder)


def test_a_manifest_that_was_edited_by_hand_is_another_one(sealed, tmp_path):
    folder = tmp_path / "it"
    shutil.copytree(sealed, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest))  # control: the same with other blanks
    require_whole(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest | {"step": 4}))
    with pytest.raises(DamagedError, match="has changed since it was written"):
        require_whole(folder)
