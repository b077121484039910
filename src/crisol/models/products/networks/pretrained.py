"""Pre-trained encoders of text and pictures, in place of the network's own first layers.

They are named in the store of backbones, which ``kedro fetch weights`` fills, or by a local
directory; nothing is fetched here. A predictor stores the encoder's configuration, tokenizer and
weights, so that it is loaded again without either.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crisol.core.backbones import store
from crisol.core.errors import MendableError
from crisol.models.products.networks.encoding import Inputs
from crisol.models.products.networks.patches import patch_positions

TEXT, IMAGE = "text_encoder", "image_encoder"
_PREPROCESSING = "preprocessor_config.json"
_MEAN, _SPREAD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_UNREADABLE = (
    "is no directory of a model that the transformers library loads; name one that is, or leave it "
    "out for the network's own layers"
)


class PretrainedTokenizer:
    """The tokenizer of a pre-trained text encoder, as a ``TextTokenizer``."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, name: str | Path) -> "PretrainedTokenizer":
        """The tokenizer of a name or a directory.

        Raises:
            MendableError: there is no such tokenizer.
        """
        from transformers import AutoTokenizer

        folder = encoder_folder(name, TEXT)
        try:
            return cls(AutoTokenizer.from_pretrained(folder, local_files_only=True))
        except (OSError, ValueError) as error:
            raise MendableError(f"model.network.{TEXT}: {str(name)!r} {_UNREADABLE}") from error

    @property
    def size(self) -> int:
        """The size of the vocabulary."""
        return len(self._tokenizer)

    def read(self, texts: Sequence[str], limits: Sequence[int]) -> tuple[list[int], ...]:
        """See ``TextTokenizer``; the tokens stand between the tokenizer's special tokens."""
        tokens: list[int] = []
        fields: list[int] = []
        words: list[int] = []
        for field, (text, limit) in enumerate(zip(texts, limits, strict=True)):
            if not text or not limit:
                continue
            encoding = self._tokenizer(
                text[: 40 * limit], add_special_tokens=False, truncation=True, max_length=limit
            )
            first = words[-1] + 1 if words else 0
            tokens += encoding["input_ids"]
            fields += [field] * len(encoding["input_ids"])
            words += [first + (word or 0) for word in encoding.word_ids()]
        marks = (self._tokenizer.cls_token_id, self._tokenizer.sep_token_id)
        if tokens and None not in marks:
            tokens = [marks[0], *tokens, marks[1]]
            fields = [fields[0], *fields, fields[-1]]
            words = [0, *(word + 1 for word in words), words[-1] + 2]
        return tokens, fields, words

    def write(self, directory: Path) -> None:
        """Write the files that ``AutoTokenizer`` reads."""
        self._tokenizer.save_pretrained(directory / TEXT)

    def digest(self) -> str:
        """See :class:`~crisol.models.products.networks.tokens.TextTokenizer`."""
        vocabulary = json.dumps(self._tokenizer.get_vocab(), sort_keys=True)
        return hashlib.sha256(vocabulary.encode()).hexdigest()


class PretrainedWordReader(nn.Module):
    """A text encoder whose states are projected to the network's dimensions.

    Args:
        model: an ``AutoModel``.
        dimensions: D.
        frozen: leave its weights as they are.
    """

    def __init__(self, model: Any, dimensions: int, *, frozen: bool) -> None:
        super().__init__()
        self.model, self.frozen = model.requires_grad_(not frozen), frozen
        self.project = nn.Linear(model.config.hidden_size, dimensions)

    def forward(self, inputs: Inputs, first_ND: Tensor) -> tuple[Tensor, Tensor]:
        """The states [N, 1 + T, D] and the mask of those present [N, 1 + T]."""
        present = inputs["present"]
        # A product without words is read as one token, which the returned mask excludes.
        seen = present.clone()
        seen[:, 0] |= ~present.any(1)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            found = self.model(input_ids=inputs["tokens"].long(), attention_mask=seen.long())
        states = torch.cat([first_ND[:, None], self.project(found.last_hidden_state)], dim=1)
        return states, F.pad(present, (1, 0), value=True)

    def train(self, mode: bool = True) -> "PretrainedWordReader":
        """Set the mode; a frozen encoder stays in evaluation mode, without dropout."""
        super().train(mode)
        self.model.train(mode and not self.frozen)
        return self


class PretrainedPatchReader(nn.Module):
    """An image encoder whose states are projected to the network's dimensions.

    Args:
        model: an ``AutoModel``.
        dimensions: D.
        preprocessing: ``image_mean`` and ``image_std`` of its pixels in [0, 1].
        frozen: leave its weights as they are.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self, model: Any, dimensions: int, preprocessing: dict[str, Any], *, frozen: bool
    ) -> None:
        super().__init__()
        self.model, self.frozen = model.requires_grad_(not frozen), frozen
        self.preprocessing = preprocessing
        self.project = nn.Linear(model.config.hidden_size, dimensions)
        mean = torch.tensor(preprocessing.get("image_mean") or _MEAN)
        spread = torch.tensor(preprocessing.get("image_std") or _SPREAD)
        self.register_buffer("mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("spread", spread.view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The states [N, P, D] and positions [P, 2] of pictures [N, 3, S, S] in [-1, 1]."""
        size = self.model.config.image_size
        pixels = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        pixels = ((pixels + 1) / 2 - self.mean) / self.spread
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            states = self.model(pixel_values=pixels).last_hidden_state
        side = size // self.model.config.patch_size
        patches = self.project(states[:, -side * side :])  # a class token comes before the patches
        return patches, patch_positions(side, side, images.device)

    def train(self, mode: bool = True) -> "PretrainedPatchReader":
        """See :meth:`PretrainedWordReader.train`."""
        super().train(mode)
        self.model.train(mode and not self.frozen)
        return self


def encoder_folder(name: str | Path, field: str) -> Path:
    """The directory of an encoder: the given one, or that of a name in the store of backbones.

    Raises:
        MendableError: there is neither; the message names the parameter and the command.
    """
    if Path(name).is_dir():
        return Path(name)
    try:
        return store.named(str(name)).folder
    except store.BackboneError as error:
        raise MendableError(
            f"model.network.{field}: {error}; or leave it out for the network's own layers"
        ) from error


def load_encoder(name: str | Path, field: str) -> Any:
    """The pre-trained model of a name or a directory.

    Raises:
        MendableError: there is no such model; the message names the parameter.
    """
    from transformers import AutoModel

    folder = encoder_folder(name, field)
    try:
        return AutoModel.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise MendableError(f"model.network.{field}: {str(name)!r} {_UNREADABLE}") from error


def load_preprocessing(name: str | Path) -> dict[str, Any]:
    """The settings of an image encoder's preprocessing; empty where it has none."""
    path = encoder_folder(name, IMAGE) / _PREPROCESSING
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def write_encoder(model: Any, directory: Path, preprocessing: dict[str, Any] | None = None) -> None:
    """Write the configuration that :func:`empty_encoder` reads; the network stores the weights."""
    model.config.save_pretrained(directory)
    if preprocessing is not None:
        (directory / _PREPROCESSING).write_text(json.dumps(preprocessing))


def empty_encoder(directory: Path) -> tuple[Any, dict[str, Any]]:
    """A stored encoder before its weights are loaded, and its preprocessing."""
    from transformers import AutoConfig, AutoModel

    path = directory / _PREPROCESSING
    preprocessing = json.loads(path.read_text()) if path.is_file() else {}
    config = AutoConfig.from_pretrained(directory)
    return AutoModel.from_config(config), preprocessing  # type: ignore[no-untyped-call]
