"""What is written as a table comes back; what is none, or holds what its column does not, is refused."""

from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core import tables
from stages.core.errors import UserError
from stages.core.record import Record

TEXT = st.one_of(
    st.sampled_from(
        ["007", "1e3", "NA", "nan", "null", "", "True", "-", "a,b", 'say "hi"', "é", "1_000", " x "]
    ),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8),
)
KINDS = {"str": TEXT, "int": st.integers(0, 10**6), "bool": st.booleans()}
NAMES = ("sample_id", "case_id", "patient_id")
RECORD = st.builds(
    Record,
    **{field.name: KINDS[str(getattr(field.type, "__name__", field.type))] for field in fields(Record)}
    | dict.fromkeys(NAMES, TEXT.filter(bool)),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORD, max_size=5), groups=st.lists(TEXT.filter(bool), min_size=5, max_size=5))
def test_any_table_comes_back_as_it_was_written(
    tmp_path: Path, records: list[Record], groups: list[str]
) -> None:
    table = tables.from_records(records).assign(group=groups[: len(records)])
    tables.write(table, tmp_path / "m.csv")
    back = tables.read(tables.MANIFEST, tmp_path / "m.csv")
    assert list(back.columns) == list(table.columns)
    assert back.to_dict("records") == table.to_dict("records")


def test_numbers_are_numbers_and_lines_end_as_in_unix(tmp_path: Path) -> None:
    record = Record("s_1", "s", "007", 1, "a.tif", "b.tif", 64, 32, 3, "", site="01", source="lgg")
    table = tables.from_records([record]).assign(share=1 / 3, label_pixels=5)
    tables.write(table, tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes().endswith(b",mask,,tumour,01,True,lgg,,0.333333,5\n")
    back = tables.read(tables.MANIFEST, tmp_path / "m.csv")
    assert back["width"].dtype == back["label_pixels"].dtype == "int64"
    assert back["patient_known"].dtype == bool


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        tables.read(tables.MANIFEST, tmp_path / "m.csv")
    assert str(error.value) == f"{tmp_path}/m.csv does not exist; `dvc repro` makes it"


@pytest.mark.parametrize("name", ["mask", "label_set", "site", "patient_known", "source"])
def test_a_table_without_a_column(tmp_path: Path, name: str) -> None:
    """As one that an earlier version wrote."""
    tables.write(tables.from_records([]).drop(columns=name), tmp_path / "m.csv")
    with pytest.raises(UserError) as error:
        tables.read(tables.MANIFEST, tmp_path / "m.csv")
    assert str(error.value) == f"{tmp_path}/m.csv lacks the column {name}; `dvc repro --force` makes it anew"


SCORES = "case_id,patient_id,region,slices,dice,truth_ml,hd95_mm,contrast,notes\n"


def scores(*lines: str) -> pd.DataFrame:
    return tables.parse(tables.PER_CASE, SCORES + "\n".join(lines), "x.csv", "make it anew")


def test_what_is_not_defined_is_nan_and_what_is_not_known_may_be_text() -> None:
    table = scores("1,07,t,3,0.5,1.25,,,checked", "2,NA,t,4,1,0,3.5,nan,")
    assert list(table["case_id"]) == ["1", "2"]
    assert list(table["patient_id"]) == ["07", "NA"]
    assert table["slices"].dtype == "int64"
    assert table["hd95_mm"].tolist() == [pytest.approx(float("nan"), nan_ok=True), 3.5]
    assert table["contrast"].isna().all()
    assert list(table["notes"]) == ["checked", ""]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (",p,t,3,0.5,1,,,", "case_id is '', not a name"),
        ("a,p,t,-3,0.5,1,,,", "slices is '-3', not a whole number, not below 0"),
        ("a,p,t,3.5,0.5,1,,,", "slices is '3.5', not a whole number, not below 0"),
        ("a,p,t,many,0.5,1,,,", "slices is 'many', not a whole number, not below 0"),
        ("a,p,t,3,1.5,1,,,", "dice is '1.5', not a number from 0 to 1"),
        ("a,p,t,3,,1,,,", "dice is '', not a number from 0 to 1"),
        ("a,p,t,3,0.5,inf,,,", "truth_ml is 'inf', not a finite number"),
        ("a,p,t,3,0.5,1,,high,", "contrast is 'high', not a number, or empty where it is not defined"),
    ],
)
def test_a_cell_that_is_not_what_its_column_holds(line: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        scores("b,q,t,3,0.5,1,,,", line)
    assert str(error.value) == f"x.csv, line 3: {problem}; make it anew"


def test_yes_and_no_are_written_out(tmp_path: Path) -> None:
    record = Record("s_1", "s", "007", 1, "a.tif", "b.tif", 64, 32, 3, "")
    tables.write(tables.from_records([record]), tmp_path / "m.csv")
    (tmp_path / "m.csv").write_text((tmp_path / "m.csv").read_text().replace(",True,", ",yes,"))
    with pytest.raises(UserError, match="line 2: patient_known is 'yes', not True or False; "):
        tables.read(tables.MANIFEST, tmp_path / "m.csv")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not a table"),
        (b"\xff\xfe", "is no text in UTF-8"),
        (b'sample_id\n"a', "is not a table"),
        (b"sample_id,split\na,test,b\n", "is not a table"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "s.csv").write_bytes(content)
    with pytest.raises(UserError) as error:
        tables.read(tables.SPLITS, tmp_path / "s.csv")
    assert str(error.value) == f"{tmp_path}/s.csv {problem}; `dvc repro --force` makes it anew"


def test_a_column_that_only_some_readers_need() -> None:
    with pytest.raises(UserError, match=r"x\.csv lacks the column predicted_ml"):
        tables.parse(tables.PER_CASE.requiring("predicted_ml"), SCORES, "x.csv")
    assert scores().empty


def test_an_empty_manifest_has_the_columns_of_a_record() -> None:
    assert list(tables.from_records([]).columns) == [field.name for field in fields(Record)]
    assert isinstance(tables.from_records([]), pd.DataFrame)


def test_cells_are_not_read_as_numbers_and_columns_may_share_a_name() -> None:
    lines = tables.markdown(["patient", "x", "x"], [("007", "1e3", "+0.020"), ("NA", "", "nan")]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["patient", "x", "x"]
    assert all(set(cell) <= set(":-") for cell in cells[1])
    assert cells[2:] == [["007", "1e3", "+0.020"], ["NA", "", "nan"]]
