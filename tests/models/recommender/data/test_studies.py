"""Files of one's own: how their columns are read, what is told, and the study that follows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from crisol.core.data.table_files import read_raw_table
from crisol.core.errors import MendableError
from crisol.models.recommender.data.run_files import clean_files
from crisol.models.recommender.data.studies import clean_tables, split_studies
from crisol.models.recommender.params import DataParams

SAMPLE = {
    "register_study": "sample",
    "synthetic": True,
    "studies": [{"name": "sample", "source": "sample", "type_weights": {"view": 1.0}, "k": 7}],
}
NONE = pd.DataFrame()


def events(count: int = 600, seed: int = 0) -> pd.DataFrame:
    """A log in time order, all text."""
    rng = np.random.default_rng(seed)
    seconds = 1_600_000_000 + np.sort(rng.integers(0, 30_000_000, count))
    return pd.DataFrame(
        {
            "user": [f"u{n}" for n in rng.integers(0, 50, count)],
            "item": [f"i{n}" for n in (rng.random(count) ** 2 * 60).astype(int)],
            "seconds": seconds,
            "rating": rng.integers(1, 6, count).astype(str),
        }
    )


def write(table: pd.DataFrame, path: Path, separator: str = ",") -> DataParams:
    table.to_csv(path, index=False, sep=separator)
    return DataParams.model_validate({**SAMPLE, "events": str(path)})


def moments(seconds: pd.Series) -> pd.Series:
    return pd.to_datetime(seconds, unit="s", utc=True)


NAMES = {
    "movielens": ("userId", "movieId", "timestamp", lambda s: s.astype(str)),
    "a shop": ("customer_id", "product_id", "ts", lambda s: (s * 1000).astype(str)),
    "reviews": ("reviewerID", "asin", "unixReviewTime", lambda s: s.astype(str) + ".0"),
    "capitals": ("USER_ID", "ITEM ID", "EVENT_TIME", lambda s: moments(s).dt.strftime("%FT%TZ")),
    "microseconds": ("visitorid", "itemid", "created_at", lambda s: (s * 10**6).astype(str)),
    "a data base": ("uid", "sku", "datetime", lambda s: moments(s).dt.strftime("%F %T UTC")),
    "day first": (
        "client",
        "article_id",
        "date",
        lambda s: moments(s).dt.strftime("%d/%m/%Y %H:%M:%S"),
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_usual_names_and_clocks_are_read_and_told(name: str, tmp_path: Path) -> None:
    user, item, time, form = NAMES[name]
    made = events()
    own = pd.DataFrame({user: made["user"], item: made["item"], time: form(made["seconds"])})
    data = write(own, tmp_path / "mine.csv")
    found, items, users, reading = clean_tables(
        read_raw_table(tmp_path / "mine.csv"), NONE, NONE, data
    )
    assert found["user"].tolist() == made["user"].tolist()
    assert found["time"].tolist() == moments(made["seconds"]).tolist()
    assert len(items) == made["item"].nunique()
    assert users.empty
    told = " ".join(reading["note"])
    assert f"column {user!r} is taken as user" in told
    assert f"column {time!r} is taken as time" in told


@pytest.mark.parametrize("column", ["rating", "stars", "overall"])
def test_a_rating_is_a_weight_and_that_is_told(column: str, tmp_path: Path) -> None:
    made = events()[["user", "item", "rating"]].rename(columns={"rating": column})
    data = write(made, tmp_path / "mine.csv", ";")
    raw = read_raw_table(tmp_path / "mine.csv")
    found, _, _, reading = clean_tables(raw, NONE, NONE, data)
    assert found["weight"].tolist() == made[column].astype(float).tolist()
    assert "no dislike. recommender.data.columns.weight='' leaves it out" in " ".join(
        reading["note"]
    )
    without = data.model_copy(update={"columns": {"weight": ""}})
    assert set(clean_tables(raw, NONE, NONE, without)[0]["weight"]) == {1.0}
    raw.loc[3, column] = "0"
    with pytest.raises(MendableError, match=rf"row 4 .*column '{column}' is taken as the weight"):
        clean_tables(raw, NONE, NONE, data)


def test_decimal_commas_ids_with_point_zero_and_other_columns_are_told(tmp_path: Path) -> None:
    made = events().assign(
        user=lambda t: t["user"].str[1:] + ".0", rating=lambda t: t["rating"] + ",5", device="x"
    )
    data = write(made[["user", "item", "rating", "device"]], tmp_path / "mine.csv", ";")
    found, _, _, reading = clean_tables(read_raw_table(tmp_path / "mine.csv"), NONE, NONE, data)
    assert found["user"].iloc[0] == made["user"].iloc[0].removesuffix(".0")
    assert found["weight"].iloc[0] == float(made["rating"].iloc[0].replace(",", "."))
    told = " ".join(reading["note"])
    for part in ("ends in .0", "decimal commas", "are not read: device"):
        assert part in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"user": "who"}), r"'user' is missing; there are: who, it"),
        (lambda t: t.assign(time=range(len(t))), "neither a date nor a count of seconds"),
        (lambda t: t.assign(time="10:30"), "time of day without a date"),
        (lambda t: t.assign(weigh=1), "'weigh' looks like 'weight'"),
    ],
    ids=["no user", "an order without a clock", "no date", "misspelt"],
)
def test_what_cannot_be_known_is_refused(change, message: str, tmp_path: Path) -> None:
    data = write(change(events()[["user", "item"]]), tmp_path / "mine.csv")
    with pytest.raises(MendableError, match=message):
        clean_tables(read_raw_table(tmp_path / "mine.csv"), NONE, NONE, data)


def test_columns_can_be_named(tmp_path: Path) -> None:
    data = write(events()[["user", "item"]].set_axis(["who", "what"], axis=1), tmp_path / "a.csv")
    raw = read_raw_table(tmp_path / "a.csv")
    named = data.model_copy(update={"columns": {"user": "who", "item": "what"}})
    assert len(clean_tables(raw, NONE, NONE, named)[0]) == len(raw)
    wrong = data.model_copy(update={"columns": {"user": "whom", "item": "what"}})
    with pytest.raises(MendableError, match=r"columns\.user: .* no column 'whom'.* who, what"):
        clean_tables(raw, NONE, NONE, wrong)


def test_items_and_users_have_usual_names_too(tmp_path: Path) -> None:
    made = events()
    data = write(made[["user", "item"]].assign(source="web"), tmp_path / "mine.csv")
    ids = sorted(made["item"].unique())
    films = pd.DataFrame({"movieId": ids, "title": "T", "genres": "Drama|Comedy", "year": "1999"})
    people = pd.DataFrame({"userId": sorted(made["user"].unique()), "age": "30", "country": "es"})
    raw = read_raw_table(tmp_path / "mine.csv")
    found, items, users, reading = clean_tables(raw, films, people, data)
    assert items["attributes"].unique().tolist() == ["Drama|Comedy"]
    assert items["source"].unique().tolist() == found["source"].unique().tolist() == ["web"]
    assert users["attributes"].unique().tolist() == ["age:30|country:es"]
    assert "year" in " ".join(reading["note"])


FILES = {
    "times": (lambda t: t[["user", "item"]].assign(time=moments(t["seconds"]).astype(str)), "time"),
    "rows": (lambda t: t[["user", "item"]], "rows"),
    "sorted": (lambda t: t[["user", "item"]].sort_values(["user", "item"]), "none"),
    "parts": (
        lambda t: t[["user", "item"]].assign(part=np.where(t["seconds"] % 5 > 0, "train", "test")),
        "rows",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_study_follows_from_a_file_and_nothing_from_the_sample(name: str, tmp_path: Path) -> None:
    change, order = FILES[name]
    data = write(change(events()), tmp_path / "mine.csv")
    assert (data.register_study, data.synthetic) == ("mine", False)
    [study] = data.studies
    assert (study.name, study.source, study.type_weights, study.k) == ("mine", "", {}, 10)
    found, items, _, reading = clean_tables(read_raw_table(tmp_path / "mine.csv"), NONE, NONE, data)
    rows, notes = split_studies(found, items, reading, data)
    assert set(rows["order"]) == {order}
    told = " ".join(notes["note"])
    assert "derived from" in told
    split_as = {
        "times": "split in time",
        "parts": "by the column part",
        "sorted": "drawn at random,",
    }
    assert split_as.get(name, "each user's newest item") in told


def test_studies_of_ones_own_are_kept_with_a_file() -> None:
    own = {"name": "web", "source": "web", "type_weights": {"buy": 2.0}, "k": 5}
    both = {**SAMPLE, "studies": [*SAMPLE["studies"], own], "events": "mine.csv"}
    data = DataParams.model_validate(both)
    assert [study.name for study in data.studies] == ["web"]
    assert (data.register_study, data.synthetic) == ("web", False)
    alone = {"studies": [own], "register_study": "wbe", "events": "mine.csv"}
    with pytest.raises(ValidationError, match="register_study 'wbe' is not a study"):
        DataParams.model_validate(alone)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": "items.csv"}, "go with events of your own"),
        ({"users": "users.csv"}, "go with events of your own"),
        (
            {
                "order": "none",
                "studies": [{"name": "sample", "split": {"kind": "temporal"}}],
            },
            "reads no times",
        ),
    ],
)
def test_files_and_orders_that_do_not_fit_are_refused(changes, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataParams.model_validate({**SAMPLE, **changes})


def test_several_sources_are_a_question(tmp_path: Path) -> None:
    made = events()[["user", "item"]].assign(source=lambda t: np.where(t.index % 2, "web", "app"))
    data = write(made, tmp_path / "mine.csv")
    found, items, _, reading = clean_tables(read_raw_table(tmp_path / "mine.csv"), NONE, NONE, data)
    with pytest.raises(MendableError, match=r"sources: app, web; .*recommender\.data\.source=app"):
        split_studies(found, items, reading, data)
    chosen = DataParams.model_validate({**SAMPLE, "events": data.events, "source": "web"})
    rows, _ = split_studies(found, items, reading, chosen)
    assert len(rows) == (made["source"] == "web").sum()


@pytest.mark.parametrize("other", ["other.csv", "real.parquet"])
def test_a_catalog_that_reads_another_file_is_refused(other: str, tmp_path: Path) -> None:
    data = write(events()[["user", "item"]], tmp_path / "mine.csv")
    with pytest.raises(MendableError, match=f"reads .*{other}; leave out --env"):
        clean_files(tmp_path / other, Path("no items"), Path("no users"), data)


def test_a_catalog_with_tables_is_told_how_to_name_files(tmp_path: Path) -> None:
    data = write(events()[["user", "item"]], tmp_path / "mine.csv")
    table = pd.DataFrame({"user": ["a"], "item": ["b"]})
    with pytest.raises(MendableError, match="RawFolderDataset"):
        clean_files(table, table, table, data)  # type: ignore[arg-type]  # as a catalog may
