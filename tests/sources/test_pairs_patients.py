"""`patients.csv`: whose the images of a set of pairs are, however people write such a table."""

from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.sources import pairs
from tests.fixtures.paired import put, refusal

HEAD = "file,patient\n"
ALL = ("images/1.png", "masks/1.png", "images/2.png", "masks/2.png", "images/a,b.png", "masks/a,b.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return put(tmp_path, *ALL)


def patients(root: Path, table: str | bytes, name: str = "patients.csv") -> list[str]:
    """The patients of images 1, 2 and "a,b" by that table."""
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    return [one.patient_id for one in pairs.find(root).records]


@pytest.mark.parametrize(
    "table",
    [
        "images/1.png,P\nimages/2.png,Q\n" + '"images/a,b.png",P\n',
        "1.png,P\n2.png,Q\n" + '"a,b.png",P\n',
        "1,P\n2,Q\n" + '"a,b",P\n',
        " images/1.png , P \n\n2 ,Q\n" + '"a,b.png",P',
        "1.png,P\n1.png,P\nimages/1.png,P\n2,Q\nsomewhere/else.png,R\n" + '"a,b","P"\n',
        "images\\1.png,P\n./images/2.png,Q\n" + '"images\\a,b.png",P\n',
    ],
    ids=["paths", "names", "stems", "spaces", "more than needed", "as Windows writes them"],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_all_ways_to_name_an_image(root: Path, table: str, ends: str, mark: bytes) -> None:
    written = mark + (HEAD + table).replace("\n", ends).encode()
    assert patients(root, written) == ["P", "Q", "P"]


def test_columns_in_another_order_among_others(root: Path) -> None:
    table = 'age,patient,file\n40,Ä 1,1\n50,"Ä, 2",2\n,3,"a,b"\n'
    assert patients(root, table, "PATIENTS.CSV") == ["Ä 1", "Ä, 2", "3"]


def test_cases_stay_slices_of_their_own(root: Path) -> None:
    patients(root, HEAD + '1,P\n2,P\n"a,b",P\n')
    records = pairs.find(root).records
    assert [one.case_id for one in records] == [one.sample_id for one in records] == ["1", "2", "a,b"]


def test_paths_count_from_the_tables_own_folder_too(tmp_path: Path) -> None:
    put(tmp_path, "set/images/1.png", "set/masks/1.png", "set/images/2.png", "set/masks/2.png")
    assert patients(tmp_path, HEAD + "images/1.png,P\nset/images/2.png,Q\n", "set/patients.csv") == ["P", "Q"]


def test_a_path_goes_before_a_name_and_a_name_stands_for_all_that_have_it(tmp_path: Path) -> None:
    for part in ("test", "train", "val"):
        put(tmp_path, f"{part}/images/1.png", f"{part}/masks/1.png")
    assert patients(tmp_path, HEAD + "train/images/1.png,Q\n1.png,P\n") == ["P", "Q", "P"]


def test_a_mask_without_its_image_is_looked_up_as_well(root: Path) -> None:
    (root / "images/2.png").unlink()
    assert patients(root, HEAD + '1,P\nmasks/2.png,Q\n"a,b",P\n') == ["P", "Q", "P"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            HEAD + "1,P\n",
            "patients.csv does not say whose images/2.png is; add a line with its file and patient",
        ),
        (HEAD, "patients.csv does not say whose images/1.png is; add a line with its file and patient"),
        (HEAD + "1,P\n1,Q\n", "patients.csv line 3 gives 1 two patients; correct it there"),
        (HEAD + "1,P\n2,\n", "patients.csv line 3 gives 2 no patient; correct it there"),
        (HEAD + "1\n", "patients.csv line 2 gives 1 no patient; correct it there"),
        (
            HEAD + "images/1.png,P\nimages\\1.png,Q\n",
            "patients.csv line 3 gives images\\1.png two patients; correct it there",
        ),
        ("", "patients.csv must have the columns file and patient; correct its first line"),
        (
            "image,patient\n1,P\n",
            "patients.csv must have the columns file and patient; correct its first line",
        ),
        (
            "file;patient\n1;P\n",
            "patients.csv must have the columns file and patient; correct its first line",
        ),
        (
            "File,Patient\n1,P\n",
            "patients.csv must have the columns file and patient; correct its first line",
        ),
        (HEAD.encode() + b"1,M\xfcller\n", "patients.csv is no CSV table in UTF-8; save it as one"),
        ((HEAD + "1,P\n").encode("utf-16"), "patients.csv is no CSV table in UTF-8; save it as one"),
        (HEAD + f'1,"{"x" * 140_000}"\n', "patients.csv is no CSV table in UTF-8; save it as one"),
    ],
)
def test_tables_that_are_refused(root: Path, table: str | bytes, sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        patients(root, table)
    assert str(refused.value) == sentence


def test_two_tables(root: Path) -> None:
    for name in ("patients.csv", "images/patients.csv"):
        (root / name).write_text(HEAD + "1,P\n")
    assert refusal(root) == (
        "images/patients.csv and patients.csv both tell whose the scans are; merge them into one"
    )
