"""Pickled weights to safetensors, once, without running anything from the pickle."""

from pathlib import Path

from crisol.core.backbones.origins import WeightsError

PICKLED = (".pth", ".pt", ".bin", ".ckpt")
WEIGHTS = "model.safetensors"


def unpickle(folder: Path) -> None:
    """Replace the pickled weights of a folder, if it has any, by ``model.safetensors``.

    The pickle is read with ``weights_only=True``: tensors and containers, no code.

    Raises:
        WeightsError: there is more than one, or it holds anything but named tensors.
    """
    pickled = sorted(path for path in folder.iterdir() if path.suffix in PICKLED)
    if not pickled:
        return
    if (folder / WEIGHTS).is_file():
        for path in pickled:
            path.unlink()
        return
    if len(pickled) > 1:
        raise WeightsError(f"{folder}: weights in several pickled files are not read")
    import torch
    from safetensors.torch import save_file

    try:
        state = torch.load(pickled[0], map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - whatever a damaged or hostile file raises
        raise WeightsError(
            f"{pickled[0].name} holds more than tensors, or is damaged ({type(error).__name__}); "
            "it was not read. Use weights in safetensors"
        ) from None
    tensors = {
        str(name): value.contiguous().clone()
        for name, value in (state.items() if isinstance(state, dict) else ())
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise WeightsError(f"{pickled[0].name} holds no named tensors")
    save_file(tensors, folder / WEIGHTS)
    pickled[0].unlink()
