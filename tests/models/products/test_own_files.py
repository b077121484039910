"""A file of one's own inherits nothing of the sample: settings, pictures, pairs, currency."""

import json
import random
from pathlib import Path

import pandas as pd
import pytest
import yaml
from kedro.config import OmegaConfigLoader
from tests.conftest import ROOT, copy_project, run_in

from crisol.core.candidate import GateRule
from crisol.models import products as family
from crisol.models.products.contract import Product
from crisol.models.products.data.catalogue_table import ProductsError
from crisol.models.products.params import DataParams, ModelParams, TrainParams
from crisol.models.products.report.gating import gate_rule
from crisol.models.products.sizing import sized
from crisol.settings import CONFIG_LOADER_ARGS

KINDS = {
    "Küche > Tassen": ("Tasse", 8), "Küche > Pfannen": ("Pfanne", 35),
    "Haus > Lampen": ("Lampe", 60), "Haus > Teppiche": ("Teppich", 320),
}  # fmt: skip


def _rows(count: int = 100) -> list[dict[str, str]]:
    """German products with euro prices, of which some have thousands."""
    draw, rows = random.Random(0), []
    for number in range(count):
        category = list(KINDS)[number % 4]
        kind, usual = KINDS[category]
        colour, brand = draw.choice(("rot", "blau", "grün")), draw.choice(("Alba", "Brio"))
        price = usual * draw.uniform(0.8, 1.3) * 5
        rows.append(
            {
                "id": f"{number:03d}", "title": f"{brand} {kind} {colour} {draw.randint(10, 99)}",
                "description": f"<style>p{{}}</style><p>{kind} in {colour}<br>von {brand}</p>",
                "brand": brand, "category": category,
                "price": f"{price:,.2f} €".translate(str.maketrans(",.", ".,")),
            }
        )  # fmt: skip
    return rows


def _semicolons(path: Path) -> Path:
    file = path / "Mein Katalog.csv"
    pd.DataFrame(_rows()).to_csv(file, sep=";", index=False)
    return file


def _shopify(path: Path) -> Path:
    names = {
        "id": "Handle", "title": "Title", "description": "Body (HTML)", "brand": "Vendor",
        "category": "Product Category", "price": "Variant Price",
    }  # fmt: skip
    pd.DataFrame(_rows()).rename(columns=names).to_csv(path / "export.csv", index=False)
    return path / "export.csv"


def _json_lines(path: Path) -> Path:
    rows = [{**row, "price": row["price"].replace(" €", " EUR")} for row in _rows()]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (path / "waren.jsonl").write_text(text, encoding="utf-8")
    return path / "waren.jsonl"


def _settings(env: str, file: str) -> tuple[DataParams, ModelParams, TrainParams]:
    given = {"products": {"data": {"file": file}}} if file else {}
    arguments = {**CONFIG_LOADER_ARGS, "default_run_env": env}
    loader = OmegaConfigLoader(str(ROOT / "conf"), env=env, runtime_params=given, **arguments)
    found = loader["parameters"]["products"]
    return (
        DataParams.model_validate(found["data"]),
        ModelParams.model_validate(found["model"]),
        TrainParams.model_validate(found["train"]),
    )


@pytest.mark.parametrize(("env", "study"), [("base", "shop"), ("ci", "sample")])
def test_a_named_file_takes_nothing_of_the_sample(env, study):
    sample, _, _ = _settings(env, "")
    assert (sample.register_study, sample.currency, sample.synthetic) == (study, "INR", True)
    assert sample.gate.metric == "r2"
    own, model, train = _settings(env, "/shop/Mein Katalog.csv")
    assert (own.register_study, own.currency, own.synthetic) == ("mein_katalog", "", False)
    assert (own.matching, own.gate.metric) == ((), "auto")
    assert [s.name for s in own.studies] == ["mein_katalog"]
    model, train, told = sized(300, model, train)
    assert model.network.preset == "tiny"
    assert (train.epochs, bool(told)) == ((40, True) if env == "base" else (4, False))


def test_values_that_are_given_beside_the_sample_win():
    found = yaml.safe_load((ROOT / "conf/base/parameters_products.yml").read_text())
    given = {**found["products"]["data"], "currency": "EUR", "gate": {"tolerance": 0.5}}
    data = DataParams.model_validate(given)
    assert (data.currency, data.gate.metric, data.gate.tolerance) == ("EUR", "r2", 0.5)


@pytest.mark.parametrize(
    ("products", "given", "preset", "epochs"),
    [
        (240, {}, "tiny", 40), (5000, {}, "base", 12), (240, {"epochs": 7}, "tiny", 7),
        (240, {"batch_size": 8}, "tiny", 12),
    ],
)  # fmt: skip
def test_the_network_follows_from_the_number_of_products(products, given, preset, epochs):
    model, train, told = sized(products, ModelParams(), TrainParams.model_validate(given))
    assert (model.network.preset, train.epochs) == (preset, epochs)
    assert f"the network is {preset}" in told
    fixed = ModelParams.model_validate({"network": {"preset": "large"}})
    assert sized(products, fixed, TrainParams(epochs=3))[0].network.preset == "large"


@pytest.mark.parametrize(
    ("learned", "metric"),
    [(["category", "price"], "accuracy"), (["price"], "r2"), (["category"], "accuracy")],
)
def test_the_gate_follows_from_what_is_learned(learned, metric):
    assert gate_rule(DataParams.model_validate({}), learned).metric == metric
    told = DataParams.model_validate({"gate": GateRule(metric="r2")})
    assert gate_rule(told, learned).metric == "r2"


def test_pictures_and_pairs_of_the_sample_never_stand_beside_a_file_of_ones_own(tmp_path):
    sample = ROOT / "data/01_raw/products"
    file = tmp_path / "mine.csv"
    file.write_text("title,image\nMug,\nRug,\n")
    pictures, pairs = sample / "sample_images", sample / "sample_pairs.csv"
    params = DataParams.model_validate({"file": str(file)})
    cleaned = family.clean_files(file, pictures, pairs, params)
    assert cleaned.pairs.empty
    file.write_text("title,image\nMug,p013.jpg\nRug,\n")
    with pytest.raises(ProductsError, match=r"their folder is not named.*products\.data\.images"):
        family.clean_files(file, pictures, pairs, params)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ({"delimiter": ";"}, "title;price\nMug;5\nRug;7\n"),
        ({"header": False, "names": ["title", "price"]}, "Mug,5\nRug,7\n"),
        ({"encoding": "utf-16"}, "title,price\nMug,5\nRug,7\n"),
        ({"decimal": ","}, "Title;Price\nMug;5\nRug;7\n"),
    ],
)
def test_the_reader_s_options_hold_for_products(tmp_path, read, text):
    file = tmp_path / "mine.csv"
    file.write_text(text, encoding=read.get("encoding", "utf-8"))
    params = DataParams.model_validate({"file": str(file), "read": read})
    found = family.clean_files(file, tmp_path, tmp_path, params).products
    assert found["title"].tolist() == ["Mug", "Rug"]
    assert found["price"].tolist() == [5, 7]


def test_ids_are_text_and_na_is_a_word(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("id,title,brand\n007,Mug,NA\n7,Rug,null\n")
    params = DataParams.model_validate({"file": str(file)})
    found = family.clean_files(file, tmp_path, tmp_path, params).products
    assert (found["id"].tolist(), found["brand"].tolist()) == (["007", "7"], ["NA", "null"])


def test_conf_real_refuses_another_file():
    data, _, _ = _settings("real", "mine.csv")
    with pytest.raises(ProductsError, match="without --env real"):
        family.clean_files(Path("real_products.parquet"), Path(), Path(), data)


@pytest.mark.parametrize("write", [_semicolons, _shopify, _json_lines])
def test_an_own_file_is_learned_and_answered(tmp_path, write):
    file = write(tmp_path)
    data = DataParams.model_validate({"file": str(file), "image_size": 16})
    cleaned = family.clean_files(file, tmp_path, tmp_path, data)
    assert cleaned.products["price"].max() > 1000
    parts = family.split(cleaned.products, data.studies[0])
    train = TrainParams(epochs=2, device="cpu")
    tables = cleaned.products, cleaned.images, parts
    fitted = family.fit(*tables, data, ModelParams(), train, tmp_path / "checkpoints")
    answer = fitted.predictor.predict(
        [Product(title="Alba Teppich rot", description="<style>a{}</style>Schöner Teppich")]
    )[0]
    assert answer.categories.main == "Haus"
    assert answer.price.currency == "EUR"
    assert 800 < answer.price.estimate < 3000


@pytest.mark.slow
def test_a_run_with_nothing_but_a_file_registers_a_version_with_a_true_report(tmp_path):
    project = copy_project(tmp_path / "project")
    file = _semicolons(tmp_path)
    params = f"products.data.file={file}"
    done = run_in(project, "kedro", "run", "--pipelines", "products", "--params", params)
    assert "products/1" in done.stdout + done.stderr
    found = json.loads((project / "data/08_reporting/products/evaluation_report.json").read_text())
    assert found["synthetic"] is False
    assert found["headline"].startswith("mein_katalog: ")
    assert "made up" not in json.dumps(found)
    assert found["tables"]["prices"][0]["currency"] == "EUR"
    notes = found["tables"]["the files: what was read, assumed and left out"]
    assert any("all 100 prices are in EUR" in row["note"] for row in notes)
