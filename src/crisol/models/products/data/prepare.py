"""Turns raw products and pictures into clean tables, folds and records."""

import logging
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from crisol.core.data.pictures import Image, decode_file
from crisol.core.data.raw_tables import RawTableValidator
from crisol.core.errors import FieldError
from crisol.models.products.data.catalogue_table import ProductsError
from crisol.models.products.data.local_pictures import with_local_pictures
from crisol.models.products.data.records import ProductRecord, attributes_from_json, clean_record
from crisol.models.products.data.taxonomy import SEPARATOR
from crisol.models.products.data.text import hide_words
from crisol.models.products.data.validation import (
    validate_pairs,
    validate_products,
)
from crisol.models.products.params import DataParams
from crisol.models.products.study_params import CrossValidation, RandomSplit, StudyParams

TRAIN, HELPER, TEST = "train", "helper", "test"
EVERYTHING = -1
"""The fold in which every product of the study is training."""
logger = logging.getLogger(__name__)


def clean(
    raw: pd.DataFrame,
    pictures: Path | None,
    params: DataParams,
    notes: list[str] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The canonical tables of raw products.

    Args:
        raw: every cell as text; ``raw.attrs["file"]`` is its name in error messages.
        pictures: the folder that the column ``image`` is relative to; ``None``: none was named.
        params: the section ``products.data``.
        notes: to which the sentences about what was assumed are added.

    Returns:
        Products: the columns of
        :func:`~crisol.models.products.data.validation.validate_products`, in the order of the file.
        Images: ``image``, ``width`` and ``height`` (int32, of the file) and ``pixels`` (bytes of
        [S, S, 3] uint8), each picture once.

    Raises:
        ProductsError: names the file, the row, the rule and the remedy.
    """
    notes = [] if notes is None else notes
    column = params.columns.get("image", "image")
    if column in raw:
        raw = with_local_pictures(raw, column, pictures, notes)
    file = raw.attrs.get("file", "products")
    products = validate_products(raw, params, notes)
    images = _decode_all(products, pictures, file, params)
    logger.info(
        "%d products, %d of them with a picture, %d with a price, %d with a rating",
        len(products),
        int((products["image"] != "").sum()),
        int(products["price"].notna().sum()),
        int(products["rating"].notna().sum()),
    )
    return products, images


def clean_pairs(
    raw: pd.DataFrame, params: DataParams | None = None, notes: list[str] | None = None
) -> pd.DataFrame:
    """The canonical table of raw pairs.

    Returns:
        The columns of :func:`~crisol.models.products.data.validation.validate_pairs`.

    Raises:
        ProductsError: names the row and the rule.
    """
    return validate_pairs(raw, params, notes)


def split(products: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """The role of every product of a study in every fold.

    Cross-validation is scikit-learn's ``StratifiedKFold(folds, shuffle=True)`` by main category,
    with one more fold, :data:`EVERYTHING`, for the registered predictor. A random split is
    scikit-learn's ``train_test_split``. Helpers are never tested, and none has the title of a
    product of the study.

    Args:
        products: as from :func:`clean`.
        study: sources and split.

    Returns:
        ``study``, ``row`` (position in ``products``), ``fold``, ``role`` (train, helper, test):
        for every fold its rows in the order of the table.

    Raises:
        ProductsError: a source without products, or a part of the split without rows.
    """
    own = _rows_of(products, study.sources, study)
    if study.deduplicate:
        own = own[~products["title"].iloc[own].duplicated().to_numpy()]
    helpers = _helpers(products, study, own)
    blocks = [
        pd.DataFrame(
            {
                "row": np.concatenate([own, helpers]),
                "fold": fold,
                "role": np.where(tested, TEST, TRAIN).tolist() + [HELPER] * len(helpers),
            }
        )
        for fold, tested in _folds(products.iloc[own], study)
    ]
    rows = pd.concat(blocks, ignore_index=True).assign(study=study.name)
    return rows[["study", "row", "fold", "role"]]


def records_from_tables(
    products: pd.DataFrame, images: pd.DataFrame, *, hide_category_words: bool = False
) -> list[ProductRecord]:
    """The records of products in the canonical tables.

    Args:
        products: as from :func:`clean`, or some rows of it.
        images: as from :func:`clean`.
        hide_category_words: remove the words of a product's category from its title.
    """
    pictures = _pictures(images)
    columns = [products[name].tolist() for name in (
        "id", "title", "description", "brand", "attributes", "category", "subcategory", "price",
        "currency", "image",
    )]  # fmt: skip
    return [
        clean_record(
            hide_words(title, f"{main} {sub}") if hide_category_words else title,
            description=description,
            brand=brand,
            attributes=attributes_from_json(attributes),
            category=SEPARATOR.join(part for part in (main, sub) if part),
            price=price,
            currency=currency,
            image=pictures.get(image),
            product_id=product_id,
        )
        for (
            product_id, title, description, brand, attributes, main, sub, price, currency, image,
        ) in zip(*columns, strict=True)
    ]  # fmt: skip


def _pictures(images: pd.DataFrame) -> dict[str, Image]:
    """The pictures, by their path."""
    pictures = {}
    columns = (images[name].tolist() for name in ("image", "width", "height", "pixels"))
    for path, width, height, content in zip(*columns, strict=True):
        side = round((len(content) // 3) ** 0.5)
        pixels = np.frombuffer(content, np.uint8).reshape(side, side, 3)
        pictures[path] = Image(pixels, int(width), int(height))
    return pictures


def _decode_all(
    products: pd.DataFrame, folder: Path | None, file: str, params: DataParams
) -> pd.DataFrame:
    table = RawTableValidator(products, file, ProductsError)
    paths = products["image"]
    outside = {path: _leaves_folder(path) for path in paths.unique()}
    table.refuse(paths.map(outside), f"image leads out of the folder {folder}", "image")
    wanted = [path for path in paths.unique() if path]
    if wanted and (folder is None or not folder.is_dir()):
        where = "folder is not named" if folder is None else f"folder {folder} is not there"
        raise ProductsError(
            f"{file}: column image names {len(wanted)} pictures, and their {where}; name it: "
            "--params products.data.images=…"
        )
    folder = Path() if folder is None else folder
    rows, wrong = [], {}
    inside = folder.resolve()
    for path in wanted:
        try:
            if not (folder / path).resolve().is_relative_to(inside):
                raise FieldError("image", f"leads out of the folder {folder}", "image_missing")
            image = decode_file(folder / path, params.image_size)
        except FieldError as error:
            wrong[path] = str(error)
            continue
        rows.append((path, image.width, image.height, image.pixels.tobytes()))
    for path, reason in wrong.items():
        more = f" ({len(wrong) - 1} more pictures have something wrong)" if len(wrong) > 1 else ""
        table.refuse(
            paths == path,
            f"image {path}: {reason}{more}; repair the file, or leave the cell empty",
        )
    images = pd.DataFrame(rows, columns=["image", "width", "height", "pixels"])
    return images.astype({"image": "str", "width": "int32", "height": "int32"})


def _leaves_folder(path: str) -> bool:
    pure = PurePosixPath(path.replace("\\", "/"))
    return pure.is_absolute() or ".." in pure.parts or path[1:3] == ":\\"


def _rows_of(
    products: pd.DataFrame, sources: tuple[str, ...], study: StudyParams
) -> NDArray[np.int64]:
    known = set(products["source"])
    for source in sources:
        if source not in known:
            raise ProductsError(
                f"study {study.name!r}: no products of source {source!r}; there are: "
                + ", ".join(sorted(known))
            )
    if not sources:
        return np.arange(len(products))
    return np.flatnonzero(products["source"].isin(sources).to_numpy())


def _helpers(
    products: pd.DataFrame, study: StudyParams, own: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows of the helpers, without those of the study and those with a title of the study."""
    if not study.helped_by:
        return np.zeros(0, np.int64)
    rows = _rows_of(products, study.helped_by, study)
    titles = products["title"].iloc[rows]
    known = titles.isin(set(products["title"].iloc[own])) | titles.duplicated()
    if study.sources:
        known |= products["source"].iloc[rows].isin(study.sources)
    return rows[~known.to_numpy()]


def _folds(own: pd.DataFrame, study: StudyParams) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Every fold, with a mask of the study's products that it tests."""
    tested = np.zeros(len(own), bool)
    if isinstance(study.split, CrossValidation):
        _enough(study, len(own) >= 2 * study.split.folds, f"{study.split.folds} folds")
        for fold, chosen in enumerate(_stratified(own["category"], study.split)):
            mask = tested.copy()
            mask[chosen] = True
            yield fold, mask
        yield EVERYTHING, tested
        return
    if isinstance(study.split, RandomSplit):
        count = int(np.ceil(len(own) * study.split.test_share))
        _enough(study, 0 < count < len(own), "a test share and the rest")
        _, chosen = train_test_split(
            np.arange(len(own)), test_size=study.split.test_share, random_state=study.split.seed
        )
        tested[chosen] = True
    else:
        tested = (own["part"] == TEST).to_numpy()
    _enough(study, bool(tested.any()) and not tested.all(), "both train and test")
    yield 0, tested


def _stratified(category: pd.Series, cross: CrossValidation) -> list[NDArray[np.int64]]:
    """The positions tested in every fold."""
    # Categories with fewer products than folds, and missing ones, form one stratum.
    count = category.map(category.value_counts())
    strata = category.where(count >= cross.folds, "")
    if (strata == "").sum() < cross.folds:
        strata = strata.where(strata != "", strata[strata != ""].mode().get(0, ""))
    folds = StratifiedKFold(cross.folds, shuffle=True, random_state=cross.seed)
    return [chosen for _, chosen in folds.split(np.zeros(len(strata)), strata.to_numpy(object))]


def _enough(study: StudyParams, enough: bool, need: str) -> None:
    if not enough:
        raise ProductsError(
            f"study {study.name!r}: its products do not suffice for {need}; give it more of them, "
            "or another split (a given one needs rows whose part is test, and others)"
        )
