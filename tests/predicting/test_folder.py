"""Which scans the files of one folder make: every file is in one of them, and patients are not mixed."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.predicting import discovery, folder, reading
from stages.predicting.scan import Scan
from tests.fixtures import graphs, volumes


def made(root: Path, *names: str) -> Path:
    """A folder with empty files of these names."""
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / name).write_bytes(b"")
    return root


def cases(root: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(scan.name, scan.kind, scan.roles) for scan in discovery.find([root]).scans]


def test_a_name_that_tells_a_sequence_does_not_make_the_folder_one_case(tmp_path: Path) -> None:
    made(tmp_path / "new", "smith_flair.nii.gz", "jones.nii.gz")
    assert cases(tmp_path) == [("jones", "nifti", ()), ("smith_flair", "nifti", ("flair",))]


def test_two_patients_are_not_one(tmp_path: Path) -> None:
    """The FLAIR of one head and the T2 of another look like a case to a model of both."""
    made(tmp_path / "new", "sub-01_flair.nii.gz", "sub-02_t2.nii.gz")
    assert cases(tmp_path) == [
        ("sub-01_flair", "nifti", ("flair",)),
        ("sub-02_t2", "nifti", ("t2",)),
    ]


def test_cases_in_one_folder_by_the_rest_of_their_names(tmp_path: Path) -> None:
    made(tmp_path / "new", *(f"Sub-{n}_{word}.nii.gz" for n in ("01", "02") for word in ("flair", "T1")))
    scans = discovery.find([tmp_path]).scans
    assert [(scan.name, scan.kind, scan.roles, str(scan)) for scan in scans] == [
        (f"Sub-{n}", "brats", ("t1", "flair"), f"{tmp_path}/new/Sub-{n}") for n in ("01", "02")
    ]
    assert [file.name for file in scans[1].files] == ["Sub-02_T1.nii.gz", "Sub-02_flair.nii.gz"]


@pytest.mark.parametrize(
    "names",
    [
        ("Flair.nii.gz", "T1c.nii.gz"),
        ("Flair_subtrMeanDivStd.nii.gz", "T1c_subtrMeanDivStd.nii.gz"),
        ("p7_flair.nii", "p7_t1ce.nii.gz"),
        ("P7-flair.nii", "p7 T1Gd.NII"),
        ("other_flair.nii", "other_t1ce.nii"),
        ("flair.nii", "p7_t1ce.nii"),
        ("p7_t2_flair.nii", "p7_t1c.nii"),
        ("p7-0001-t2f.nii.gz", "p7-0001-t1c.nii.gz"),
    ],
)
def test_one_case_is_called_as_its_folder(tmp_path: Path, names: tuple[str, str]) -> None:
    made(tmp_path / "p7", *names)
    ((name, kind, roles),) = cases(tmp_path)
    assert (name, kind, set(roles)) == ("p7", "brats", {"flair", "t1ce"})


def test_a_volume_beside_a_case_is_a_scan(tmp_path: Path) -> None:
    made(tmp_path / "p7", "p7_flair.nii", "p7_t1.nii", "adc.nii")
    assert cases(tmp_path) == [("adc", "nifti", ()), ("p7", "brats", ("flair", "t1"))]
    made(tmp_path / "p7", "x_flair.nii", "x_t1.nii")
    assert [name for name, _, _ in cases(tmp_path)] == ["adc", "p7", "x"]


def test_volumes_in_folders_that_are_called_as_they(tmp_path: Path) -> None:
    """Some copies of BraTS have them, with any name inside; a segmentation among them is no scan."""
    for number, role in enumerate(("flair", "t1", "seg")):
        volumes.save(tmp_path / "p7" / f"p7_{role}.nii" / "volume.nii", volumes.numbered() + 1000 * number)
    listing = discovery.find([tmp_path])
    (scan,) = listing.scans
    assert (scan.name, scan.kind, scan.roles) == ("p7", "brats", ("flair", "t1"))
    assert [path.name for path, _ in listing.left_out] == ["p7_seg.nii"]
    voxels = reading.read(scan, graphs.describe(channels=("t1", "flair")).input).voxels
    assert (voxels[..., 0] == volumes.numbered() + 1000).all()
    assert (voxels[..., 1] == volumes.numbered()).all()
    volumes.save(tmp_path / "p7" / "p7_t1.nii" / "second.nii", volumes.numbered())
    assert [name for name, _, _ in cases(tmp_path)] == ["p7", "second", "volume"]


def test_of_two_files_of_one_sequence_none_is_dropped(tmp_path: Path) -> None:
    made(tmp_path / "p7", "p7_t1ce.nii", "p7_t1gd.nii", "p7_t2.nii")
    assert [name for name, _, _ in cases(tmp_path)] == ["p7_t1ce", "p7_t1gd", "p7_t2"]


def test_a_name_of_a_folder_says_nothing_of_its_files(tmp_path: Path) -> None:
    made(tmp_path / "study_t1", "study_t1_flair.nii", "study_t1_t2.nii")
    assert cases(tmp_path) == [("study_t1", "brats", ("flair", "t2"))]


def test_links_to_files_keep_the_role_of_their_names(tmp_path: Path) -> None:
    """git-annex: each file is a link into a folder of another name."""
    store = made(tmp_path / ".git" / "t2_SHA256E-1", "t2_SHA256E-1.nii")
    made(tmp_path / "study_t1")
    (tmp_path / "study_t1" / "study_t1_flair.nii").symlink_to(store / "t2_SHA256E-1.nii")
    assert cases(tmp_path) == [("study_t1", "brats", ("flair",))]


def test_a_file_that_is_packed_beside_itself_is_one_scan(tmp_path: Path) -> None:
    made(tmp_path / "p7", "p7_flair.nii", "p7_flair.nii.gz", "p7_t1.nii.gz")
    listing = discovery.find([tmp_path])
    assert [(scan.name, scan.roles) for scan in listing.scans] == [("p7", ("flair", "t1"))]
    assert listing.notes() == ["1 path is in the list already and was left out (p7_flair.nii.gz)"]


def test_two_files_of_one_number_are_no_slices_of_a_case(tmp_path: Path) -> None:
    made(tmp_path / "case", "case_1.tif", "case_01.tif", "case_2.tif")
    assert {kind for _, kind, _ in cases(tmp_path)} == {"flat"}


def test_formats_that_are_not_read_are_named(tmp_path: Path) -> None:
    made(tmp_path, "a.png", "b.mgz", "c.nrrd", "notes.txt", "x.tsv.gz")
    assert discovery.find([tmp_path]).notes() == [
        "2 files have formats that are not read and were left out (b.mgz, c.nrrd)"
    ]


WORDS = st.sampled_from(["flair", "t1", "T1c", "t2f", "seg", "mask", "a", "b", "1", "adc", "case"])
NAMES = st.builds(
    lambda words, end: "_".join(words) + end,
    st.lists(WORDS, min_size=1, max_size=4),
    st.sampled_from([".nii", ".nii.gz", ".png", ".tif", ".dcm"]),
)


@given(st.lists(NAMES, unique_by=str.casefold, max_size=12))
def test_every_file_is_in_one_scan(names: list[str]) -> None:
    scans: list[Scan] = list(folder.scans(Path("case"), [Path("case") / name for name in names]))
    assert sorted(file.name for scan in scans for file in scan.files) == sorted(names)
    for scan in scans:
        assert len(scan.roles) in (0, len(scan.files))
        assert len(set(scan.roles)) == len(scan.roles)


def test_a_case_of_a_shared_folder_is_segmented_by_its_own_volumes(tmp_path: Path) -> None:
    """What arrives at the model are the volumes of one patient."""
    model_input = graphs.describe(channels=("flair", "t1")).input
    for number, patient in enumerate(("a", "b")):
        for place, role in enumerate(("flair", "t1")):
            volumes.save(tmp_path / f"{patient}_{role}.nii", volumes.numbered() + 100 * number + 1000 * place)
    for number, scan in enumerate(discovery.find([tmp_path]).scans):
        voxels = reading.read(scan, model_input).voxels
        assert (voxels[..., 0] == volumes.numbered() + 100 * number).all()
        assert (voxels[..., 1] == volumes.numbered() + 100 * number + 1000).all()


def asked(root: Path, *sequences: str) -> list[tuple[str, tuple[str, ...], list[str]]]:
    """Scans for a model of these sequences: name, roles and files."""
    scans = discovery.find([root], sequences).scans
    return [(scan.name, scan.roles, [file.name for file in scan.files]) for scan in scans]


def test_files_that_nnunet_has_numbered_are_one_case_of_a_model_of_as_many(tmp_path: Path) -> None:
    names = [f"{case}_{number:04d}.nii.gz" for case in ("Head_1", "Head_10") for number in range(2)]
    made(tmp_path / "in", *names, "Head_2_0000.nii.gz", "Head_2.nii.gz")
    assert asked(tmp_path / "in", "flair", "dwi") == [
        ("Head_1", (), names[:2]),
        ("Head_10", (), names[2:]),
        ("Head_2", (), ["Head_2.nii.gz"]),
        ("Head_2_0000", (), ["Head_2_0000.nii.gz"]),
    ]
    assert len(asked(tmp_path / "in", "flair")) == 6
    assert len(asked(tmp_path / "in")) == 6


def test_sequences_that_brats_does_not_have_are_known_by_the_names_of_the_model(tmp_path: Path) -> None:
    made(tmp_path / "in", "a_dwi.nii.gz", "a_ADC.nii.gz", "b_dwi.nii.gz", "sub-1_ADC.nii", "sub-1_dwi.nii")
    assert asked(tmp_path / "in", "adc", "dwi") == [
        ("a", ("adc", "dwi"), ["a_ADC.nii.gz", "a_dwi.nii.gz"]),
        ("sub-1", ("adc", "dwi"), ["sub-1_ADC.nii", "sub-1_dwi.nii"]),
        ("b_dwi", (), ["b_dwi.nii.gz"]),
    ]


def test_numbers_do_not_tell_sequences(tmp_path: Path) -> None:
    for number, value in enumerate((3, 7)):
        volumes.save(tmp_path / f"x_{number:04d}.nii.gz", np.full((2, 3, 4), value, np.int16))
    (scan,) = discovery.find([tmp_path], ["FLAIR", "dwi"]).scans
    volume = reading.read(scan, graphs.describe(channels=("FLAIR", "dwi")).input)
    assert volume.voxels[0, 0, 0].tolist() == [3, 7]
    assert volume.remarks == ("its files have numbers, which were taken for FLAIR, dwi in this order",)


def test_the_names_of_bids_are_those_of_brats(tmp_path: Path) -> None:
    for name, value in (("FLAIR", 3), ("T1w", 7)):
        volumes.save(tmp_path / f"sub-1_{name}.nii.gz", np.full((2, 3, 4), value, np.int16))
    for channels in (("T1w", "FLAIR"), ("t1", "flair")):
        (scan,) = discovery.find([tmp_path], channels).scans
        volume = reading.read(scan, graphs.describe(channels=channels).input)
        assert volume.voxels[0, 0, 0].tolist() == [7, 3]
        assert not volume.remarks
