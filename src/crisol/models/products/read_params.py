"""The reading options of catalogues: those of every table, and the exports of shops."""

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator

from crisol.core.data.read_params import Format, ReadParams
from crisol.core.params import Words

ShopFormat = Literal["shopify", "woocommerce", "google_merchant"]
SHOP_FORMATS: tuple[ShopFormat, ...] = ("shopify", "woocommerce", "google_merchant")


MARK_WORDS = {"point": ".", "comma": ",", "semicolon": ";"}


def mark_of_word(word: Any) -> Any:
    """The mark that a word stands for; command lines cannot hold a comma in a value."""
    return MARK_WORDS.get(word, word) if isinstance(word, str) else word


DecimalMark = Annotated[Literal[".", ","], BeforeValidator(mark_of_word)]
"""The mark before a fraction; ``point`` and ``comma`` are taken, too."""


class CatalogueReadParams(ReadParams):
    """The format of a catalogue or of pairs; fields that are ``None`` are detected, and told."""

    format: Format | ShopFormat = "auto"  # type: ignore[assignment]  # it has more formats
    """``auto`` recognises the exports of shops by their headers; ``csv`` reads every row as it
    stands."""
    missing: Words = ("",)
    """Ids are text, and ``NA`` is a word."""
    decimal: DecimalMark | None = None
    """The decimal mark of prices, ratings and votes, ``point`` or ``comma``."""

    def of_table(self) -> ReadParams:
        """The options with which the table is read that an export is in, too."""
        values = {name: getattr(self, name) for name in ReadParams.model_fields}
        form = "auto" if self.format in SHOP_FORMATS else cast("Format", self.format)
        return ReadParams.model_validate({**values, "format": form})
