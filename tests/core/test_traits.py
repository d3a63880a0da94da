"""What a source tells of a patient, as one field of a table and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core import traits

NAMES = st.text("abcdefgh_", min_size=1)


@given(st.dictionaries(NAMES, st.text()))
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    read = traits.parse(traits.text(values))
    assert set(read) == {name for name, value in values.items() if value.strip()}
    assert traits.parse(traits.text(read)) == read


@pytest.mark.parametrize(
    ("years", "group"),
    [
        ("0", "0 to 17"),
        ("17.9", "0 to 17"),
        ("18", "18 to 39"),
        ("59", "40 to 59"),
        ("60", "60 or more"),
        ("-1", ""),
        ("old", ""),
        ("", ""),
        ("nan", ""),
    ],
)
def test_ages_go_to_groups(years: str, group: str) -> None:
    assert traits.age_group(years) == group
