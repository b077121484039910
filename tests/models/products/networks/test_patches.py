import pytest
import torch

from crisol.models.products.networks.patches import Patches, scaled_pixels


@pytest.mark.parametrize(("patch", "side"), [(4, 8), (8, 4), (16, 2)])
def test_a_token_for_every_patch_at_its_row_and_column(patch, side):
    tokens, patch_positions = Patches(patch, 32)(torch.zeros(2, 3, 32, 32))
    assert tokens.shape == (2, side * side, 32)
    assert patch_positions.tolist() == [
        [row, column] for row in range(side) for column in range(side)
    ]


def test_a_patch_must_be_a_power_of_two():
    with pytest.raises(ValueError, match="patch"):
        Patches(12, 32)


def test_bytes_become_numbers_around_zero():
    pixels = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 4, 4, 3)
    images = scaled_pixels(pixels)
    assert images.shape == (2, 3, 4, 4)
    assert images[:, 0, 0, 0].tolist() == [-1, 1]
