"""From a source to typed rows and pictures; the sample; the public tables; profiles."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from crisol.core.errors import MendableError
from crisol.models import tabular
from crisol.models.tabular.data import sample, sources
from crisol.models.tabular.data.columns.inference import infer
from crisol.models.tabular.data.leakage import leaks
from crisol.models.tabular.data.parts import split
from crisol.models.tabular.data.prepare import clean
from crisol.models.tabular.data.profiling import profile
from crisol.models.tabular.data.source_table import PART, ROW, read
from crisol.models.tabular.data.tables import schema_of, select
from crisol.models.tabular.features.encoder import Encoder
from crisol.models.tabular.params import DataParams

ROOT = Path(__file__).parents[4]
SAMPLE = ROOT / "data" / "01_raw" / "tabular" / "sample_customers.csv"


def _picture(colour: tuple[int, int, int]) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (12, 12), colour).save(stream, "PNG")
    return stream.getvalue()


def _pictures(folder: Path, count: int = 12) -> Path:
    for kind, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        (folder / kind).mkdir(parents=True)
        for i in range(count):
            (folder / kind / f"{i}.png").write_bytes(_picture(colour))
    return folder


def test_the_sample_is_what_its_code_writes_and_says_so(tmp_path: Path) -> None:
    written = sample.write(tmp_path)
    assert written.read_bytes() == SAMPLE.read_bytes()
    note = SAMPLE.with_name("sample_README.md").read_text()
    assert note == (tmp_path / "sample_README.md").read_text()
    assert "synthetic" in note
    assert DataParams().is_synthetic


def test_the_sample_has_something_of_everything() -> None:
    cleaned = clean(SAMPLE, DataParams())
    schema = schema_of(cleaned.schema_table)
    assert {c.kind for c in schema.features} == {"number", "category", "boolean", "date", "text"}
    assert schema.classes == ("no", "yes")
    assert schema.named("id") == ["customer_id"]
    assert cleaned.rows[["age", "comment"]].isna().any().all()
    assert len(cleaned.rows) == sample.CUSTOMERS
    assert cleaned.images.empty


def test_rows_survive_the_catalog(tmp_path: Path) -> None:
    cleaned = clean(SAMPLE, DataParams())
    for name in ("rows", "images", "schema_table"):
        getattr(cleaned, name).to_parquet(tmp_path / f"{name}.parquet", index=False)
    again = pd.read_parquet(tmp_path / "rows.parquet")
    schema = schema_of(pd.read_parquet(tmp_path / "schema_table.parquet"))
    pd.testing.assert_frame_equal(again, cleaned.rows)
    encoder = Encoder.fit(again, schema)
    first = encoder.transform(cleaned.rows).numbers
    np.testing.assert_array_equal(first, encoder.transform(again).numbers)


def test_awkward_cells_are_the_same_in_a_file_and_in_a_request(tmp_path: Path) -> None:
    lines = ["rate,code,town,load,note,y"]
    lines += [
        f"{i % 9}.5%,{i % 3 + 1}.0,{('a', ' b ', 'NA')[i % 3]},{'inf' if i % 4 == 0 else i * 1.5},"
        f"{'?' if i % 5 == 0 else f'the note of day {i} says so'},{'uv'[i % 2]}"
        for i in range(60)
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    data = DataParams(target="y")
    cleaned = clean(path, data)
    schema = schema_of(cleaned.schema_table)
    kinds = [c.kind for c in schema.features]
    assert kinds == ["number", "category", "category", "number", "text"]
    encoder = Encoder.fit(cleaned.rows, schema, missing=data.read.missing)
    sent = [
        {
            "rate": i % 9 + 0.5, "code": (i % 3 + 1, f"{i % 3 + 1}.0", f" {i % 3 + 1} ")[i // 20],
            "town": ("a", " b ", "NA")[i % 3], "load": None if i % 4 == 0 else i * 1.5,
            "note": "?" if i % 5 == 0 else f"the note of day {i} says so",
        }
        for i in range(60)
    ]  # fmt: skip
    table, asked = encoder.transform(cleaned.rows), encoder.transform_rows(sent)
    assert table.numbers.tobytes() == asked.numbers.tobytes()
    np.testing.assert_array_equal(table.codes, asked.codes)
    np.testing.assert_array_equal(table.texts, asked.texts)
    assert set(table.codes[:, 0]) == {2, 3, 4}


def test_rows_without_a_target_are_left_out_and_told(tmp_path: Path) -> None:
    rows = "".join(f"{i * 0.7:.1f},{'uv'[i % 2] if i % 4 else ''}\n" for i in range(40))
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + rows)
    cleaned = clean(path, DataParams())
    assert len(cleaned.rows) == 30
    assert 1 not in set(cleaned.rows[ROW])
    schema = schema_of(cleaned.schema_table)
    assert any("10 rows have no target" in said for said in schema.warnings)
    assert schema.rows == 30


def test_a_test_file_without_targets_is_no_official_split(tmp_path: Path) -> None:
    rows = "".join(f"{i * 0.7:.1f},{'uv'[i % 2]}\n" for i in range(40))
    (tmp_path / "train.csv").write_text("x,y\n" + rows)
    (tmp_path / "test.csv").write_text("x,y\n" + "".join(f"{i}.5,\n" for i in range(10)))
    cleaned = clean(tmp_path, DataParams())
    assert cleaned.rows[PART].isna().all()
    assert any("no test row has a target" in s for s in schema_of(cleaned.schema_table).warnings)
    parts = split(cleaned.rows, cleaned.schema_table, DataParams())
    assert set(parts["part"]) == {"train", "test"}


def test_few_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,z,y\n" + "1.5,a,u\n2.5,b,v\n" * 4)
    with pytest.raises(MendableError, match="8 usable rows; at least 10"):
        clean(path, DataParams())


def test_pictures_become_pixels(tmp_path: Path) -> None:
    cleaned = clean(_pictures(tmp_path / "p"), DataParams(image_size=8))
    schema = schema_of(cleaned.schema_table)
    assert schema.task == "image"
    assert schema.classes == ("blue", "red")
    parts = split(cleaned.rows, cleaned.schema_table, DataParams())
    train = select(cleaned.rows, parts, "train")
    encoder = Encoder.fit(train, schema, image_size=8)
    part = encoder.part(train, cleaned.images)
    assert part.features.images is not None
    assert part.features.images.shape == (len(train), 8, 8, 3)
    assert part.target is not None
    red = part.features.images[part.target == 1]
    assert (red == [255, 0, 0]).all()


def test_broken_pictures_are_named_and_left_out_or_refused(tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "p")
    (folder / "red" / "broken.png").write_bytes(_picture((255, 0, 0))[:40])
    cleaned = clean(folder, DataParams(image_size=8))
    assert len(cleaned.rows) == 24
    said = " ".join(schema_of(cleaned.schema_table).warnings)
    assert "1 of 25 pictures cannot be used, such as red/broken.png" in said
    (folder / "red" / "empty.png").write_bytes(b"")
    (folder / "blue" / "words.png").write_bytes(b"no picture")
    with pytest.raises(MendableError, match=r"3 of 27 pictures cannot be used, such as"):
        clean(folder, DataParams(image_size=8))


def test_a_table_may_name_pictures_beside_it(tmp_path: Path) -> None:
    folder = _pictures(tmp_path / "p")
    lines = [f"red/{i}.png,blue/{i}.png,{i}.5,warm\nblue/{i}.png,red/{i}.png,{i}.25,cold\n"
             for i in range(12)]  # fmt: skip
    (folder / "table.csv").write_text("photo,back,size,y\n" + "".join(lines))
    for source in (folder, folder / "table.csv"):
        cleaned = clean(source, DataParams(image_size=8))
        schema = schema_of(cleaned.schema_table)
        assert schema.column("photo").kind == "image"
        assert schema.column("size").role == "feature"
        assert schema.column("back").role == "ignore"
        assert len(cleaned.images) == 24


def test_a_profile_tells_of_every_column_in_json() -> None:
    table = read(SAMPLE)
    schema = infer(table, DataParams())
    told = json.loads(json.dumps(profile(table, schema), allow_nan=False))
    columns = {c["name"]: c for c in told["columns"]}
    assert told["rows"] == 2000
    assert told["source"]["delimiter"] == ","
    assert told["target"] == "churned"
    age = columns["age"]
    assert sum(age["histogram"]["counts"]) == round(2000 * (1 - age["missing"]))
    assert len(age["histogram"]["counts"]) <= 20
    assert age["quantiles"]["0"] == 18
    assert age["quantiles"]["0.5"] == pytest.approx(pd.read_csv(SAMPLE)["age"].median())
    assert columns["plan"]["top"][0]["word"] == "basic"
    assert columns["plan"]["association"]["measure"] == "Cramér's V"
    assert "months" in [word["word"] for word in columns["comment"]["top"]]
    assert columns["signed_up"]["kind"] == "date"
    strongest = max(
        (c for c in told["columns"] if c.get("association")),
        key=lambda c: c["association"]["value"],
    )
    assert strongest["name"] == "monthly_gb"
    assert leaks(table, schema) == []


def test_a_profile_counts_duplicates_and_survives_empty_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [f"{i}.5,,{'uv'[i % 2]}\n" for i in range(20)]
    path.write_text("x,nothing,y\n" + "".join(rows + rows[:3]))
    table = read(path)
    told = profile(table, infer(table, DataParams()))
    assert told["duplicates"] == 3
    empty = next(c for c in told["columns"] if c["name"] == "nothing")
    assert empty["missing"] == 1
    assert empty["distinct"] == 0
    json.dumps(told, allow_nan=False)


def test_many_rows_are_profiled_in_seconds(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    count = 200_000
    frame = pd.DataFrame(
        {
            "n": random.normal(size=count).round(4), "i": random.integers(0, 1000, count),
            "c": random.choice([f"w{i}" for i in range(40)], count),
            "y": random.choice(["a", "b"], count),
        }
    )  # fmt: skip
    frame.to_csv(tmp_path / "t.csv", index=False)
    begin = time.process_time()
    table = read(tmp_path / "t.csv")
    schema = infer(table, DataParams())
    told = profile(table, schema)
    assert told["rows"] == count
    assert told["sampled_rows"] <= 50_000
    assert time.process_time() - begin < 10, "a million rows would take most of a minute"


def test_the_public_files_are_named_by_their_digests(tmp_path: Path) -> None:
    found = sources.sources()
    assert [s.name for s in found] == [
        "adult/train.csv", "adult/test.csv", "california/california.csv",
    ]  # fmt: skip
    assert len({s.sha256 for s in found}) == 3
    assert all("/d20fcb64" in s.url or "/0dc3b0ec" in s.url for s in found)
    mirror = tmp_path / "mirror"
    target = mirror / found[0].mirror_path
    target.parent.mkdir(parents=True)
    target.write_bytes(b"another file")
    from crisol.core.data.sources import SourceError

    with pytest.raises(SourceError, match=r"is not adult/train\.csv"):
        sources.fetch(tmp_path / "raw", mirror)


def _settings_of_real(given: dict[str, Any]) -> dict[str, Any]:
    from crisol.catalog.configuration import ConfigLoader
    from crisol.settings import CONFIG_LOADER_ARGS

    arguments = {**CONFIG_LOADER_ARGS, "default_run_env": "real"}
    loader = ConfigLoader(str(ROOT / "conf"), env="real", runtime_params=given, **arguments)
    found: dict[str, Any] = loader["parameters"]["tabular"]
    return found


@pytest.mark.parametrize("file", ["mine.csv", "/shop/Wein & Öl.csv", "adult_2.csv"])
def test_another_file_takes_nothing_of_adult(file: str) -> None:
    given = {"tabular": {"data": {"file": file}}}
    data = DataParams.model_validate(_settings_of_real(given)["data"])
    plain = DataParams(file=file)
    assert data.title == plain.title == Path(file).stem
    assert data == plain.model_copy(update={"dataset": ""})
    named = {"tabular": {"data": {"file": file, "target": "price", "dataset": "Wine"}}}
    data = DataParams.model_validate(_settings_of_real(named)["data"])
    assert (data.target, data.title, data.label_strip) == ("price", "Wine", "")


def test_adults_files_are_read_as_the_settings_say(tmp_path: Path) -> None:
    data = DataParams.model_validate(_settings_of_real({})["data"])
    assert data.read.names == sources.ADULT_COLUMNS
    line = (
        "{}, {}, 77516, Bachelors, 13, Never-married, Adm-clerical, Husband, White, Male, {}, 0, "
        "40, Cuba, {}\n"
    )
    for name, dot in (("train", ""), ("test", ".")):
        text = "".join(
            line.format(20 + i, "?" if i % 5 == 0 else "Private", i, "<=50K" + dot if i % 3 else
                        ">50K" + dot)
            for i in range(20)
        )  # fmt: skip
        (tmp_path / f"{name}.csv").write_text(text)
    cleaned = clean(tmp_path, data)
    schema = schema_of(cleaned.schema_table)
    assert schema.classes == ("<=50K", ">50K")
    assert schema.target is not None
    assert schema.target.name == "income"
    assert cleaned.rows["workclass"].isna().sum() == 8
    assert "education-num" not in cleaned.rows, "it is the same in every row here"


def test_the_front_of_the_package_gives_functions_however_often_it_is_asked() -> None:
    for name in ("read", "infer", "profile", "clean", "split", "fit", "evaluate", "fetch"):
        for _ in range(2):
            assert callable(getattr(tabular, name)), name
