import numpy as np
import pandas as pd
import pytest
from tests.models.products.conftest import Sections, Shop

from crisol.core.errors import MendableError
from crisol.core.predictor import compare_answers
from crisol.models import products as family
from crisol.models.products import evaluation
from crisol.models.products.data.prepare import records_from_tables
from crisol.models.products.data.taxonomy import Taxonomy
from crisol.models.products.fold_training import FoldTraining, StudyTraining
from crisol.models.products.member import Forecast, Targets
from crisol.models.products.report import ablations
from crisol.models.products.report.ablations import BASELINE, ENSEMBLE, WHOLE
from crisol.models.products.report.results import study_results, truth_of
from crisol.models.products.study_params import CrossValidation, StudyParams
from crisol.models.products.training import Fit

SINGLE = 1e-5
"""How far two rows of one batch may be apart: single precision has about seven digits, and a
processor may compute the rows of a product in different ways."""


def of(fitted: Fit, method: str, view: str = WHOLE) -> pd.DataFrame:
    table = fitted.forecasts
    chosen = table[(table["method"] == method) & (table["view"] == view)]
    return chosen.set_index("row").sort_index()


def test_every_method_answers_every_test_product_once(fitted: Fit, shop: Shop) -> None:
    tested = np.sort(shop.parts.loc[shop.parts["role"] == "test", "row"])
    for method in (ENSEMBLE, BASELINE, "linear", "transformer", "ensemble without linear"):
        assert of(fitted, method).index.tolist() == tested.tolist(), method
    trained = set(shop.parts.loc[shop.parts["role"] == "train", "row"])
    assert not trained & set(tested)


def test_every_fold_is_evaluated_in_the_same_views(fitted: Fit, shop: Shop) -> None:
    records = records_from_tables(shop.products.head(12), shop.images)
    plain = [record.without("image", "price") for record in records]
    known = ablations.relevant([*plain[:6], *records[6:]])
    assert "without image" in known
    assert "without image" not in ablations.relevant(plain[:6])
    found = ablations.forecast_table(fitted.predictor, fitted.predictor.linear, plain[:6], known)
    of_view = found[found["method"] == ENSEMBLE].groupby("view", sort=False)["leaf"].agg(list)
    assert list(of_view.index) == [WHOLE, *known]
    assert of_view["without image"] == of_view[WHOLE]


def test_a_part_that_a_head_must_not_use_changes_nothing(fitted: Fit) -> None:
    whole = of(fitted, ENSEMBLE)
    no_category, no_price = (
        of(fitted, ENSEMBLE, f"without {part}") for part in ("category", "price")
    )
    assert whole["confidence"].tolist() == no_category["confidence"].tolist()
    assert whole["log_price"].tolist() == no_price["log_price"].tolist()
    assert whole["log_price"].tolist() != no_category["log_price"].tolist()
    assert whole["confidence"].tolist() != no_price["confidence"].tolist()


def test_a_price_in_the_texts_does_not_reach_the_estimate(fitted: Fit) -> None:
    told = (
        "A round dial. Only Rs. {low} today! MRP ₹{high}, {low}/- in shops, INR {high} elsewhere."
    )
    cheap, dear = (
        family.Product(
            title=f"Leather watch, now $ {low}",
            description=told.format(low=low, high=high),
            attributes={"Price": low},
            category="Fashion",
        )
        for low, high in (("49", "99"), ("8,999", "12,999.00"))
    )
    first, second = (fitted.predictor.predict([product])[0] for product in (cheap, dear))
    assert first.price is not None
    assert first.price == second.price
    assert first.categories == second.categories
    together = [a.model_dump(mode="json") for a in fitted.predictor.predict([cheap, dear])]
    for part in ("price", "categories"):
        assert not compare_answers(together[0][part], together[1][part], tolerance=SINGLE)


def test_the_ensemble_has_learned(fitted: Fit, shop: Shop, sections: Sections) -> None:
    result = study_results(
        shop.products, shop.parts, fitted.forecasts, fitted.ranks, sections.data
    )[0]
    assert result.heads() == ["category", "main category", "price", "rating"]
    assert result.measured("category", ENSEMBLE).value > 0.6 > result.guesses["category"]
    assert result.measured("price", ENSEMBLE).value > 0.6
    assert result.measured("rating", ENSEMBLE).value > 0.4


def test_shuffled_labels_teach_nothing(shop: Shop, sections: Sections, tmp_path) -> None:
    generator = np.random.default_rng(0)
    products = shop.products.copy()
    for names in (["category", "subcategory"], ["price"], ["rating", "votes"]):
        products[names] = products[names].to_numpy()[generator.permutation(len(products))]
    train = sections.train.model_copy(update={"epochs": 1})
    fit = family.fit(
        products, shop.images, shop.parts, sections.data, sections.model, train, tmp_path
    )
    result = study_results(products, shop.parts, fit.forecasts, fit.ranks, sections.data)[0]
    assert result.measured("category", ENSEMBLE).value < 0.25
    assert result.measured("price", ENSEMBLE).value < 0.2


def test_evaluation_brings_tables_figures_and_the_gate(
    fitted: Fit, shop: Shop, sections: Sections
) -> None:
    given = (shop.products, shop.images, shop.parts, shop.pairs)
    rest = (fitted.forecasts, fitted.ranks, fitted.history, sections.data)
    found = evaluation.evaluate(fitted.predictor, fitted.predictor, *given, *rest)
    assert found.report.synthetic
    assert found.report.headline.startswith("On made-up products")
    overview = found.report.tables["every head, every study, every baseline"]
    assert {row["head"] for row in overview} == {"category", "main category", "price", "rating"}
    assert all(row["TF-IDF + linear"] != "-" for row in overview)
    parts = found.report.tables["sample: what each part brings to the ensemble"]
    assert {"linear", "transformer", "image", "all but the title"} <= {r["without"] for r in parts}
    assert {"mistakes", "retrieval", "embedding_map", "sample_confusion"} <= set(found.figures)
    scores = found.scores
    assert list(scores["champion"]) == pytest.approx(list(scores["candidate"]), abs=1e-6)
    assert "TF-IDF + linear" in scores
    truth = truth_of(shop.products, sections.data.studies[0])["true_log_price"]
    assert scores["truth"].tolist() == truth.loc[scores["row"].astype(int)].tolist()
    data = sections.data.model_copy(
        update={"gate": sections.data.gate.model_copy(update={"metric": "mean"})}
    )
    with pytest.raises(MendableError, match=r"gate\.metric: 'mean' .* Take accuracy or macro_f1"):
        evaluation.evaluate(fitted.predictor, None, *given, *rest[:3], data)


def test_the_measured_leaf_is_the_answered_one() -> None:
    taxonomy = Taxonomy((("Home", "Lamps"), ("Home", "Rugs"), ("Toys", "Dolls")))
    found = ablations._category(taxonomy, Forecast(leaf=np.log([[0.35, 0.25, 0.4]])))
    assert (found["leaf"][0], found["main"][0]) == ("Home > Lamps", "Home")
    assert found["confidence"][0] == pytest.approx(0.35)
    assert found["main_confidence"][0] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"image_size": 64}, "pictures of 64 pixels"), ({"currency": "EUR"}, "prices are in EUR")],
)
def test_a_champion_with_other_pictures_or_currency_is_not_compared(
    fitted: Fit, shop: Shop, sections: Sections, changes: dict, why: str
) -> None:
    mine = fitted.predictor
    other = mine.with_index(None)
    other.description = mine.description.model_copy(update=changes)
    given = (shop.products, shop.images, shop.parts, shop.pairs)
    rest = (fitted.forecasts, fitted.ranks, fitted.history, sections.data)
    found = evaluation.evaluate(mine, other, *given, *rest)
    assert "champion" not in found.scores
    assert any("not compared with the champion" in said and why in said
               for said in found.report.limits)  # fmt: skip


def test_a_catalogue_of_titles_alone_trains_what_it_can(
    shop: Shop, sections: Sections, tmp_path
) -> None:
    products = shop.products.assign(
        description="", brand="", attributes="{}", price=np.nan, rating=np.nan, image="",
        category=[name.split(" ")[-1] for name in shop.products["category"]], subcategory="",
    )  # fmt: skip
    train = sections.train.model_copy(update={"epochs": 1})
    no_images = shop.images.iloc[:0]
    with pytest.raises(MendableError, match=r"to learn: category\. Take accuracy or macro_f1"):
        family.fit(products, no_images, shop.parts, sections.data, sections.model, train, tmp_path)
    accuracy = sections.data.gate.model_copy(update={"metric": "accuracy"})
    data = sections.data.model_copy(update={"gate": accuracy})
    fit = family.fit(products, no_images, shop.parts, data, sections.model, train, tmp_path)
    answer = fit.predictor.predict([family.example_request()])[0]
    assert answer.price is None
    assert answer.quality.basis == "rules"
    assert answer.categories.sub is None
    assert "The model has learned no prices." in answer.notes
    assert "missing_image" not in [reason.rule for reason in answer.quality.reasons]
    assert len(records_from_tables(products, no_images)) == len(products)


def test_helpers_teach_once_and_are_never_tested(shop: Shop, sections: Sections, tmp_path) -> None:
    source = np.where(np.arange(len(shop.products)) % 3 == 0, "other", "mine")
    products = shop.products.assign(source=source)
    study = sections.data.studies[0].model_copy(
        update={
            "sources": ("mine",),
            "helped_by": ("other",),
            "split": CrossValidation(folds=2),
            "refit": (),
        }
    )
    data = sections.data.model_copy(update={"studies": (study,)})
    train = sections.train.model_copy(update={"epochs": 1})
    parts = family.split(products, study)
    fit = family.fit(products, shop.images, parts, data, sections.model, train, tmp_path)
    assert fit.history["label"].tolist() == [
        "sample.helpers", "sample.0.inner", "sample.1.inner", "sample.all.inner",
    ]  # fmt: skip
    tested = of(fit, ENSEMBLE).index
    assert sorted(tested) == np.flatnonzero(source == "mine").tolist()
    assert fit.predictor.description.products == (source == "mine").sum()


def test_only_training_products_of_its_own_make_a_study_learn_prices(
    shop: Shop, sections: Sections, tmp_path
) -> None:
    mine = np.arange(len(shop.products)) % 3 == 0
    products = shop.products.assign(
        source=np.where(mine, "mine", "other"), currency=np.where(mine, "EUR", "INR")
    )
    study = StudyParams(name="sample", sources=("mine",), helped_by=("other",))

    def fold(products: pd.DataFrame) -> FoldTraining:
        parts = family.split(products, study)
        given = (study, products, shop.images, parts, sections.data, sections.model, sections.train)
        return StudyTraining(*given, tmp_path).folds(registered=True)[0]

    whole = fold(products)
    assert whole.training.currency == "EUR"
    assert "price" in whole.heads
    few = products.assign(price=products["price"].where(~mine | (np.arange(len(mine)) < 100)))
    known = few.loc[mine, "price"].notna().sum()
    assert 0 < known < study.min_task_rows
    assert "price" not in fold(few).heads
    unknown = Targets(*(np.full(3, value) for value in (-1, np.nan, np.nan)))
    assert whole._intervals(Forecast(log_price=np.zeros(3)), unknown) is None


def test_sections_that_do_not_fit_are_refused_before_training(
    shop: Shop, sections: Sections, tmp_path
) -> None:
    model = sections.model.model_copy(update={"by_study": {"elsewhere": {}}})
    with pytest.raises(MendableError, match=r"by_study: 'elsewhere' is not a study; .*sample"):
        family.fit(
            shop.products, shop.images, shop.parts, sections.data, model, sections.train, tmp_path
        )
