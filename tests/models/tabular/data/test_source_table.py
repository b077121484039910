"""Files as people have them: what is found out, what is refused, and with which words."""

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from crisol.core.errors import MendableError
from crisol.models.tabular.data import archives
from crisol.models.tabular.data.source_table import LABEL, PART, PICTURE, ROW, read

PLAIN = "name,age\nAna,31\nÉva,40\n"


def _file(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _picture(colour: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (12, 8), colour).save(stream, "PNG")
    return stream.getvalue()


def _zip(path: Path, files: dict[str, bytes], **kwargs) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **kwargs) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def test_a_folder_and_a_zip_may_hold_an_official_split(tmp_path: Path) -> None:
    _file(tmp_path / "d", "a,y\n1,u\n2,v\n", "train.csv")
    _file(tmp_path / "d", "a,y\n3,u\n", "test.csv")
    _file(tmp_path / "d", "words", "README.md")
    packed = _zip(tmp_path / "d.zip", {f"d/{p.name}": p.read_bytes()
                                       for p in (tmp_path / "d").iterdir()})  # fmt: skip
    for source in (tmp_path / "d", packed):
        table = read(source)
        assert table.frame[PART].tolist() == ["train", "train", "test"]
        assert table.frame[ROW].tolist() == [1, 2, 3]
        assert table.found.parts == ("train", "test")
    _file(tmp_path / "d", "a,z\n3,u\n", "test.csv")
    with pytest.raises(MendableError, match=r"column 'y' is in one of train.csv and test.csv"):
        read(tmp_path / "d")


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "csv.gz", "jsonl.gz", "ndjson.GZ"])
def test_a_folder_and_a_zip_may_hold_lines_of_json_and_packed_tables(
    tmp_path: Path, ending: str
) -> None:
    lines = {"train": b'{"a": 1, "y": "u"}\n{"a": 2, "y": "v"}\n', "test": b'{"a": 3, "y": "u"}\n'}
    if ending.startswith("csv"):
        lines = {"train": b"a,y\n1,u\n2,v\n", "test": b"a,y\n3,u\n"}
    if ending.lower().endswith("gz"):
        lines = {part: gzip.compress(content) for part, content in lines.items()}
    for part, content in lines.items():
        _file(tmp_path / "d", content, f"{part}.{ending}")
    packed = _zip(tmp_path / "d.zip", {f"d/{p}.{ending}": c for p, c in lines.items()})
    one = _zip(tmp_path / "one.zip", {f"rows.{ending}": lines["train"]})
    for source in (tmp_path / "d", packed):
        table = read(source)
        assert table.frame["a"].astype(int).tolist() == [1, 2, 3]
        assert table.frame[PART].tolist() == ["train", "train", "test"]
    assert read(one).frame["y"].tolist() == ["u", "v"]


def test_pictures_lie_in_class_folders(tmp_path: Path) -> None:
    folders = [f"all/{part}/{kind}" for part in ("train", "test") for kind in ("cat", "dog")]
    files = {f"{folder}/{i}.png": _picture() for folder in folders for i in range(2)}
    files |= {"all/notes.md": b"x", "__MACOSX/all/._1.png": b"x"}
    table = read(_zip(tmp_path / "p.zip", files))
    assert table.found.format == "images"
    assert sorted(set(table.frame[LABEL])) == ["cat", "dog"]
    assert table.frame[PART].value_counts().to_dict() == {"train": 4, "test": 4}
    assert table.frame[PICTURE].iloc[0].startswith("all/")
    assert "1 file(s) that are no pictures" in " ".join(table.found.notes)
    flat = _zip(tmp_path / "flat.zip", {"1.png": _picture(), "cat/2.png": _picture()})
    with pytest.raises(MendableError, match=r"1\.png lies in no class folder"):
        read(flat)


def test_what_a_folder_does_not_say_is_asked(tmp_path: Path) -> None:
    _file(tmp_path / "d", "a\n1\n", "one.csv")
    _file(tmp_path / "d", "a\n1\n", "two.csv")
    with pytest.raises(MendableError, match=r"holds one.csv, two.csv; needed: one table"):
        read(tmp_path / "d")
    with pytest.raises(MendableError, match="no such file or folder"):
        read(tmp_path / "nothing.csv")


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/evil.csv", "a\\..\\evil.csv", "C:/evil.csv"])
def test_a_zip_names_nothing_outside_of_itself(tmp_path: Path, name: str) -> None:
    packed = _zip(tmp_path / "evil.zip", {name: b"a\n1\n"})
    with pytest.raises(MendableError, match="outside of itself"):
        read(packed)


def test_a_zip_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = _zip(tmp_path / "bomb.zip", {"t.csv": b"a\n" + b"0\n" * 20_000_000})
    with pytest.raises(MendableError, match="more than 200 times its packed size"):
        read(bomb)
    monkeypatch.setattr(archives, "MAX_FILES", 2)
    many = _zip(tmp_path / "many.zip", {f"c/{i}.png": b"x" for i in range(3)})
    with pytest.raises(MendableError, match="holds 3 files"):
        read(many)


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "liar.zip", {"t.csv": b"a,b\n" + b"1,2\n" * 5000})
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 40)  # the directory promises 40 bytes
    path.write_bytes(data)
    with pytest.raises(MendableError):
        read(path)


def test_links_and_passwords_in_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as packed:
        entry = zipfile.ZipInfo("t.csv")
        entry.external_attr = 0o120777 << 16
        packed.writestr(entry, "/etc/passwd")
    with pytest.raises(MendableError, match="is a link"):
        read(tmp_path / "link.zip")
    path = _zip(tmp_path / "secret.zip", {"t.csv": b"a\n1\n"})
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(MendableError, match="is encrypted"):
        read(path)


def test_links_that_lead_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    _file(tmp_path / "secret", "a\n1\n", "t.csv")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "t.csv").symlink_to(tmp_path / "secret" / "t.csv")
    with pytest.raises(MendableError, match="holds nothing"):
        read(tmp_path / "d")


def test_what_was_found_is_json(tmp_path: Path) -> None:
    told = json.loads(json.dumps(read(_file(tmp_path, PLAIN)).found.tell()))
    assert told["format"] == "csv"
    assert told["delimiter"] == ","
    assert told["header"] is True


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("a;y\n1.25;u\n2.50;v\n", "a;y\n1,25;u\n2,50;v\n"),
        ("a;y\n0.125;u\n2.5;v\n", "a;y\n0,125;u\n1,125;v\n"),
        ("a,y\n1.25 €,u\n2.50 €,v\n", "a;y\n1,25 €;u\n2,50 €;v\n"),
    ],
)
def test_train_and_test_write_numbers_alike(tmp_path: Path, train: str, test: str) -> None:
    _file(tmp_path / "d", train, "train.csv")
    _file(tmp_path / "d", test, "test.csv")
    with pytest.raises(MendableError, match=r"train.csv writes numbers with a decimal point"):
        read(tmp_path / "d")
