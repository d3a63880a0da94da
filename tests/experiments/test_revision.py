"""What git holds is read as it is, whatever its name; experiments are found by name."""

import subprocess
from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.experiments import revision
from tests.fixtures.revisions import Results


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    found = Results(tmp_path / "origin")
    monkeypatch.chdir(found.root)
    return found


def refused(name: str) -> str:
    with pytest.raises(UserError) as told:
        revision.resolve(name)
    return str(told.value)


def test_every_way_to_name_a_commit(place: Results) -> None:
    first = place.git("rev-parse", "HEAD")
    place.git("tag", "-a", "v1", "-m", "annotated")
    place.git("branch", "side/branch")
    second = place.changed(0.1)
    for name in (first, first[:9], "v1", "base", "side/branch", "HEAD~1", "refs/tags/base"):
        assert revision.resolve(name).commit == first, name
    assert revision.resolve("HEAD").commit == revision.resolve("main").commit == second
    assert str(revision.resolve("v1")) == f"v1 ({first[:7]})"


def test_files_are_those_of_the_revision_below_this_folder(place: Results) -> None:
    awkward = {"stages/a b.py": b"", 'stages/\xe4 "q".py': b"\xff\x00\n\n", "stages/tab\t.py": b"no end"}
    for name, content in awkward.items():
        place.write(name, content)
    place.write("../outside.txt", "x")
    place.commit()
    place.write("stages/train.py", "not committed")
    found = revision.resolve("HEAD")
    assert set(found.files) == {"stages/train.py", "params.yaml", "dvc.lock", *awkward} | {
        "reports/evaluate/metrics.json", "reports/evaluate/per_case.csv"
    }  # fmt: skip
    assert found.contents(["missing", "stages/train.py", *awkward]) == awkward | {"stages/train.py": b"one\n"}
    assert found.text(Path("stages/train.py")) == "one\n"
    assert found.text(Path("missing")) is None
    assert found.contents([]) == {}


def test_a_byte_order_mark_is_no_content(place: Results) -> None:
    place.write("params.yaml", b"\xef\xbb\xbfa: 1\n")
    place.commit()
    assert revision.resolve("HEAD").text(Path("params.yaml")) == "a: 1\n"


def test_experiments_are_found_by_name_and_by_ref(place: Results) -> None:
    head = place.git("rev-parse", "HEAD")
    other = place.changed(0.1)
    ref = f"refs/exps/{head[:2]}/{head[2:]}/wavy-lynx"
    place.git("update-ref", ref, other)
    place.git("update-ref", "refs/exps/exec/EXEC_HEAD", head)
    assert revision.resolve("wavy-lynx").commit == revision.resolve(ref).commit == other
    # A revision of git's own wins, as in DVC; neither a part of a name nor a pattern finds an experiment.
    place.git("branch", "wavy-lynx", head)
    assert revision.resolve("wavy-lynx").commit == head
    for name in ("lynx", "*", "EXEC_HEAD", "wavy*", ""):
        assert refused(name).startswith(f"there is no revision or experiment {name}; ")


def test_one_name_for_two_experiments_is_told(place: Results) -> None:
    head = place.git("rev-parse", "HEAD")
    for base in (head, "ab" + "0" * 38):
        place.git("update-ref", f"refs/exps/{base[:2]}/{base[2:]}/twin", head)
    first = min(head, "ab" + "0" * 38)
    ref = f"refs/exps/{first[:2]}/{first[2:]}/twin"
    assert refused("twin") == f"twin names 2 experiments of different commits; give one in full: {ref}"


@pytest.mark.parametrize(
    "name", ["nope", "--help", "--since=2020", "main..base", "HEAD:params.yaml", "HEAD~9", "$(id)"]
)
def test_an_unknown_revision(place: Results, name: str) -> None:
    told = f"there is no revision or experiment {name}; `git branch -a` and `dvc exp show` list them"
    assert refused(name) == told


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("origin/side", "run `git fetch --depth=1 origin side` and compare with FETCH_HEAD"),
        ("side", "run `git fetch --depth=1 origin side` and compare with FETCH_HEAD"),
        ("HEAD~1", "run `git fetch --unshallow`"),
        ("HEAD^1", "run `git fetch --unshallow`"),
    ],
)
def test_a_shallow_clone_says_how_to_fetch_and_then_it_works(
    place: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, way_out: str
) -> None:
    place.git("branch", "side")
    side = place.git("rev-parse", "side")
    place.changed(0.1)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=1", f"file://{tmp_path}/origin", clone], check=True)
    monkeypatch.chdir(clone / "nested" / "project")
    assert refused(name) == f"this clone is shallow and {name} is not in it; {way_out}"
    command = way_out.split("`")[1].split()
    subprocess.run(command, check=True, capture_output=True)
    found = revision.resolve("FETCH_HEAD" if "FETCH_HEAD" in way_out else name)
    assert found.commit == side
    assert found.text(Path("stages/train.py")) == "one\n"


def test_where_there_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert refused("HEAD") == (
        "git for-each-ref failed (fatal: not a git repository (or any of the parent directories): .git); "
        "run this in a clone of the project"
    )


def test_where_nothing_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    assert refused("HEAD").startswith("there is no revision or experiment HEAD; ")


def test_where_there_is_no_git(place: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.root))
    assert refused("HEAD") == "git is not installed; revisions are read with it"


def test_what_is_not_text_or_too_large_is_not_read(place: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write("params.yaml", b"\xff\xfe")
    commit = place.commit()[:7]
    found = revision.resolve("HEAD")
    with pytest.raises(UserError) as told:
        found.text(Path("params.yaml"))
    assert str(told.value) == f"params.yaml of HEAD ({commit}) is not text; restore it and commit"
    monkeypatch.setattr(revision, "LARGEST", 3)
    assert found.contents(["stages/train.py", "params.yaml"]) == {"params.yaml": b"\xff\xfe"}
    with pytest.raises(UserError) as told:
        found.text(Path("stages/train.py"))
    assert str(told.value) == f"stages/train.py of HEAD ({commit}) has 0 MiB; that is no result"


def test_what_is_not_committed_is_told_staged_or_not(place: Results) -> None:
    wanted = [Path("params.yaml"), Path("stages")]
    assert revision.uncommitted(wanted) == []
    place.write("dvc.lock", "{}")
    assert revision.uncommitted(wanted) == []
    place.write("params.yaml", "{}")
    place.write("stages/train.py", "two")
    place.git("add", "stages/train.py")
    assert revision.uncommitted(wanted) == ["params.yaml", "stages/train.py"]
