"""Tables in CSV files: what is read, what is refused and where, against Python's csv and statistics."""

import csv
import json
import statistics

import pytest
from hypothesis import given, settings, strategies as st

from microbp.tables import Columns, Scale, Table, as_number, classes_of, listed, read_table


def table(tmp_path, content, name="data.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_delimiters_line_ends_and_marks_are_recognised(tmp_path, delimiter, end, mark):
    lines = ["a; b" if delimiter == "," else "a, b", "größe", "kind"]
    header = delimiter.join([f'"{lines[0]}"', *lines[1:]])
    rows = [delimiter.join(cells) for cells in [["1", " 2.5 ", "cat"], ["-1e3", ".5", '"a ""b"""']]]
    found = table(tmp_path, mark + end.join([header, *rows]) + end)
    assert found.header == lines
    assert found.numbers(lines[0]) == [1.0, -1000.0] and found.numbers("größe") == [2.5, 0.5]
    assert found.texts("kind") == ["cat", 'a "b"']
    assert [row.line for row in found.rows] == [2, 3]


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8).map(
    lambda text: f"_{text.strip()}_"
)


@given(st.lists(TEXT, min_size=2, max_size=5, unique=True), st.data())
@settings(max_examples=200, deadline=None)
def test_what_pythons_csv_writes_is_read(tmp_path_factory, header, data):
    rows = data.draw(
        st.lists(st.lists(TEXT, min_size=len(header), max_size=len(header)), min_size=1, max_size=5)
    )
    path = tmp_path_factory.mktemp("tables") / "data.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    found = read_table(path)
    assert found.header == header
    assert [row.cells for row in found.rows] == rows


def test_lines_are_counted_as_in_the_file(tmp_path):
    found = table(tmp_path, '\n\na,b\n1,2\n\n,\n"x\ny",3\n4,5\n')
    assert [row.line for row in found.rows] == [4, 7, 9]
    with pytest.raises(ValueError, match=r"data.csv, line 7, column 'a': 'x\\ny' is not a number$"):
        found.numbers("a")


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "data.csv is empty; a table begins with a header"),
        ("\n \n", "data.csv is empty"),
        ("a,b\n", "the table has no rows below its header"),
        ("1,2\n3,4\n", "line 1: a header that names the columns is needed here, and there are numbers"),
        ("a,,b\n1,2,3\n", "line 1: column 2 has no name"),
        ("a, b,b \n1,2,3\n", "line 1: two columns are called 'b'"),
        ("a,b\n1,2\n3\n", "line 3: the row has 1 entry, and the header 2 columns"),
        ("a,b\n1,2,3\n", "line 2: the row has 3 entries, and the header 2 columns"),
        ("a\n1\n1,5\n", "line 3: the row has 2 entries, and the header 1 column$"),
        ('a,b\n1,2\n"3,4\n5,6\n', "line 3: this row cannot be read as CSV"),
        ('a,b\n1,"2"x\n', "line 2: this row cannot be read as CSV"),
        (b"a,b\n1,2\n1,\xff\n", "line 3: this is not UTF-8 text"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1: this is not UTF-8 text"),
        ("a,b\n1," + "x" * 200_000, "line 2: this row cannot be read as CSV"),
        ("a" * 200_000 + "\n1", "line 1: this row cannot be read as CSV"),
    ],
    ids=range(15),
)
def test_what_is_no_table_is_refused_saying_where(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as refusal:
        table(tmp_path, content)
    assert str(refusal.value).startswith(str(tmp_path / "data.csv"))


@pytest.mark.parametrize(
    "entry, message",
    [
        ("", "the entry is missing"),
        ("  ", "the entry is missing"),
        ("cat", "'cat' is not a number"),
        ("nan", "'nan' is not finite"),
        ("-inf", "'-inf' is not finite"),
        ("1e999", "'1e999' is not finite"),
        ("1_000", "'1_000' is not a number"),
        ('"1,5"', "'1,5' is not a number; write it with a decimal point"),
        ("0x10", "'0x10' is not a number"),
        ("x" * 50, "'xxx.*\\.\\.\\.' is not a number"),
        ("1\0", "is not a number|cannot be read"),
    ],
)
def test_an_entry_that_is_no_number_is_refused_by_line_and_column(tmp_path, entry, message):
    with pytest.raises(ValueError, match=message) as refusal:
        table(tmp_path, f"a,width\n1,2\n1,{entry}\n").numbers("width")
    assert "data.csv, line 3" in str(refusal.value)


def test_a_column_that_is_not_there_is_refused_with_a_guess(tmp_path):
    with pytest.raises(
        ValueError, match=r"no column 'widht'; there are 'a' and 'width'.  Did you mean 'width'"
    ):
        table(tmp_path, "a,width\n1,2\n").texts("widht")


def test_a_folder_or_nothing_raises_what_the_system_says(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "nothing.csv")
    with pytest.raises((IsADirectoryError, PermissionError)):
        read_table(tmp_path)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_scale_is_the_mean_and_the_standard_deviation(column):
    scale = Scale.of(column)
    assert scale.mean == pytest.approx(statistics.fmean(column), rel=1e-12, abs=1e-9)
    if min(column) == max(column):
        assert scale == (column[0], 1.0)
    elif max(column) - min(column) > 1e-6:
        assert scale.deviation == pytest.approx(statistics.pstdev(column), rel=1e-6)
    for x in column:
        assert scale.restored(scale.standard(x)) == pytest.approx(x, rel=1e-9, abs=1e-9)


def test_enormous_numbers_have_a_scale_or_are_refused(tmp_path):
    assert Scale.of([1e200, -1e200]) == (0.0, pytest.approx(1e200))
    assert Scale.of([0.1] * 3) == (0.1, 1.0)
    with pytest.raises(ValueError, match="column 'a': the numbers are too far apart"):
        table(tmp_path, "a\n1.7e308\n-1.7e308\n").scale("a")


COLUMNS = Columns(["a", "b"], [Scale(1.0, 2.0), Scale(-0.5, 1e-3)], "y", Scale(3.0, 4.0), [])
CLASSES = Columns(["a"], [Scale(0.0, 1.0)], "kind", None, ["cat", "dog", "eel"])


def test_columns_are_told_as_json_and_back():
    for columns, sizes in [(COLUMNS, (2, 1)), (CLASSES, (1, 3))]:
        assert Columns.told(json.loads(json.dumps(columns.about())), *sizes) == columns
    two = Columns(["a"], [Scale(0.0, 1.0)], "kind", None, ["cat", "dog"])
    assert Columns.told(two.about(), 1, 1) == Columns.told(two.about(), 1, 2) == two


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": "ab"},
        {"inputs": ["a"]},
        {"inputs": [1, 2]},
        {"scales": [[1.0, 2.0]]},
        {"scales": [[1.0, 2.0], [1.0]]},
        {"scales": [[1.0, 2.0], [1.0, 0.0]]},
        {"scales": [[1.0, 2.0], [True, 1.0]]},
        {"scales": [[1.0, 2.0], ["1", 1.0]]},
        {"scales": [[1.0, 2.0], [10**400, 1.0]]},
        {"scales": 3},
        {"target": 3},
        {"target_scale": None},
        {"target_scale": 3},
        {"classes": ["cat", "dog"]},
        {"classes": None},
        {"target_scale": None, "classes": ["cat"]},
        {"target_scale": None, "classes": ["cat", "dog", "eel"]},
    ],
)
def test_columns_told_otherwise_are_refused(change):
    with pytest.raises(ValueError, match="stored beside the network"):
        Columns.told({**COLUMNS.about(), **change}, 2, 1)
    missing = {name: part for name, part in COLUMNS.about().items() if name not in change}
    with pytest.raises(ValueError, match="stored beside the network"):
        Columns.told(missing, 2, 1)


def test_samples_are_standardised_by_name(tmp_path):
    found = table(tmp_path, "b,extra,a\n-0.499,cat,5\n-0.5,dog,1\n")
    assert COLUMNS.samples(found) == [[2.0, pytest.approx(1.0)], [0.0, 0.0]]
    far = table(tmp_path, "b,a\n1e308,1\n")
    with pytest.raises(
        ValueError, match="line 2, column 'b': this is too far from the numbers of the training"
    ):
        COLUMNS.samples(far)


def test_small_words():
    assert classes_of(["10", "9", "1e1", "10"]) in (["9", "10", "1e1"], ["9", "1e1", "10"])
    assert classes_of(["b", "9", "a"]) == ["9", "a", "b"]
    assert listed(["a"]) == "'a'" and listed([f"c{i}" for i in range(30)]).endswith("'c19' and 10 more")
    assert as_number("") is None and as_number("1e-3") == 0.001
    assert Table("t", ["a"], []).part([]).rows == []
