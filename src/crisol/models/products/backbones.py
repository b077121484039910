"""The pretrained encoders that the parameters name, as references to the store."""

from dataclasses import dataclass
from typing import Self

from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones import store
from crisol.models.products.linear_params import BackbonesParams


@dataclass(frozen=True)
class Backbones:
    """The encoders of texts and pictures; ``None``: there is none.

    Attributes:
        text: of titles and descriptions.
        picture: of pictures.
    """

    text: BackboneReference | None = None
    picture: BackboneReference | None = None

    @classmethod
    def of(cls, params: BackbonesParams) -> Self:
        """The references of the backbones that the parameters name.

        Raises:
            BackboneError: one is not on this machine, or of another kind; names the command.
        """
        text = None if params.text is None else store.named(params.text, "text")
        picture = None if params.picture is None else store.named(params.picture, "picture")
        return cls(
            None if text is None else text.reference(params.precision),
            None if picture is None else picture.reference(),
        )
