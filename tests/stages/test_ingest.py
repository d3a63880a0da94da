"""Ingest: what it brings, draws, leaves out and says; and that it writes nowhere but below data/."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages import ingest, preprocess, validate
from stages.core import errors, tables
from stages.core.errors import UserError
from stages.formats.reader import Reader
from stages.project.paths import HERE
from stages.sources import kaggle, pairs
from stages.store import shards
from tests.fixtures import coco, corrections, pictures, scans, volumes
from tests.pipeline.import_graph import ROOT

pytestmark = pytest.mark.usefixtures("without_processes")
TRIANGLES = [coco.annotation([coco.TRIANGLE], image_id=number) for number in (1, 2, 3)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, in which the test runs, with a folder `scans` beside it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "scans").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path / "project"


def configure(**sections: dict[str, Any]) -> None:
    """Write params.yaml: this project's own with some changes."""
    yaml = YAML()
    content = yaml.load(ROOT / "params.yaml")
    for section, changes in sections.items():
        content[section].update(changes)
    yaml.dump(content, HERE.params)


def ingested(source: str, **changes: Any) -> pd.DataFrame:
    """The manifest of ../scans."""
    configure(ingest={"source": source, "location": "../scans", **changes})
    ingest.main()
    return tables.read(tables.MANIFEST, HERE.manifest)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def pictures_of(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*.png")}


def test_all_files_and_rows_of_a_folder(project: Path) -> None:
    pictures.write_pairs(Path("../scans"), count=3)
    before = tree(project.parent / "scans")
    table = ingested("pairs")
    assert tree(HERE.raw) == before
    assert list(table["sample_id"]) == ["1", "2", "3"]
    assert set(table["modalities"]) == {"gray"}


def test_an_archive_is_the_same_as_its_folder(project: Path) -> None:
    pictures.write_pairs(Path("../scans"), count=3)
    ingested("pairs")
    brought = tree(project / "data")
    with zipfile.ZipFile("../scans.zip", "w") as archive:
        for name, content in tree(Path("../scans")).items():
            archive.writestr(name, content)
    configure(ingest={"source": "pairs", "location": str(project.parent / "scans.zip")})
    ingest.main()
    assert tree(project / "data") == brought


def test_a_limit_draws_whole_patients_with_the_seed(project: Path) -> None:
    scans.write_lgg(Path("../scans"), patients=6, slices=3, size=32)
    everything = tree(Path("../scans"))
    drawn: dict[int, dict[str, bytes]] = {}
    for seed in (0, 1, 2, 0):
        table = ingested("lgg", limit=2, seed=seed)
        assert table["patient_id"].nunique() == 2
        assert len(table) == 2 * 3
        named = {name for column in ("image", "mask") for name in table[column]}
        assert set(tree(HERE.raw)) == named | {"kaggle_3m/data.csv"}
        assert all(everything[name] == content for name, content in tree(HERE.raw).items())
        known = drawn.setdefault(seed, tree(Path("data")))
        assert tree(Path("data")) == known
    assert len({content["manifest.csv"] for content in drawn.values()}) > 1


@pytest.mark.parametrize("limit", [6, 7, None])
def test_a_limit_that_nobody_exceeds(project: Path, limit: int | None) -> None:
    pictures.write_pairs(Path("../scans"), count=6)
    assert len(ingested("pairs", limit=limit)) == 6
    assert len(pictures_of(HERE.raw)) == 12


def test_a_limit_keeps_what_the_patients_share(project: Path) -> None:
    """The annotation file tells of all images; the table of patients, too."""
    entries = [coco.image(number, f"{number}.png") for number in (1, 2, 3)]
    coco.write_set(Path("../scans/train"), entries, TRIANGLES)
    table = ingested("coco", limit=1)
    kept = table["sample_id"].item()
    assert set(tree(HERE.raw)) == {f"train/{coco.NAME}", f"train/{kept}.png"}
    assert Reader(HERE.raw).mask(table["mask"].item(), 1).any()


def unannotated() -> None:
    """Three images, one of them without annotation, and one that is not listed."""
    entries = [coco.image(number, f"{number}.png") for number in (1, 2, 3)]
    coco.write_set(Path("../scans"), entries, TRIANGLES[:2])
    Path("../scans/other.png").write_bytes(Path("../scans/1.png").read_bytes())


IGNORED = "note: images that no annotation file lists, ignored: 1, the first is 'other.png'\n"


def test_images_that_nobody_annotated_are_left_out_and_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unannotated()
    assert list(ingested("coco", unannotated="drop")["sample_id"]) == ["1", "2"]
    left_out = "note: 1 images without annotation are left out; "
    left_out += "set ingest.unannotated: negative if they show no tumour\n"
    told = capsys.readouterr()
    assert (told.out, sorted(told.err.splitlines())) == ("", sorted((left_out + IGNORED).splitlines()))
    assert pictures_of(HERE.raw) == {"1.png", "2.png"}


def test_or_they_are_free_of_tumour(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unannotated()
    table = ingested("coco", unannotated="negative")
    assert list(table["sample_id"]) == ["1", "2", "3"]
    assert capsys.readouterr() == ("", IGNORED)
    reader = Reader(HERE.raw)
    assert [reader.mask(mask, 1).any() for mask in table["mask"]] == [True, True, False]


def kinds() -> None:
    """Eight images: four with glioma, two with meningioma, two without tumour."""
    entries = [coco.image(number, f"{number}.png") for number in range(1, 9)]
    of = [1, 1, 1, 1, 2, 2, 3, 3]
    some = [
        coco.annotation(
            [[8, 8, 24, 8, 24, 8 + number, 8, 8 + number]], number, number, category_id=of[number - 1]
        )
        for number in range(1, 9)
    ]
    coco.write_set(Path("../scans"), entries, some, categories=["glioma", "meningioma", "no_tumor"])


def test_several_categories_are_asked_about(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds()
    configure(ingest={"source": "coco", "location": "../scans"})
    with pytest.raises(SystemExit) as ended:
        errors.run(ingest.main)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(
        "scans: annotations are of more than one category, glioma (4), meningioma (2); name in "
        "ingest.categories those that are tumour, images with others only then have none\n"
    )
    assert not HERE.raw.exists()


@pytest.mark.parametrize(
    ("categories", "tumours"),
    [(["Glioma"], {1, 2, 3, 4}), (["glioma", "meningioma"], {1, 2, 3, 4, 5, 6}), (["meningioma"], {5, 6})],
)
def test_later_stages_learn_of_the_categories_from_the_manifest(
    project: Path, categories: list[str], tumours: set[int]
) -> None:
    kinds()
    table = ingested("coco", categories=categories)
    assert list(table["sample_id"]) == [str(number) for number in range(1, 9)]
    configure(  # without the choice
        ingest={"source": "coco", "location": "../scans"},
        preprocess={"size": 32, "crop": "none", "jobs": 1},
    )
    validate.main()
    assert json.loads(HERE.validate_metrics.read_text(encoding="utf-8"))["tumour_slices"] == len(tumours)
    preprocess.main()
    stored = shards.open_store(HERE.slices)
    masks = stored.masks(np.arange(8))
    assert [bool(mask.any()) for mask in masks] == [number in tumours for number in range(1, 9)]


def test_a_limit_counts_negatives_as_annotated(project: Path) -> None:
    kinds()
    table = ingested("coco", categories=["glioma"], limit=7, unannotated="drop")
    assert len(table) == 7
    assert set(table["sample_id"]) & {"7", "8"}


def test_categories_are_for_sources_that_have_them(project: Path) -> None:
    pictures.write_pairs(Path("../scans"), count=2)
    for source in ("pairs", "lgg", "sample", "brats"):
        with pytest.raises(UserError) as refused:
            ingested(source, categories=["tumor"])
        assert str(refused.value) == (
            "ingest.categories is for sets whose annotations have categories; set it to null for "
            f"ingest.source: {source}"
        )
    assert not HERE.raw.exists()


def test_nothing_is_written_but_below_data(project: Path) -> None:
    pictures.write_pairs(Path("../scans"), count=3)
    configure(ingest={"source": "pairs", "location": "../scans"})
    before = tree(project.parent)
    ingest.main()
    after = tree(project.parent)
    assert {name: after[name] for name in before} == before
    assert {Path(name).parts[:2] for name in set(after) - set(before)} == {("project", "data")}
    assert sorted(path.name for path in Path("data").iterdir()) == ["manifest.csv", "raw"]


AT = "ingest.location {}/../scans: "


def no_pairs(_: pytest.MonkeyPatch) -> str:
    Path("../scans/masks/1.png").unlink()
    Path("../scans/masks/2.png").unlink()
    return AT + "no image with its mask was found; "


def bad_table(_: pytest.MonkeyPatch) -> str:
    Path("../scans/patients.csv").write_text("a,b\n")
    return AT + "patients.csv must have the columns file and patient; correct its first line"


def other_source(_: pytest.MonkeyPatch) -> str:
    configure(ingest={"source": "brats", "location": "../scans"})
    return "ingest.location "


def no_archive(_: pytest.MonkeyPatch) -> str:
    Path("../scans.zip").write_bytes(b"PK")
    configure(ingest={"source": "pairs", "location": "../scans.zip"})
    return "ingest.location "


def no_place(_: pytest.MonkeyPatch) -> str:
    configure(ingest={"source": "pairs", "location": "~/nowhere/at/all"})
    return f"ingest.location {Path.home()}/nowhere/at/all does not exist; "


def no_network(monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(handle: str) -> Path:
        raise UserError(f"no {handle}")

    monkeypatch.setattr(kaggle, "download", refuse)
    configure(ingest={"source": "pairs", "location": None})
    return f"no {pairs.PAIRS.kaggle}"


@pytest.mark.parametrize("again", [False, True], ids=["first run", "later run"])
@pytest.mark.parametrize(
    "harm",
    [no_pairs, bad_table, other_source, no_archive, no_place, no_network],
    ids=lambda harm: harm.__name__,
)
def test_a_failure_is_one_sentence_and_leaves_data_as_it_was(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], harm: Any, again: bool
) -> None:
    pictures.write_pairs(Path("../scans"), count=2)
    configure(ingest={"source": "pairs", "location": "../scans"})
    if again:
        ingest.main()
    told = harm(monkeypatch)
    before = tree(project.parent)
    with pytest.raises(SystemExit) as ended:
        errors.run(ingest.main)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {told.format(project)}")
    assert said.err.count("\n") == 1
    assert tree(project.parent) == before
    assert HERE.raw.exists() is again
    assert not list(project.rglob(".*part*"))


def test_a_location_is_relative_to_the_folder_a_person_works_in(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queued experiments of DVC run in a copy elsewhere."""
    pictures.write_pairs(project.parent / "mine" / "scans", count=2)
    configure(ingest={"source": "pairs", "location": "scans"})
    with pytest.raises(UserError, match=r"/project/scans does not exist"):
        ingest.main()
    monkeypatch.setenv("DVC_ROOT", str(project.parent / "mine"))
    ingest.main()
    assert len(tables.read(tables.MANIFEST, HERE.manifest)) == 2
    assert not (project.parent / "mine" / "data").exists()


def test_downloads_are_the_sources_own_or_the_one_that_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.write_pairs(Path("../scans"), count=2)
    asked = []

    def download(handle: str) -> Path:
        asked.append(handle)
        return Path("../scans").resolve()

    monkeypatch.setattr(kaggle, "download", download)
    for place in (None, "kaggle:someone/heads/versions/3"):
        configure(ingest={"source": "pairs", "location": place})
        ingest.main()
        assert len(tables.read(tables.MANIFEST, HERE.manifest)) == 2
    assert asked == [pairs.PAIRS.kaggle, "someone/heads/versions/3"]


def test_one_bad_picture_is_quarantined_with_its_reason_and_the_rest_goes_on(project: Path) -> None:
    pictures.write_pairs(Path("../scans"), count=8)
    bad = Path("../scans/images/3.png")
    bad.write_bytes(bad.read_bytes()[:-300])
    configure(
        ingest={"source": "pairs", "location": "../scans"},
        validate={"on_error": "quarantine", "max_quarantined": 0.2},
        preprocess={"size": 32, "crop": "none", "jobs": 1},
    )
    for stage in (ingest, validate, preprocess):
        stage.main()
    rest = ["1", "2", "4", "5", "6", "7", "8"]
    found = pd.read_csv(HERE.findings, dtype=str)
    assert found.loc[found["severity"] == "critical"].to_numpy().tolist() == [
        ["critical", "image", "3", "images/3.png", "it is cut short"]
    ]
    told = json.loads(HERE.validate_metrics.read_text(encoding="utf-8"))
    assert (told["slices"], told["quarantined"], told["tumour_slices"]) == (7, 1, 7)
    assert list(tables.read(tables.MANIFEST, HERE.validated)["sample_id"]) == rest
    stored = shards.open_store(HERE.slices)
    assert list(stored.index["sample_id"]) == rest
    assert (stored.meta.channels, stored.meta.classes) == (["gray"], {1: "tumour"})
    for row, name in enumerate(rest):
        mask = Reader(HERE.raw).mask(f"masks/{name}.png", 1) > 0
        halved = mask.reshape(32, 2, 32, 2).mean(axis=(1, 3))
        sure = halved != 0.5
        np.testing.assert_array_equal(stored.masks(np.array([row]))[0][sure], (halved > 0.5)[sure])


def test_what_the_user_says_that_labels_mean_reaches_the_manifest(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volumes.write_brats(Path("../scans"), cases=2, year=2023, slices=3)
    assert set(ingested("brats")["label_set"]) == {"brats"}
    assert set(ingested("brats", labels="decathlon", limit=1)["label_set"]) == {"decathlon"}
    assert capsys.readouterr().err == ""
    for path in sorted(Path("../scans").rglob("BraTS-GLI-*"), reverse=True):  # files before their folders
        path.rename(path.with_name(path.name.replace("BraTS-GLI", "someone")))
    ingested("brats")
    assert "tell no edition of BraTS; their labels are read as brats (1 necrosis, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "choices"),
    [("lgg", "tumour"), ("brats", "brats, brats2015, brats2024, brats_ped, decathlon, tumour")],
)
def test_a_meaning_that_the_source_does_not_have(project: Path, source: str, choices: str) -> None:
    scans.write_lgg(Path("../scans"), patients=2, slices=2, size=32)
    volumes.write_brats(Path("../scans"), cases=1, slices=2)
    with pytest.raises(UserError) as refused:
        ingested(source, labels="brats1999")
    assert str(refused.value) == (
        f"ingest.labels brats1999 is no meaning of source {source}; choose null or {choices}"
    )
    assert not HERE.manifest.exists()
    assert len(ingested(source, labels=choices.rpartition(", ")[2] if source == "lgg" else "brats"))


def test_corrections_join_whatever_patients_the_limit_draws(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans.write_lgg(Path("../scans"), patients=6, slices=3, size=32)
    alone = ingested("lgg", limit=2)
    for name in ("x.tif", f"{alone['case_id'].iloc[0]}/1.tif"):
        corrections.small(Path("../also"), name)
    capsys.readouterr()
    table = ingested("lgg", limit=2, also="../also")
    assert (
        "2 corrections (4 slices) join the set for training, 1 of patients of the set; "
        in capsys.readouterr().err
    )
    pd.testing.assert_frame_equal(table.iloc[: len(alone)], alone)
    assert list(table["source"].iloc[len(alone) :]) == ["corrections"] * 4
    named = {reference.split("#")[0] for column in ("image", "mask") for reference in table[column]}
    assert named == {name for name in tree(HERE.raw) if name.endswith(".tif")}


def test_corrections_are_a_set_by_themselves_and_join_no_other_then(project: Path) -> None:
    for name in ("a", "b"):
        corrections.small(Path("../scans"), name)
    table = ingested("corrections")
    assert (table["patient_id"].nunique(), len(table), set(table["source"])) == (2, 4, {"corrections"})
    with pytest.raises(UserError) as refused:
        ingested("corrections", also="../scans")
    assert str(refused.value) == (
        "ingest.also joins corrections to another set; with ingest.source: corrections set it to null"
    )
    with pytest.raises(UserError) as refused:
        ingested("corrections", labels="tumour")
    assert str(refused.value) == "ingest.labels tumour is no meaning of source corrections; set it to null"


def test_a_bad_correction_leaves_data_as_it_was(project: Path) -> None:
    scans.write_lgg(Path("../scans"), patients=2, slices=2, size=32)
    ingested("lgg")
    before = tree(project / "data")
    (corrections.small(Path("../also")) / "mask.tif").unlink()
    with pytest.raises(
        UserError, match=r"^ingest\.also .*also: .* names mask\.tif, which is not beside it; "
    ):
        ingested("lgg", also="../also")
    assert tree(project / "data") == before
    assert not list(project.rglob(".*part*"))
