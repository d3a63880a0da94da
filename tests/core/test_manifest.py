"""Tables with one row a slice: what is written comes back, as text where it is text."""

from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.core import manifest
from stages.core.errors import UserError
from stages.core.record import Record

TEXT = st.one_of(
    st.sampled_from(
        ["007", "1e3", "NA", "nan", "null", "", "True", "-", "a,b", 'say "hi"', "é", "1_000", " x "]
    ),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8),
)
KINDS = {"str": TEXT, "int": st.integers(0, 10**6), "bool": st.booleans()}
RECORD = st.builds(
    Record,
    **{field.name: KINDS[str(getattr(field.type, "__name__", field.type))] for field in fields(Record)},
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORD, max_size=5), groups=st.lists(TEXT, min_size=5, max_size=5))
def test_any_table_comes_back_as_it_was_written(
    tmp_path: Path, records: list[Record], groups: list[str]
) -> None:
    table = manifest.from_records(records).assign(group=groups[: len(records)])
    manifest.write(table, tmp_path / "m.csv")
    back = manifest.read(tmp_path / "m.csv")
    assert list(back.columns) == list(table.columns)
    assert back.to_dict("records") == table.to_dict("records")


def test_numbers_are_numbers_and_lines_end_as_in_unix(tmp_path: Path) -> None:
    record = Record("s_1", "s", "007", 1, "a.tif", "b.tif", 64, 32, 3, "", site="01", source="lgg")
    table = manifest.from_records([record]).assign(share=1 / 3, label_pixels=5)
    manifest.write(table, tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_bytes().endswith(b",mask,,tumour,01,True,lgg,0.333333,5\n")
    back = manifest.read(tmp_path / "m.csv")
    assert back["width"].dtype == back["label_pixels"].dtype == "int64"
    assert back["patient_known"].dtype == bool


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        manifest.read(tmp_path / "m.csv")
    assert str(error.value) == f"{tmp_path}/m.csv does not exist; `dvc repro` makes it"


@pytest.mark.parametrize("name", ["mask", "label_set", "site", "patient_known", "source"])
def test_a_table_without_a_column(tmp_path: Path, name: str) -> None:
    """As one that an earlier version wrote."""
    manifest.write(manifest.from_records([]).drop(columns=name), tmp_path / "m.csv")
    with pytest.raises(UserError) as error:
        manifest.read(tmp_path / "m.csv")
    assert str(error.value) == f"{tmp_path}/m.csv lacks the column {name}; `dvc repro --force` makes it anew"


def test_an_empty_file_is_a_table_without_columns(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"")
    with pytest.raises(UserError) as error:
        manifest.read(tmp_path / "m.csv")
    assert (
        str(error.value) == f"{tmp_path}/m.csv lacks the column sample_id; `dvc repro --force` makes it anew"
    )


def test_an_empty_manifest_has_the_columns_of_a_record() -> None:
    assert list(manifest.from_records([]).columns) == [field.name for field in fields(Record)]
    assert isinstance(manifest.from_records([]), pd.DataFrame)
