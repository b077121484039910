"""The committed sample, trained once as `conf/ci` says."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.conftest import ROOT

from crisol.models import products as family
from crisol.models.products.params import DataParams, ModelParams, TrainParams
from crisol.models.products.training import Fit

RAW = ROOT / "data" / "01_raw" / "products"


@dataclass(frozen=True)
class Sections:
    """The three sections of the parameters."""

    data: DataParams
    model: ModelParams
    train: TrainParams


@dataclass(frozen=True)
class Shop:
    """The sample's canonical tables."""

    products: pd.DataFrame
    images: pd.DataFrame
    pairs: pd.DataFrame
    parts: pd.DataFrame


@pytest.fixture(scope="session")
def sections() -> Sections:
    found = yaml.safe_load((ROOT / "conf" / "ci" / "parameters_products.yml").read_text())
    given = found["products"]
    return Sections(
        DataParams.model_validate(given["data"]),
        ModelParams.model_validate(given["model"]),
        TrainParams.model_validate(given["train"]),
    )


@pytest.fixture(scope="session")
def shop(sections: Sections) -> Shop:
    raw = family.read_products(RAW / "sample_products.csv", sections.data)
    products, images = family.clean(raw, RAW / "sample_images", sections.data)
    pairs = family.clean_pairs(family.read_pairs(RAW / "sample_pairs.csv", sections.data))
    return Shop(products, images, pairs, family.split(products, sections.data.studies[0]))


@pytest.fixture(scope="session")
def fitted(shop: Shop, sections: Sections, tmp_path_factory: pytest.TempPathFactory) -> Fit:
    folder: Path = tmp_path_factory.mktemp("checkpoints")
    return family.fit(
        shop.products,
        shop.images,
        shop.parts,
        sections.data,
        sections.model,
        sections.train,
        folder,
    )
