"""Pictures published twice are found, people are not taken for one another, and what is joined stays so."""

import io
import zipfile
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.checks import twins
from stages.core import tables
from stages.fingerprints import fingerprint
from stages.formats.reader import Reader
from stages.project import params
from stages.sources import coco, pairs, sample

PARAMS = Path(__file__).parents[2] / "params.yaml"
TWINS = 69
"""Pictures that are in both coco.zip and figshare.zip, of one number."""


@pytest.fixture(scope="module")
def bits() -> int:
    """Up to how many bits the project as shipped joins patients."""
    return params.load(params.Validate, PARAMS).near_duplicate_bits


@pytest.fixture(scope="module")
def published(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Manifests of two sets with the same pictures, the number and the hash of each picture beside them."""
    found = []
    for archive, adapter in (("coco", coco), ("figshare", pairs)):
        root = tmp_path_factory.mktemp(archive)
        with zipfile.ZipFile(shared_data / f"{archive}.zip") as packed:
            packed.extractall(root)
        rows = tables.from_records(adapter.find(root).records)
        reader = Reader(root)
        grey = [reader.image(file, 0).mean(axis=2, dtype=np.float32) for file in rows["image"]]
        number = rows["patient_id"].str.extract(r"(\d+)$")[0].astype(int)
        names = {name: archive + "/" + rows[name] for name in ("sample_id", "patient_id")}
        hashes = [fingerprint.of(picture) for picture in grey]
        found.append(rows.assign(number=number, archive=archive, picture=hashes, **names))
    return pd.concat(found, ignore_index=True)


def numbered(rows: pd.DataFrame, found: list[twins.Pair]) -> list[tuple[int, int]]:
    number = rows.set_index("sample_id")["number"]
    return [(int(number[one]), int(number[other])) for one, other in found]


def test_pictures_published_twice_are_found_and_no_others(published: pd.DataFrame, bits: int) -> None:
    """Transposed, stretched and once as JPEG: at least 95 % of them, at most 1 % of what is found wrong."""
    both = published[published.duplicated("number", keep=False)]
    assert len(both) == 2 * TWINS
    found = numbered(both, twins.near(both, bits))
    right = sum(one == other for one, other in found)
    assert right >= 0.95 * TWINS
    assert len(found) - right <= 0.01 * len(found)


def test_what_else_looks_alike_in_the_sets_is_the_next_slice(published: pd.DataFrame, bits: int) -> None:
    found = numbered(published, twins.near(published, bits))
    wrong = [pair for pair in found if abs(pair[0] - pair[1]) > 1]
    assert wrong == []
    assert len(found) >= 0.95 * TWINS


def test_no_two_of_26_real_patients_look_alike(shared_data: Path, bits: int) -> None:
    """Nor would they within two bits more."""
    hashes, owners = [], []
    with zipfile.ZipFile(shared_data / "lgg.zip") as packed:
        for name in packed.namelist():
            if name.endswith(".tif") and not name.endswith("_mask.tif"):
                pixels = tifffile.imread(io.BytesIO(packed.read(name)))
                hashes.append(fingerprint.of(pixels.mean(axis=2, dtype=np.float32)))
                owners.append(name.split("/")[1])
    assert len(set(owners)) == 26
    assert sum(map(bool, hashes)) > 0.9 * len(hashes)
    assert fingerprint.near(hashes, owners, bits + 2) == []


@pytest.mark.parametrize("patients", [8, pytest.param(sample.PATIENTS, marks=pytest.mark.slow)])
def test_no_two_generated_patients_look_alike(tmp_path: Path, bits: int, patients: int) -> None:
    sample.write(tmp_path, patients)
    files = [path for path in sorted(tmp_path.rglob("*.tif")) if not path.stem.endswith("_mask")]
    hashes = [fingerprint.of(tifffile.imread(path).mean(axis=2, dtype=np.float32)) for path in files]
    assert sum(map(bool, hashes)) > 0.9 * len(hashes)
    assert fingerprint.near(hashes, [path.parent.name for path in files], bits + 2) == []


def test_runs_of_the_real_set(published: pd.DataFrame) -> None:
    """Of pictures with consecutive numbers most are joined; what is joined is consecutive and few in all."""
    rows = published[published["archive"] == "coco"]
    found = numbered(rows, twins.runs(rows))
    numbers = set(rows["number"])
    next_ones = {(number, number + 1) for number in numbers if number + 1 in numbers}
    assert {other - one for one, other in found} == {1, 2, 3}
    assert len(next_ones & set(found)) > 0.75 * len(next_ones)
    assert twins.groups(rows, twins.runs(rows)).value_counts().max() <= 6


PLAIN = "0" * (fingerprint.SIDE**2 // 4)


def differing(bits: int) -> str:
    """A hash so many bits from `PLAIN`."""
    return f"{(1 << bits) - 1:0{len(PLAIN)}x}"


def listed(*patients: str, known: bool = False) -> pd.DataFrame:
    names = pd.Series(patients, dtype=str)
    return pd.DataFrame({"sample_id": names, "patient_id": names, "patient_known": known, "picture": PLAIN})


def test_consecutive_pictures_that_look_alike_are_one_run() -> None:
    rows = listed("10", "9", "11")
    assert twins.runs(rows) == [("9", "10"), ("9", "11"), ("10", "11")]
    for apart, joined in ((twins.RUN_BITS, 3), (twins.RUN_BITS + 1, 1)):
        changed = rows.assign(picture=[differing(apart), PLAIN, PLAIN])
        assert len(twins.runs(changed)) == joined
    assert twins.runs(rows.assign(picture=["", PLAIN, PLAIN])) == [("9", "11")]
    assert len(twins.runs(rows.assign(level=np.nan))) == 3  # what could not be measured has no say


def test_sets_that_know_their_patients_have_no_runs() -> None:
    assert twins.runs(listed("1", "2", "3", known=True)) == []
    mixed = listed("1", "2", "3").assign(patient_known=[False, True, False])
    assert twins.runs(mixed) == [("1", "3")]


@pytest.mark.parametrize(
    ("patients", "wanted"),
    [
        (("1", "4"), [("1", "4")]),
        (("1", "5"), []),
        (("a1", "b2"), []),
        (("a1", "a2"), [("a1", "a2")]),
        (("1-a2", "1-a3"), [("1-a2", "1-a3")]),
        (("1-a", "2-a"), []),
        (("x", "y"), []),
        (("x", "9", "y", "10"), [("9", "10")]),
        ((f"{10**25}", f"{10**25 + 4}", f"{10**25 + 5}"), [(f"{10**25 + 4}", f"{10**25 + 5}")]),
        ((), []),
    ],
)
def test_what_is_consecutive(patients: tuple[str, ...], wanted: list[twins.Pair]) -> None:
    """Numbers at most three apart at the end of names that are otherwise the same."""
    assert twins.runs(listed(*patients)) == wanted


def test_copies_of_one_number_are_joined_by_their_name_and_not_as_a_run() -> None:
    rows = listed("7", "7", "8").assign(sample_id=["7-a", "7-b", "8-a"])
    assert twins.runs(rows) == [("7-a", "8-a"), ("7-b", "8-a")]


def test_identical_pixels_that_show_something() -> None:
    rows = pd.DataFrame(
        {
            "sample_id": list("abcdefgh"),
            "content": ["x", "", "x", "y", "y", "", "x", "z"],
            "head": [0.5, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5, 0.5],
        }
    )
    assert twins.identical(rows) == [("a", "c"), ("a", "g")]


def test_near_pictures_only_of_different_patients_and_none_where_it_is_off() -> None:
    rows = pd.DataFrame(
        {"sample_id": list("abcd"), "patient_id": list("PPQR"), "picture": [PLAIN, PLAIN, differing(5), ""]}
    )
    assert twins.near(rows, 5) == [("a", "c"), ("b", "c")]
    assert twins.near(rows, 4) == []
    assert twins.near(rows.assign(picture=PLAIN), 0) == []


def test_everything_that_belongs_together_joins_the_groups() -> None:
    rows = listed("s1", "s2", "t8", "u", "v", "w").assign(
        content=["1", "2", "3", "4", "3", "6"],
        head=0.5,
        picture=[PLAIN, differing(30), differing(60), "", "", differing(63)],
    )
    same = twins.of(rows, 3)
    assert same == twins.Same(identical=[("t8", "v")], near=[("t8", "w")], runs=[("s1", "s2")])
    assert list(same.groups(rows)) == ["s1", "s1", "t8", "u", "t8", "t8"]
    assert list(twins.Same([], [], []).groups(rows)) == list(rows["patient_id"])


@settings(max_examples=60)
@given(
    patients=st.lists(st.sampled_from("PQRSTUV"), min_size=1, max_size=14),
    joined=st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_groups_are_the_connected_patients_in_any_order(
    patients: list[str], joined: list[tuple[int, int]], order: object
) -> None:
    """Against a closure by repeated merging, written without union-find."""
    count = len(patients)
    found = [(str(one % count), str(other % count)) for one, other in joined]
    rows = pd.DataFrame({"sample_id": [str(k) for k in range(count)], "patient_id": patients})
    together = [{patient} for patient in patients]
    for _ in range(count):
        for one, other in combinations(range(count), 2):
            linked = {(str(one), str(other)), (str(other), str(one))} & set(found)
            if linked or together[one] & together[other]:
                together[one] = together[other] = together[one] | together[other]
    assert list(twins.groups(rows, found)) == [min(group) for group in together]
    places = list(range(count))
    order.shuffle(places)  # type: ignore[attr-defined]
    order.shuffle(found)  # type: ignore[attr-defined]
    again = twins.groups(rows.iloc[places], [pair[::-1] for pair in found])
    assert dict(again) == {place: min(together[place]) for place in places}
