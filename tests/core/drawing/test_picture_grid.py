from io import BytesIO

import numpy as np
import pytest

from crisol.core.drawing.picture_grid import Tile, picture_grid

PICTURE = np.full((8, 8, 3), 200, np.uint8)


def test_every_tile_is_drawn_with_its_caption() -> None:
    rows = [[Tile(PICTURE, ["a" * 40, "second"]), Tile(None, ["none"])], [Tile(PICTURE, ["b"])]]
    figure = picture_grid(rows, title="Shelf")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [len(axes.images) for axes in shown] == [1, 0, 1]
    first = shown[0].get_xlabel()
    assert first.endswith("…\nsecond")
    assert len(first.split("\n")[0]) == 22


def test_dollar_signs_are_no_formula() -> None:
    name = "A$AP \\frac$ bag"
    figure = picture_grid([[Tile(PICTURE, [name]), Tile(None, [], text=name)]], title="Shelf")
    figure.savefig(BytesIO())
    assert figure.axes[0].get_xlabel() == name


def test_an_empty_gallery_is_refused() -> None:
    with pytest.raises(ValueError, match="no picture"):
        picture_grid([], title="Nothing")
