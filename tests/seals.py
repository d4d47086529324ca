"""Checkpoints that somebody has changed, and sealed again as if they had been written so."""

from contextlib import contextmanager

from safetensors.torch import load_file, save_file

from grao_ref.plugins.manifest import FILES, MANIFEST, read_manifest, seal


@contextmanager
def resealed(folder):
    """Files, and what the manifest says, may be changed within."""
    about = {name: value for name, value in read_manifest(folder).items() if name != FILES}
    yield about
    (folder / MANIFEST).unlink()
    seal(folder, about)


def without_tensor(file, name):
    """Leave one tensor out of a file of a checkpoint."""
    with resealed(file.parent):
        save_file({each: tensor for each, tensor in load_file(file).items() if each != name}, file)
