"""The ledger's figures as data inside a page: whole, or the first panel made small."""

import base64
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from tutorials.sources import HERE

FIGURES = HERE.parent / "theory" / "figures"
PANEL = (440, 330)  # about the size of a figure's panel: theory/figures.py


def panels(size: int, axis: int = 0) -> int:
    """How many panels stand side by side (axis 0) or one below the other (1) in so many pixels.

    >>> panels(500), panels(940), panels(1380), panels(700, 1)
    (1, 2, 3, 2)
    """
    return max(1, round((size - 50) / PANEL[axis]))


def image(path: Path, width: int = 0) -> str:
    """A figure as data; with a width, its first panel alone, made smaller."""
    return _image(path.read_bytes(), width)


@cache  # a second build in the same process has the same figures
def _image(data: bytes, width: int) -> str:
    from PIL import Image

    with Image.open(BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    if width:
        picture = first_panel(picture)
        height = round(picture.height * width / picture.width)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    small = BytesIO()
    picture.quantize(128 if width else 256).save(small, "PNG", optimize=True)
    coded = base64.b64encode(small.getvalue()).decode()
    return f'width="{picture.width}" height="{picture.height}" src="data:image/png;base64,{coded}"'


def first_panel(picture: Any) -> Any:
    """The upper left panel, cut where a column and a row of pixels are white."""
    grey = picture.convert("L")
    ends = []
    for axis, size in enumerate(picture.size):
        count = panels(size, axis)
        end = size
        if count > 1:
            near = size // count
            reach = near // 6
            places = sorted(
                range(near - reach, near + reach), key=lambda at: abs(at - near)
            )
            blank = (
                at
                for at in places
                if grey.crop(
                    (at, 0, at + 1, grey.height)
                    if axis == 0
                    else (0, at, grey.width, at + 1)
                ).getextrema()[0]
                > 250
            )
            end = next(blank, near)
        ends.append(end)
    return picture.crop((0, 0, *ends))
