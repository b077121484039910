"""Where a table begins is found and told: titles, comments, units, headers of several rows."""

import pytest

from crisol.core.data.read_params import ReadParams
from crisol.core.data.tables.table_file import TableFile, read_table
from crisol.core.errors import MendableError

BODY = "".join(f"c{i},{i},2.5\n" for i in range(9))
HEAD = "city,sold,price\n"


def _read(folder, text: str | bytes, **params) -> TableFile:
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, ReadParams(**params), "t.csv")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sep=;\nx;y\n1,5;2\n2,5;3\n", 3),
        ("SEP=|\nx|y\n1,5|2\n2,5|3\n", 3),
        ("sep=\\t\nx\ty\n1,5\t2\n2,5\t3\n", 3),
        ('"sep=;"\nx;y\n1,5;2\n2,5;3\n', 3),
        (b"\xef\xbb\xbfsep=;\nx;y\n1,5;2\n2,5;3\n", 3),
        ("sep=;\nx;y\n1,5;2\n2,5;3\n".encode("utf-16"), 3),
        ("sep=;\r\nx;y\r\n1,5;2\r\n2,5;3\r\n", 3),
    ],
)
def test_a_line_that_names_the_mark_is_honoured(tmp_path, text, line) -> None:
    table = _read(tmp_path, text)
    assert table.frame.to_dict("list") == {"x": ["1,5", "2,5"], "y": ["2", "3"]}
    assert table.first_line == line
    assert "which the first line names (read.delimiter)" in " ".join(table.notes)


@pytest.mark.parametrize(
    ("above", "line"),
    [
        ("Sales report\n\n", 3),
        ("Sales report 2024\n", 2),
        ("Report, May 2024\nGenerated: 2024-05-01\n\n", 4),
        ("Station: Oslo\nLat: 59.9\nLon: 10.7\n", 4),
        ("Export,,\nDate,2024-01-01,\n,,\n", 4),
        ("Export 2024,,\n", 2),
        ("\n\n", 3),
        ("Station,Oslo\nLatitude,59.9\n\n", 4),
        ('"Title, quoted"\r\n\r\n', 3),
        ("".join(f"setting {i}: on\n" for i in range(30)) + "\n", 32),
        ("# made by a program\n# on, some, day\n", 3),
        ("".join(f"# line {i}, of, it\n" for i in range(100)), 101),
        ("% made by a program\n", 2),
        ("// made by a program\n//\n", 3),
        ("#Station: Oslo\n#Lat: 59.9\n\n", 4),
    ],
)
def test_lines_before_the_table_are_left_out(tmp_path, above, line) -> None:
    table = _read(tmp_path, above + HEAD + BODY)
    assert list(table.frame) == ["city", "sold", "price"]
    assert len(table.frame) == 9
    assert table.first_line == line + 1
    told = " ".join(table.notes)
    assert not above.strip() or "read.skip" in told or "read.comment" in told
    skipped = _read(tmp_path, above + HEAD + BODY, skip=line - 1)
    assert skipped.frame.equals(table.frame)


def test_exports_of_banks_and_offices(tmp_path) -> None:
    bank = (
        '"Kontonummer:";"DE12 / Giro";\n\n"Von:";"01.01.2024";\n"Kontostand:";"1.234,56 EUR";\n\n'
        '"Buchungstag";"Text";"Betrag"\n'
    ) + "".join(f'"0{i}.01.2024";"Kauf {i}";"-{i},50"\n' for i in range(1, 9))
    assert _read(tmp_path, bank).frame.iloc[0].tolist() == ["01.01.2024", "Kauf 1", "-1,50"]
    bank = '"Source","Indicators",\n\n"Updated","2024-01-01",\n\n"Name","Code","1960","1961",\n'
    bank += "".join(f'"C{i}","C{i}X","{i}.5","{i * 2}",\n' for i in range(9))
    assert list(_read(tmp_path, bank).frame) == ["Name", "Code", "1960", "1961"]
    trends = "Category: All\n\nWeek,foo: (Worldwide)\n" + "2024-01-07,5\n2024-01-14,7\n"
    assert list(_read(tmp_path, trends).frame) == ["Week", "foo: (Worldwide)"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("# x,y\n1.0,2.0\n3.0,4.0\n", ["x", "y"]),
        ("# x y\n1.0 2.0\n3.0 4.0\n", ["x", "y"]),
        ("#id,name\n1,Ann\n2,Bob\n", ["id", "name"]),
        ("# by me\n# x;y\n1,0;2\n3,0;4\n", ["x", "y"]),
        ("%x,y\n1.0,2.0\n3.0,4.0\n", ["x", "y"]),
        ("#,name\n1,Ann\n2,Bob\n", ["#", "name"]),
    ],
)
def test_a_header_may_be_a_comment(tmp_path, text, names) -> None:
    table = _read(tmp_path, text)
    assert list(table.frame) == names
    assert len(table.frame) == 2


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("hex,name\n#ff0000,red\n#00ff00,green\n", ["#ff0000", "#00ff00"]),
        ("tag,n\n#love,3\n#hate,2\nplain,4\n", ["#love", "#hate", "plain"]),
        ("text\n# of things\nplain\n#tag\n", ["# of things", "plain", "#tag"]),
        ("rate,n\n%5,3\n6,2\n", ["%5", "6"]),
        ("path,n\n//srv/a,3\n//srv/b,2\n", ["//srv/a", "//srv/b"]),
    ],
)
def test_words_that_begin_like_comments_stay(tmp_path, text, first) -> None:
    assert _read(tmp_path, text).frame.iloc[:, 0].tolist() == first


def test_comments_inside_are_left_out_and_lines_counted(tmp_path) -> None:
    text = "# by me\nx,y\n1,2\n# a note\n3,4\n# b, c\n5,6\n"
    table = _read(tmp_path, text)
    assert table.frame.to_dict("list") == {"x": ["1", "3", "5"], "y": ["2", "4", "6"]}
    assert table.gaps == ((1, 1), (2, 1))
    assert "first line 4: '# a note' (read.comment)" in " ".join(table.notes)
    assert len(_read(tmp_path, "x,y\n1,2\n!n\n3,4\n", comment="!").frame) == 2
    with pytest.raises(MendableError, match="line 4: has 1 cells"):
        _read(tmp_path, text, comment="")


@pytest.mark.parametrize(
    ("head", "units", "row", "told"),
    [
        ("time,len,name", "[s],[mm],", "#,#.5,n#", "time: [s], len: [mm]"),
        ("time,weight", "s,kg", "#,#.5", "time: s, weight: kg"),
        ("t;temp;city", "(h);°C;-", "#;#,5;Oslo", "t: (h), temp: °C"),
        ("date,temp,wind", ",°C,m/s", "2024-01-0#,#,#.5", "temp: °C, wind: m/s"),
        ("p\tv\tn", "hPa\tkm/h\t1", "#\t#\t#", "p: hPa, v: km/h, n: 1"),
        ("price,share", "EUR,%", "#,#.5", "price: EUR, share: %"),
    ],
)
def test_units_below_the_header_are_no_values(tmp_path, head, units, row, told) -> None:
    body = "".join(row.replace("#", str(i)) + "\n" for i in range(1, 10))
    table = _read(tmp_path, f"{head}\n{units}\n{body}")
    assert len(table.frame) == 9
    assert f"holds units, {told}" in " ".join(table.notes)
    assert len(_read(tmp_path, f"{head}\n{units}\n{body}", units=False).frame) >= 9


@pytest.mark.parametrize(
    "text",
    [
        "age,h,city\nunknown,none,Rome\n" + "1,2.5,Oslo\n" * 9,
        "age,city\nold,Rome\n" + "1,Oslo\n" * 9,
        "size,n\nm,1\ns,2\nl,3\n",
        "a,b\n-,-\n" + "1,2\n" * 9,
    ],
)
def test_words_in_the_first_row_are_no_units(tmp_path, text) -> None:
    table = _read(tmp_path, text)
    assert len(table.frame) == text.count("\n") - 1
    assert "units" not in " ".join(table.notes)


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("2023,,2024,\nQ1,Q2,Q1,Q2\n", ["2023 Q1", "2023 Q2", "2024 Q1", "2024 Q2"]),
        (",a,a,b\n,x,y,x\n", ["column_1", "a x", "a y", "b x"]),
        (",a,a,b\n,x,y,x\nid,,,\n", ["column_1", "a x", "a y", "b x"]),
        ("t,t,w,w\nmin,max,min,max\n", ["t min", "t max", "w min", "w max"]),
        ("North,,South,\nsold,price,sold,price\n",
         ["North sold", "North price", "South sold", "South price"]),
    ],
)  # fmt: skip
def test_headers_of_two_rows_are_joined(tmp_path, head, names) -> None:
    body = "".join(f"{i},{i * 2}.5,3,{i * i}\n" for i in range(12))
    table = _read(tmp_path, head + body)
    assert list(table.frame) == names
    assert len(table.frame) == 12
    assert "the header has two rows" in " ".join(table.notes)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"x","y"\n"1",3,"u"\n"2",6,"v"\n"3",1,"w"\n', ["x", "y"]),
        ('"mpg" "cyl"\n"Mazda RX4" 21 6\n"Datsun 710" 22.8 4\n"Valiant" 18.1 6\n',
         ["mpg", "cyl"]),
        ("mpg\tcyl\nMazda\t21\t6\nDatsun\t22.8\t4\n", ["mpg", "cyl"]),
        ("mpg;cyl\nMazda;21,5;6\nDatsun;22,8;4\n", ["mpg", "cyl"]),
        ('"x"\n"a",1\n"b",2\n"c",3\n', ["x"]),
    ],
)  # fmt: skip
def test_the_short_header_of_r_names_its_columns(tmp_path, text, names) -> None:
    table = _read(tmp_path, text)
    assert list(table.frame) == ["row_names", *names]
    assert table.index == ("row_names",)
    assert "as R writes them" in " ".join(table.notes)


def test_the_lines_of_errors_count_from_the_start_of_the_file(tmp_path) -> None:
    with pytest.raises(MendableError, match="line 6: has 2 cells"):
        _read(tmp_path, "Report\n\na,b,c\n1,2,3\n4,5,6\n7,8\n9,1,2\n")
    with pytest.raises(MendableError, match="line 5: has 4 cells"):
        _read(tmp_path, "# x\na,b,c\n1,2,3\n\n4,5,6,7\n9,1,2\n")
    with pytest.raises(MendableError, match=r"read\.skip: t\.csv has no rows below line 9"):
        _read(tmp_path, "a\n1\n", skip=9)


def test_two_tables_in_a_file_are_refused(tmp_path) -> None:
    text = "a,b\n" + "1,2\n" * 5 + "\nc,d\n" + "3,4\n" * 5
    with pytest.raises(MendableError, match=r"two tables, from line 1 and from line 8.*skip: 7"):
        _read(tmp_path, text)
    assert list(_read(tmp_path, text, skip=7).frame) == ["c", "d"]


def test_a_text_without_its_mark_in_two_bytes_a_character(tmp_path) -> None:
    for encoding in ("utf-16-le", "utf-16-be"):
        table = _read(tmp_path, "Titel\n\na;b\nÜ;2\nx;3\n".encode(encoding))
        assert table.encoding == encoding
        assert table.frame["a"].tolist() == ["Ü", "x"]
        assert "read.encoding" in table.notes[0]


SURVEY = [f"2024-01-{i + 10} 10:00,{i * 7},{'no' if i % 2 else 'yes'}\n" for i in range(9)]


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("start,q1,q2\nStart,How many?,Again?\n", ["start Start", "q1 How many?", "q2 Again?"]),
        (
            'start,q1,q2\nStart,How many?,Again?\n"{""ImportId"":""s""}","{""I"":""1""}",\n',
            ["start Start", "q1 How many?", "q2 Again?"],
        ),
        ("When?,Many?,\n,Open answer,Again\n", ["When?", "Many? Open answer", "Many? Again"]),
        ("t,volts,kind\nTS,Deg x,KD\nEnd,Avg,\n", ["t TS End", "volts Deg x Avg", "kind KD"]),
    ],
)  # fmt: skip
def test_headers_of_surveys_and_loggers_have_several_rows(tmp_path, head, names) -> None:
    table = _read(tmp_path, head + "".join(SURVEY))
    assert list(table.frame) == names
    assert len(table.frame) == 9
    assert "the header has two rows" in " ".join(table.notes)


@pytest.mark.parametrize(
    "first",
    ["2024-01-09 10:00,unknown,yes\n", ",none,no\n", "never,7,maybe\n", "never,,yes\n"],
)
def test_a_first_row_with_words_stays_a_row(tmp_path, first) -> None:
    table = _read(tmp_path, "start,q1,q2\n" + first + "".join(SURVEY))
    assert list(table.frame) == ["start", "q1", "q2"]
    assert len(table.frame) == 10


@pytest.mark.parametrize(
    ("head", "body", "below"),
    [
        (HEAD + "----,----,-----\n", BODY, "\n(9 rows affected)\n"),
        ("city  sold  price\n---- ---- -----\n", BODY.replace(",", "  "), "\n(9 rows affected)\n"),
        ("CITY\tSOLD\tPRICE\n====\t====\t=====\n", BODY.replace(",", "\t"), "9 rows selected.\n"),
    ],
)  # fmt: skip
def test_lines_that_databases_draw_are_left_out(tmp_path, head, body, below) -> None:
    table = _read(tmp_path, head + body + head + body + below)
    assert [name.lower() for name in table.frame] == ["city", "sold", "price"]
    assert len(table.frame) == 18
    assert "is drawn below the header" in " ".join(table.notes)


@pytest.mark.parametrize(
    "text",
    [
        " city | sold\n------+------\n a    |    1\n b    |    2\n(2 rows)\n",
        "+------+------+\n| city | sold |\n+------+------+\n| a    | 1    |\n| b    | 2    |\n",
        "List\n\n-----------\n|city|sold |\n-----------\n|a   |1,50-|\n|b   |2,00 |\n",
        "| city | sold |\n|:-----|-----:|\n| a | 1 |\n| b | 2 |\n",
    ],
)
def test_tables_drawn_with_lines_are_refused(tmp_path, text) -> None:
    with pytest.raises(MendableError, match=r"is a table drawn with lines.*save it as CSV"):
        _read(tmp_path, text)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_names_in_brackets_are_a_header(tmp_path, mark) -> None:
    text = "<CITY>,<SOLD>,<PRICE>\n" + BODY
    table = _read(tmp_path, text.replace(",", mark))
    assert list(table.frame) == ["<CITY>", "<SOLD>", "<PRICE>"]
    assert len(table.frame) == 9


@pytest.mark.parametrize(
    ("above", "below", "names"),
    [
        ("", "", ["column_1", "2019", "2020"]),
        ("People,,\n,,\n", "", ["column_1", "2019", "2020"]),
        ("People,,\n", ",Count,Count\n", ["column_1", "2019 Count", "2020 Count"]),
    ],
)
def test_years_below_a_blank_corner_are_names(tmp_path, above, below, names) -> None:
    rows = "".join(f"Region {i},{i * 700},{i * 33}\n" for i in range(9))
    table = _read(tmp_path, f"{above},2019,2020\n{below}{rows}")
    assert list(table.frame) == names
    assert len(table.frame) == 9
