"""The server as programs use it: scans sent, masks fetched, the same bytes as predict writes."""

import gzip
import io
import json
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from starlette.routing import Route

from stages.commands import predict
from stages.serving import app
from tests.fixtures import dicom, graphs, programs, requested, scans, served, volumes
from tests.fixtures.requested import Server

IMAGES, _ = scans.volume(5, seed=1)
FLAIR = IMAGES[..., scans.FLAIR]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    described = graphs.describe(channels=("flair",)).model_copy(update={"guarantees": graphs.guarantees()})
    return graphs.export(tmp_path_factory.mktemp("model"), described)


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[Server]:
    with served.running(model, "--max-bytes", "3000000", "--max-waiting", "40") as address:
        yield Server(address)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a scan of each kind that a model of one sequence takes."""
    root = tmp_path / "in"
    root.mkdir()
    Image.fromarray(FLAIR[2]).save(root / "a.png")
    Image.fromarray(FLAIR[2]).save(root / "c.tif")
    volumes.save(root / "d.nii.gz", FLAIR, spacing_mm=(3.0, 1.0, 1.0))
    dicom.write_series(root / "e", FLAIR.astype(np.uint16) * 4, spacing_mm=(3.0, 1.0, 1.0))
    (case,) = volumes.write_brats(root / "f", cases=1, slices=4, size=64)
    case.rename(root / "f" / "g")
    return root


def zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return content.getvalue()


def png(pixels: np.ndarray = FLAIR[2]) -> bytes:
    return requested.png(pixels)


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_results_are_what_predict_writes(
    server: requested.Server, model: Path, made: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Byte for byte, but for a segmentation in DICOM, which has its own numbers and time."""
    shutil.rmtree(made / "f" / "g" / "nothing", ignore_errors=True)
    out = tmp_path / "out"
    assert programs.run(predict.app, "predict", (made, "--model", model, "--out", out), capfd)[0] == 0
    for scan in server.scans():
        server.ask("delete", f"scans/{scan['id']}")
    keys = [scan["id"] for scan in server.send(zipped(made), "in.zip")]
    done = [server.done(key) for key in keys]
    assert [scan["status"] for scan in done] == ["done"] * 5, done
    assert all("left out" in scan["notes"][0] for scan in done)  # the mask of the BraTS case
    files = unpacked(server.ask("get", "files").content)
    expected = {
        path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }
    assert files.keys() == expected.keys()
    summary = json.loads(files["summary.json"]), json.loads(expected["summary.json"])
    for mine, theirs in zip(*(part["scans"] for part in summary), strict=True):
        assert mine.pop("scan") == theirs.pop("scan").removeprefix(f"{tmp_path}/")
        assert mine == theirs
    for name, content in expected.items():
        if name == "e_mask.dcm":
            assert files[name][128:132] == content[128:132] == b"DICM"
        elif not name.startswith("summary"):
            assert files[name] == content, name
    by_name = {scan["name"]: scan for scan in done}
    for name, kind, file in (
        ("in/a.png", "mask", "a_mask.png"),
        ("in/c.tif", "mask", "c_mask.tif"),
        ("in/d.nii.gz", "mask", "d_mask.nii.gz"),
        ("in/e", "mask", "e_mask.nii.gz"),
        ("in/e", "dicom-seg", "e_mask.dcm"),
        ("in/f/g", "overlay", "g_overlay.png"),
    ):
        answer = server.ask("get", f"scans/{by_name[name]['id']}/mask?format={kind}")
        assert (answer.status_code, answer.content) == (200, files[file]), name
        assert file in answer.headers["content-disposition"]
    own = unpacked(server.ask("get", f"scans/{by_name['in/e']['id']}/files").content)
    summary_names = {"summary.json", "summary.csv"}
    masks = ("e_mask.nii.gz", "e_mask.dcm", "e_overlay.png")
    assert {name: own[name] for name in own.keys() - summary_names} == {name: files[name] for name in masks}
    assert [row["scan"] for row in json.loads(own["summary.json"])["scans"]] == ["in/e"]


def test_a_case_of_slices_has_a_folder_of_masks(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scans.write_lgg(tmp_path / "in", patients=1, slices=4)
    model = graphs.export(tmp_path_factory.mktemp("three"), graphs.describe())
    with served.running(model) as address:
        server = Server(address)
        (case,) = (tmp_path / "in" / "kaggle_3m").glob("TCGA*")
        parts = [("f", (f"{case.name}/{path.name}", path.read_bytes())) for path in sorted(case.iterdir())]
        answer = server.ask("post", "scans", files=parts)
        assert answer.status_code == 202
        scan = server.done(answer.json()["id"])
        assert (scan["name"], scan["row"]["kind"], scan["status"]) == (case.name, "lgg", "done")
        masks = unpacked(server.ask("get", f"scans/{scan['id']}/mask").content)
        assert list(masks) == [f"{case.name}_mask/{case.name}_{number}_mask.tif" for number in range(1, 5)]
        demo = server.done(server.ask("post", "demo").json()["id"])
        assert demo["status"] == "done"
        assert demo["name"].startswith("SAMPLE_")


@pytest.mark.parametrize(
    ("send", "name"),
    [
        ({"data": png(), "params": {"name": "x.png"}}, "x.png"),
        ({"data": png(), "headers": {"content-disposition": 'attachment; filename="y.png"'}}, "y.png"),
        ({"data": png()}, "scan.png"),
        ({"data": png(), "params": {"name": "a/b\\x"}}, "x.png"),
        ({"files": {"any": ("z.png", png())}}, "z.png"),
        ({"files": {"any": ("..//z.png".replace("..//", "./a//"), png())}}, "a/z.png"),
        ({"data": iter([png()[:100], png()[100:]]), "params": {"name": "parts.png"}}, "parts.png"),
    ],
)
def test_ways_to_send_a_picture(server: requested.Server, send: dict[str, Any], name: str) -> None:
    answer = server.ask("post", "scans", **send)
    assert answer.status_code == 202, answer.text
    scan = server.done(answer.json()["id"])
    assert (scan["name"], scan["status"]) == (name, "done")
    assert scan["row"]["tumour_slices"] == 1


def test_scans_of_one_name_do_not_get_into_each_others_way(server: requested.Server) -> None:
    first, second = (server.send(pixels, "same.png") for pixels in (png(FLAIR[2]), png(FLAIR[3])))
    assert server.done(first["id"])["status"] == server.done(second["id"])["status"] == "done"
    files = unpacked(server.ask("get", "files").content)
    summary = {tuple(row["files"]) for row in json.loads(files["summary.json"])["scans"]}
    assert {("same_mask.png", "same_overlay.png"), ("2/same_mask.png", "2/same_overlay.png")} <= summary
    assert files["same_mask.png"] != files["2/same_mask.png"]


def form(boundary: str) -> dict[str, str]:
    return {"content-type": f"multipart/form-data; {boundary}"}


@pytest.mark.parametrize(
    ("status", "sentence", "send"),
    [
        (415, "is no scan by its content", {"data": b"hello"}),
        (415, "x.png is no scan by its content", {"data": b"hello", "params": {"name": "x.png"}}),
        (415, "no file is in it", {"headers": form("boundary=x"), "data": b"--x--\r\n"}),
        (415, "notes.bin is no scan", {"files": {"f": ("notes.bin", b"hello")}}),
        (415, "left out", {"files": [("f", ("a_mask.png", png())), ("f", ("b_mask.png", png()))]}),
        (413, "it is larger than 2.861 MiB", {"data": bytes(3_000_001)}),
        (413, "it is larger than 2.861 MiB", {"data": iter([bytes(1 << 20)] * 4)}),
        (400, "is no name for a file here", {"data": png(), "params": {"name": "../../x.png"}}),
        (400, "is no name for a file here", {"files": {"f": ("../x.png", png())}}),
        (400, "is no name for a file here", {"data": png(), "params": {"name": "x" * 300 + ".png"}}),
        (400, "two files are called", {"files": [("f", ("a.png", png())), ("f", ("a.png", png()))]}),
        (400, "the body is no multipart", {"data": b"x", "headers": form("")}),
        (400, "the body is no multipart", {"data": b"--y", "headers": form("boundary=x")}),
    ],
)  # fmt: skip
def test_what_is_refused(server: requested.Server, status: int, sentence: str, send: dict[str, Any]) -> None:
    answer = server.ask("post", "scans", **send)
    assert (answer.status_code, list(answer.json())) == (status, ["error"]), answer.text
    assert sentence in answer.json()["error"]
    assert "/tmp" not in answer.json()["error"]


def spoilt(content: bytes) -> bytes:
    return content[:200] + bytes(byte ^ 255 for byte in content[200:240]) + content[240:]


def archived(**entries: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, inside in entries.items():
            archive.writestr(name, inside)
    return content.getvalue()


@pytest.mark.parametrize(
    ("status", "sentence", "content"),
    [
        (415, "would leave its folder", archived(**{"../../evil.png": png()})),
        (415, "would leave its folder", archived(**{"/etc/evil.png": png()})),
        (415, "expands over 200 times", archived(**{"x.dcm": bytes(300_000_000)})),
        (413, "unpacks to more than is taken", archived(**{"x.png": bytes(70_000_000)})),
        (415, "cannot be unpacked", spoilt(archived(**{"x.png": png() * 3}))),
        (415, "holds no scan", archived(**{"x.bin": b"1"})),
        (415, "one name for a file and a folder", archived(**{"x.png": b"1", "x.png/y.png": b"1"})),
    ],
)
def test_archives_that_are_refused(
    server: requested.Server, status: int, sentence: str, content: bytes
) -> None:
    answer = server.ask("post", "scans", data=content)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["error"]
    assert "/tmp" not in answer.json()["error"]


def test_a_damaged_scan_fails_with_a_sentence_and_leaves_the_others(server: requested.Server) -> None:
    damaged = server.send(png()[:200], "damaged.png")
    whole = server.send(png(), "whole.png")
    scan = server.done(damaged["id"])
    assert (scan["status"], scan["row"], scan["formats"]) == ("failed", None, [])
    assert scan["error"]
    assert "\n" not in scan["error"]
    assert "/tmp" not in scan["error"]
    answer = server.ask("get", f"scans/{damaged['id']}/mask")
    assert answer.status_code == 409
    assert server.done(whole["id"])["status"] == "done"


def test_a_removed_scan_is_gone(server: requested.Server) -> None:
    scan = server.send(png(), "gone.png")
    server.done(scan["id"])
    assert server.ask("delete", f"scans/{scan['id']}").status_code == 204
    for method, path in (("get", ""), ("get", "/mask"), ("delete", ""), ("get", "/labels")):
        assert server.ask(method, f"scans/{scan['id']}{path}").status_code == 404
    assert all(other["id"] != scan["id"] for other in server.scans())


def test_the_line_is_full(model: Path) -> None:
    """Nothing is lost that was accepted, in the order of arrival, and the rest is told to come again."""
    with served.running(model, "--max-waiting", "3") as address:
        server = Server(address)
        answers = [server.ask("post", "scans", params={"name": f"{n}.png"}, data=png()) for n in range(30)]
        accepted = [answer.json()["name"] for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code != 202]
        assert {answer.status_code for answer in refused} == {429}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        assert [scan["name"] for scan in server.scans()] == accepted
        four = archived(**{f"{n}.png": png() for n in range(4)})
        answer = server.ask("post", "scans", data=four)
        while answer.status_code == 429:  # the line still holds some
            time.sleep(0.2)
            answer = server.ask("post", "scans", data=four)
        assert (answer.status_code, "send them in parts" in answer.json()["error"]) == (413, True)


@pytest.fixture
def volume(server: requested.Server, tmp_path: Path) -> dict[str, Any]:
    """A volume at the server, of three different sides."""
    voxels = np.random.default_rng(0).integers(0, 900, (5, 12, 9), np.int16)
    volumes.save(tmp_path / "v.nii.gz", voxels, spacing_mm=(3.0, 2.0, 1.0))
    scan: dict[str, Any] = server.done(server.send((tmp_path / "v.nii.gz").read_bytes(), "v.nii.gz")["id"])
    return scan | {"voxels": voxels}


def test_planes_hold_the_values_of_the_scan(server: requested.Server, volume: dict[str, Any]) -> None:
    view, voxels = volume["view"], volume["voxels"]
    assert (view["slices"], view["rows"], view["columns"]) == voxels.shape
    assert (view["spacing_mm"], view["flat"]) == ([3.0, 2.0, 1.0], False)
    (low, high), (black, white) = view["ranges"][0], view["windows"][0]
    assert (low, high, black) == (voxels.min(), voxels.max(), voxels.min())
    assert low < white <= high
    for number, axis in enumerate(("axial", "coronal", "sagittal")):
        for index in (0, voxels.shape[number] - 1):
            answer = server.ask("get", f"scans/{volume['id']}/planes/{axis}/{index}")
            values = np.frombuffer(answer.content, "<u2") / 65535 * (high - low) + low
            np.testing.assert_allclose(values, np.take(voxels, index, number).ravel(), atol=0.01)
        assert (
            server.ask("get", f"scans/{volume['id']}/planes/{axis}/{voxels.shape[number]}").status_code == 404
        )
    for path in (
        "planes/oblique/0",
        "planes/axial/0?sequence=1",
        "planes/axial/0?sequence=-1",
        "planes/axial/-1",
    ):
        assert server.ask("get", f"scans/{volume['id']}/{path}").status_code == 404


def test_a_corrected_mask_takes_the_place_of_the_model_s(
    server: requested.Server, volume: dict[str, Any], tmp_path: Path
) -> None:
    import nibabel as nib

    path = f"scans/{volume['id']}"
    promised = ("volume_low_ml", "volume_high_ml", "expected_dice", "expected_dice_low", "trusted")
    before = server.ask("get", path).json()["row"]
    assert None not in [before[name] for name in promised]
    labels = np.zeros(volume["voxels"].shape, np.uint8)
    labels[1, 2, 3] = labels[4, 11, 0] = 1
    packed = {"data": gzip.compress(labels.tobytes()), "headers": {"content-encoding": "gzip"}}
    answer = server.ask("put", f"{path}/labels?who=Ada", **packed)
    scan = answer.json()
    assert (answer.status_code, scan["verdict"], scan["row"]["tumour_slices"]) == (200, "corrected", 2)
    assert scan["row"]["volume_ml"] == pytest.approx(2 * 6 / 1000)
    assert "corrected by hand" in scan["row"]["remarks"]
    assert [scan["row"][name] for name in promised] == [None] * 5  # of a mask that a person drew
    assert server.ask("get", f"{path}/labels").content == labels.tobytes()
    (tmp_path / "m.nii.gz").write_bytes(server.ask("get", f"{path}/mask").content)
    mask = nib.load(tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(mask.dataobj).transpose(2, 1, 0), labels)
    assert server.ask("put", f"{path}/verdict", json={"verdict": "accepted"}).json()["verdict"] == "corrected"


@pytest.mark.parametrize(
    ("status", "sentence", "send"),
    [
        (400, "labels are 5 x 12 x 9 bytes, not 3", {"data": b"\0\0\0"}),
        (400, "labels are 0 to 1, not 7", {"data": b"\7" * 540}),
        (400, "the labels are no gzip", {"data": b"\0" * 540, "headers": {"content-encoding": "gzip"}}),
        (400, "not 541", {"data": gzip.compress(bytes(10**6)), "headers": {"content-encoding": "gzip"}}),
        (413, "it is longer than", {"data": bytes(10**6)}),
    ],
)
def test_labels_that_are_none(
    server: requested.Server, volume: dict[str, Any], status: int, sentence: str, send: dict[str, Any]
) -> None:
    before = server.ask("get", f"scans/{volume['id']}/labels").content
    answer = server.ask("put", f"scans/{volume['id']}/labels", **send)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["error"]
    assert server.ask("get", f"scans/{volume['id']}/labels").content == before


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"verdict": "wrong"}', b'{"verdict": "accepted", "who": 7}', b"\xff"]
)
def test_verdicts_that_are_none(server: requested.Server, volume: dict[str, Any], body: bytes) -> None:
    answer = server.ask("put", f"scans/{volume['id']}/verdict", data=body)
    assert (answer.status_code, "a verdict is" in answer.json()["error"]) == (400, True)


def test_every_route_is_described() -> None:
    described = json.loads((Path(app.__file__).parent / "openapi.json").read_bytes())
    documented = {
        (path.replace("{id}", "{key}").replace("{index}", "{index:int}"), method.upper())
        for path, methods in described["paths"].items()
        for method in methods
        if method in ("get", "post", "put", "delete")
    }
    routes = {
        (route.path, method)
        for route in app.routes(app.Answers.__new__(app.Answers))
        if isinstance(route, Route)
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert routes - {("/", "GET"), ("/openapi.json", "GET")} == documented


def test_unknown_paths_and_methods_are_answered_in_json(server: requested.Server) -> None:
    for method, path, status in (("get", "nothing", 404), ("post", "model", 405), ("patch", "scans", 405)):
        answer = server.ask(method, path)
        assert (answer.status_code, list(answer.json())) == (status, ["error"])
    answer = requests.get(f"{server.address}page/../../../pyproject.toml", timeout=30)
    assert answer.status_code == 404
    assert requests.get(f"{server.address}page/%2e%2e/app.py", timeout=30).status_code == 404
