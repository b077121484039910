"""Which family a dataset belongs to, and the options it may have."""

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from crisol import models
from crisol.core.data.profile import DatasetOptions
from crisol.core.errors import FieldError
from crisol.platform.datasets.families import checked_options, dataset_family, default_family


class ShopOptions(DatasetOptions):
    currency: str = ""


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second family that takes datasets."""
    family, names = models.family, models.family_names()
    front = SimpleNamespace(DatasetOptions=ShopOptions)
    monkeypatch.setattr(models, "family_names", lambda: (*names, "shop"))
    monkeypatch.setattr(models, "family", lambda name: front if name == "shop" else family(name))


def test_the_only_family_is_the_datasets() -> None:
    assert models.dataset_families() == ("tabular",)
    assert default_family() == dataset_family(None) == dataset_family("tabular") == "tabular"
    for name in ("signals", "nobody"):
        with pytest.raises(FieldError, match="takes no datasets; these do: tabular") as caught:
            dataset_family(name)
        assert caught.value.field == "family"


def test_of_several_the_request_names_one_or_the_default_is_taken(shop, monkeypatch) -> None:
    assert (dataset_family("shop"), dataset_family(None)) == ("shop", "tabular")
    assert checked_options("shop", {"currency": "EUR"}).given() == {"currency": "EUR"}
    monkeypatch.setattr(models.family("tabular").DatasetOptions, "default_family", False)
    with pytest.raises(FieldError, match="name one of: tabular, shop"):
        dataset_family(None)


def test_wrong_options_are_named_with_their_place() -> None:
    given = {"colour": 1, "read": {"delimiter": "ab"}, "file": "/etc/passwd"}
    with pytest.raises(ValidationError) as caught:
        checked_options("tabular", given)
    places = {".".join(map(str, error["loc"])) for error in caught.value.errors()}
    assert places == {"options.colour", "options.read.delimiter", "options.file"}
