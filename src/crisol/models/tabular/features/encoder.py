"""Rows to what algorithms see; fitted on training rows, and the same in training and in a bundle.

A table's rows (:meth:`Encoder.transform`) and a request's (:meth:`Encoder.transform_rows`) become
the same numbers, bit for bit; the second needs no pandas.
"""

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from crisol.core.arrays import Floats
from crisol.core.backbone_reference import BackboneReference
from crisol.core.data.cells.dates import DATE_PARTS, date_parts, microseconds
from crisol.core.data.cells.words import same_words
from crisol.models.tabular.features.encoded_rows import MISSING, UNSEEN, Features, Part
from crisol.models.tabular.schema import Column, Schema

if TYPE_CHECKING:
    import pandas as pd

MIN_COUNT = 2
"""A word that fewer training rows have is rare: it is encoded as unseen words will be."""
FEW_ROWS = 100
"""With fewer training rows every word counts."""
MAX_WORDS = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Encoder:
    """The encoding of rows that training rows determine: ranges, words, codes and date parts.

    Attributes:
        schema: with ranges, words and classes of the training rows.
        image_size: S, pixels of each side of the pictures.
        words: of each category column, those that have a code, from 2 on.
        parts: of each date column, which parts it is taken into.
        missing: words that say, as they do where the file is read, that there is no value.
        sentences: the backbone that turns texts into vectors; ``None``: words alone.
    """

    def __init__(
        self,
        schema: Schema,
        image_size: int,
        words: Mapping[str, Sequence[str]],
        parts: Mapping[str, Sequence[str]],
        missing: Sequence[str] = (),
        sentences: BackboneReference | None = None,
    ) -> None:
        """Use :meth:`fit` or :meth:`from_json`."""
        self.missing, self.sentences = frozenset(missing), sentences
        self.schema, self.image_size = schema, image_size
        self.words = {name: tuple(found) for name, found in words.items()}
        self.parts = {name: tuple(found) for name, found in parts.items()}
        self._codes = {name: _codes(found, schema.column(name))
                       for name, found in self.words.items()}  # fmt: skip
        self._numeric = schema.of_kind("number", "boolean", "date")
        self._categories = schema.of_kind("category")
        self._texts = schema.of_kind("text")
        self._images = schema.of_kind("image")[:1]
        self.columns = self._named()

    @classmethod
    def fit(
        cls,
        rows: "pd.DataFrame",
        schema: Schema,
        image_size: int = 32,
        missing: Sequence[str] = (),
    ) -> Self:
        """Look at training rows.

        Args:
            rows: typed by the schema; training rows alone.
            schema: of the whole table.
            image_size: of the pictures in the table of images.
            missing: words that the file's reader took for no value
                (:class:`crisol.core.data.read_params.ReadParams`); one that stands in a
                cell all the same, as it may in Parquet, is a word.
        """
        from crisol.models.tabular.data.columns.column_types import statistics

        columns, words, parts, none = [], {}, {}, set(missing)
        fewest = MIN_COUNT if len(rows) >= FEW_ROWS else 1
        for column in schema.columns:
            if column.role == "ignore":
                columns.append(column)
                continue
            there = rows[column.name].dropna()
            seen: dict[str, Any] = {"missing": 1 - len(there) / max(1, len(rows))}
            if len(there):
                seen |= statistics(there, column.kind)
            if column.role == "target" and schema.task != "regression":
                seen["categories"] = tuple(sorted(there.astype(str).unique()))
            columns.append(column.model_copy(update=seen))
            if column.role == "feature" and column.kind in ("category", "text"):
                none.difference_update(there.astype(str).unique())
            if column.role == "feature" and column.kind == "category":
                counts = Counter(there.astype(str).tolist())
                order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
                words[column.name] = [w for w, n in order if n >= fewest][:MAX_WORDS]
            if column.role == "feature" and column.kind == "date":
                timed = bool((there != there.dt.normalize()).any())
                parts[column.name] = [p for p in DATE_PARTS if timed or p != "hour"]
        fitted = schema.model_copy(update={"columns": tuple(columns), "rows": len(rows)})
        return cls(fitted, image_size, words, parts, sorted(none))

    def _named(self) -> dict[str, tuple[str, ...]]:
        """Names of the features that each column becomes; no two are the same.

        The month of a date ``d`` is ``d.month``, or ``d..month`` beside a column of that name.
        """
        taken = {column.name for column in self.schema.features}
        named = {}
        for column in self.schema.features:
            names: tuple[str, ...] = (column.name,)
            if column.kind == "date":
                stem = column.name
                while not taken.isdisjoint(names := self._part_names(column, stem)):
                    stem += "."
                taken.update(names)
            named[column.name] = names
        return named

    def _part_names(self, column: Column, stem: str) -> tuple[str, ...]:
        return tuple(f"{stem}.{part}" for part in self.parts[column.name])

    def source(self, feature: str) -> str:
        """The column that a feature was made of.

        Raises:
            KeyError: there is no such feature.
        """
        found = next((c for c, names in self.columns.items() if feature in names), None)
        if found is None:
            raise KeyError(feature)
        return found

    def transform(self, rows: "pd.DataFrame", images: "pd.DataFrame | None" = None) -> Features:
        """Rows of a table, as :func:`crisol.models.tabular.data.prepare.clean` types them.

        Args:
            rows: N rows.
            images: their pictures; needed where a column holds any.

        Raises:
            BackboneError: the backbone of the sentence vectors is missing or changed.
        """
        numbers = []
        for column in self._numeric:
            cells = rows[column.name]
            if column.kind == "number":
                numbers.append(cells.to_numpy(np.float64)[:, None])
            elif column.kind == "boolean":
                yes = cells.astype("boolean").astype("Float64")
                numbers.append(yes.to_numpy(np.float64, na_value=nan)[:, None])
            else:
                numbers.append(self._dates(column, *_moments(cells)))
        codes = [self._coded(column, rows[column.name]) for column in self._categories]
        texts = [
            self._written(rows[c.name].astype(object).where(rows[c.name].notna(), None).tolist())
            for c in self._texts
        ]
        pixels = None
        if self._images:
            pixels = self._pixels(rows[self._images[0].name], images)
        features = self._features(len(rows), numbers, codes, texts, pixels)
        if self.sentences is None:
            return features
        from crisol.core.backbones.cached import text_vectors

        return features.with_sentences(partial(text_vectors, self.sentences))

    def transform_rows(self, rows: Sequence[Mapping[str, Any]]) -> Features:
        """Rows of a request: JSON's values by the column's name, absent or ``None`` where missing.

        Of a category whole numbers and booleans are taken, too, as a file would write them.
        Pictures are a file's bytes, or pixels uint8 [S, S, 3].

        Raises:
            FieldError: a picture is none.
            BackboneError: the backbone of the sentence vectors is missing or changed.
        """
        numbers = []
        for column in self._numeric:
            cells = _sent(rows, column)
            if column.kind == "date":
                form = column.date_format
                found = [None if c is None else microseconds(str(c), form) for c in cells]
                missing = np.array([f is None for f in found], bool)
                moments = np.array([0 if f is None else f for f in found], np.int64)
                numbers.append(self._dates(column, moments, missing))
            else:
                numbers.append(np.array([_number(c) for c in cells], np.float64)[:, None])
        codes = []
        for column in self._categories:
            known = self._codes[column.name]
            cells = _sent(rows, column)
            coded = [self._code(c, known, column) for c in cells]
            codes.append(np.array(coded, np.int32))
        texts = [self._written(_sent(rows, column)) for column in self._texts]
        pixels = None
        if self._images:
            name = self._images[0].name
            pixels = np.zeros((len(rows), self.image_size, self.image_size, 3), np.uint8)
            for at, row in enumerate(rows):
                cell = row.get(name)
                if cell is not None:
                    pixels[at] = self._decoded(cell, name)
        features = self._features(len(rows), numbers, codes, texts, pixels)
        if self.sentences is None:
            return features
        from crisol.core.backbones.text_encoder import text_encoder

        return features.with_sentences(text_encoder(self.sentences).encode)

    def target(self, rows: "pd.DataFrame") -> NDArray[np.int64] | Floats | None:
        """Codes of the classes [N] (-1: no class of the training rows), numbers [N], or nothing."""
        column = self.schema.target
        if column is None:
            return None
        cells = rows[column.name]
        if self.schema.task == "regression":
            return cells.to_numpy(np.float64)
        known = {word: code for code, word in enumerate(self.schema.classes)}
        return np.asarray(cells.astype(object).map(known).fillna(-1), np.int64)

    def part(self, rows: "pd.DataFrame", images: "pd.DataFrame | None" = None) -> Part:
        """Features and target of rows."""
        return Part(self.transform(rows, images), self.target(rows))

    def requests(
        self, rows: "pd.DataFrame", images: "pd.DataFrame | None" = None
    ) -> list[dict[str, Any]]:
        """Rows as they would be sent: JSON's values by the column's name, pictures as base64."""
        found: list[dict[str, Any]] = [{} for _ in range(len(rows))]
        for column in self.schema.features:
            cells = rows[column.name]
            if column.kind == "image":
                sent = [None] * len(rows) if images is None else self._sent(cells, images)
            else:
                there = cells.notna()
                sent = [
                    _json(column, cell) if known else None
                    for cell, known in zip(cells.astype(object), there, strict=True)
                ]
            for row, cell in zip(found, sent, strict=True):
                row[column.name] = cell
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        sentences = {} if self.sentences is None else {"sentences": self.sentences.to_json()}
        return {
            "schema": self.schema.model_dump(mode="json"),
            "image_size": self.image_size,
            "words": {name: list(words) for name, words in self.words.items()},
            "parts": {name: list(parts) for name, parts in self.parts.items()},
            "missing": sorted(self.missing),
            **sentences,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`."""
        schema = Schema.model_validate(state["schema"])
        missing = state.get("missing", ())  # models of before know none
        stored = state.get("sentences")
        sentences = None if stored is None else BackboneReference.from_json(stored)
        return cls(schema, state["image_size"], state["words"], state["parts"], missing, sentences)

    def with_sentences(self, reference: BackboneReference) -> Self:
        """The same encoding, with sentence vectors of the texts beside their words."""
        return type(self)(
            self.schema, self.image_size, self.words, self.parts, sorted(self.missing), reference
        )

    def _features(
        self,
        count: int,
        numbers: list[Floats],
        codes: list[NDArray[np.int32]],
        texts: list[NDArray[np.object_]],
        pixels: NDArray[np.uint8] | None,
    ) -> Features:
        return Features(
            numbers=np.concatenate(numbers, axis=1) if numbers else np.empty((count, 0)),
            codes=np.stack(codes, axis=1) if codes else np.empty((count, 0), np.int32),
            texts=np.stack(texts, axis=1) if texts else np.empty((count, 0), object),
            images=pixels,
            number_names=tuple(n for c in self._numeric for n in self.columns[c.name]),
            code_names=tuple(c.name for c in self._categories),
            cardinalities=tuple(len(self.words[c.name]) + UNSEEN + 1 for c in self._categories),
            text_names=tuple(c.name for c in self._texts),
        )

    def _dates(
        self, column: Column, moments: NDArray[np.int64], missing: NDArray[np.bool_]
    ) -> Floats:
        wanted = [DATE_PARTS.index(part) for part in self.parts[column.name]]
        return date_parts(moments, missing)[:, wanted]

    def _coded(self, column: Column, cells: "pd.Series[Any]") -> NDArray[np.int32]:
        import pandas as pd

        places, words = pd.factorize(cells.astype(object))
        known = self._codes[column.name]
        codes = np.array([*(self._code(word, known, column) for word in words), MISSING], np.int32)
        return codes[places]  # -1, of a missing cell, is the last

    def _code(self, cell: str | float | None, known: Mapping[str, int], column: Column) -> int:
        """A word's code; blanks around it do not count, as they do not where a file is read."""
        if cell is None:
            return MISSING
        if cell in known and isinstance(cell, str):
            return known[cell]
        words = same_words(cell)
        if column.merge_case:
            words = (*words, *(word.casefold() for word in words))
        found = next((known[word] for word in words if word in known), UNSEEN)
        none = not words[0] or (found == UNSEEN and words[0] in self.missing)
        return MISSING if none else found

    def _written(self, cells: Sequence[str | None]) -> NDArray[np.object_]:
        """Texts as the model sees them; empty where there is none."""
        none = self.missing
        texts = ["" if c is None or c.strip() in none else c for c in cells]
        return np.array(texts, dtype=object)

    def _pixels(self, keys: "pd.Series[Any]", images: "pd.DataFrame | None") -> NDArray[np.uint8]:
        if images is None:
            raise ValueError("a table with pictures is encoded with its images")
        size = self.image_size
        known = dict(zip(images["image"], images["pixels"], strict=True))
        pixels = np.zeros((len(keys), size, size, 3), np.uint8)
        for at, key in enumerate(keys):
            if key in known:
                pixels[at] = np.frombuffer(known[key], np.uint8).reshape(size, size, 3)
        return pixels

    def _decoded(self, cell: Any, name: str) -> NDArray[np.uint8]:
        if isinstance(cell, np.ndarray):
            return cell
        from crisol.core.data import pictures

        return pictures.decode(cell, self.image_size, name).pixels

    def _sent(self, keys: "pd.Series[Any]", images: "pd.DataFrame") -> list[str | None]:
        from PIL import Image

        there = keys.isin(images["image"])
        sent: list[str | None] = []
        for pixels, known in zip(self._pixels(keys, images), there, strict=True):
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PNG")
            sent.append(base64.b64encode(stream.getvalue()).decode() if known else None)
        return sent


def _sent(rows: Sequence[Mapping[str, Any]], column: Column) -> list[Any]:
    """A column's cells of a request; ``None`` where one says that there is no value."""
    cells = [row.get(column.name) for row in rows]
    if not column.no_value:
        return cells
    none = frozenset(column.no_value)
    return [None if c is None or not none.isdisjoint(same_words(c)) else c for c in cells]


def _codes(words: Sequence[str], column: Column) -> dict[str, int]:
    """The code of each word, and of the spellings that the column takes for it."""
    codes = {word: code for code, word in enumerate(words, start=UNSEEN + 1)}
    other = {spelling: codes[word] for spelling, word in column.merged.items() if word in codes}
    if column.merge_case:
        other = {word.casefold(): code for word, code in codes.items()} | other
    return other | codes


def _number(cell: Any) -> float:
    if cell is None:
        return nan
    value = float(cell)
    return value if isfinite(value) else nan


def _moments(cells: "pd.Series[Any]") -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Microseconds since 1970 and where there are none."""
    missing = cells.isna().to_numpy(bool)
    moments = np.array(cells.astype("datetime64[us, UTC]").astype("int64"), np.int64)
    moments[missing] = 0
    return moments, missing


def _json(column: Column, cell: Any) -> Any:
    """A typed cell, which is not missing, as JSON has it."""
    if column.kind == "number":
        number = float(cell)
        return int(number) if column.integer and number.is_integer() else number
    if column.kind == "boolean":
        return bool(cell)
    if column.kind == "date":
        moment = _EPOCH + timedelta(microseconds=int(cell.value) // 1000)
        midnight = moment == moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return moment.date().isoformat() if midnight else moment.isoformat()
    return str(cell)
