"""The size of the network and the length of its training, where the parameters leave them open.

A small network that sees the products often learns more from few of them; the measured settings of
the sample (240 products) hold up to :data:`FEW` products, those of the public catalogues above.
"""

from typing import Any

from crisol.models.products.params import ModelParams, TrainParams

FEW = 2_000
"""Below so many products, the network is ``tiny``."""
_SHORT: dict[str, Any] = {"epochs": 40, "batch_size": 32, "learning_rate": 2e-3}
"""The loop for so few products; a loop that sets one of these is left as it is."""


def sized(
    products: int, model: ModelParams, train: TrainParams
) -> tuple[ModelParams, TrainParams, str]:
    """The sections with a network and a loop for so many products, and the sentence that tells it.

    Values that the parameters set stay; the sentence is empty where all of them do.
    """
    told = []
    network = model.network
    if network.preset is None:
        preset = "tiny" if products < FEW else "base"
        network = network.model_copy(update={"preset": preset})
        model = model.model_copy(update={"network": network})
        told.append(f"the network is {preset} (products.model.network.preset)")
    if products < FEW and not _SHORT.keys() & train.model_fields_set:
        train = train.model_copy(update=_SHORT)
        values = ", ".join(f"{name} {value:g}" for name, value in _SHORT.items())
        told.append(f"training has {values} (products.train)")
    if not told:
        return model, train, ""
    return model, train, f"For {products:,} products, {' and '.join(told)}."
