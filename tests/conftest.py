"""Real scans, where the machine has them, a repository without DVC, and work without worker processes."""

import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from stages.core import workers
from tests.fixtures import figures
from tests.fixtures.dvc_stand_in import Place, remembering

if TYPE_CHECKING:
    import distributed

hypothesis.settings.register_profile("untimed", deadline=None)  # on a busy machine any example may take long
hypothesis.settings.load_profile("untimed")
DATA = "BRAINSEG_TEST_DATA"
SHARED = Path(os.environ.get(DATA) or Path(__file__).resolve().parents[2] / "shared" / "data")
"""Folder of real scans as people download them, zipped (CONTRIBUTING.md names the files)."""
NO_SCANS = f"no real scans on this machine; {DATA} names their folder"
PATIENTS = ("TCGA_CS_4943_20000902", "TCGA_HT_8113_19930809", "TCGA_DU_8165_19970205")
"""Small cases of three hospitals; the last has FLAIR in the place of a sequence that was not acquired."""


LONGEST = ("pipeline", "serving", "training", "stages")
"""Folders whose files take longest, by what they take: whole pipelines, browsers, trainings."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: at the end one of them would keep a worker while the others have none.

    xdist begins with the files of most tests unless `--no-loadscope-reorder` is given, as `make test` does.
    """
    items.sort(key=lambda item: LONGEST.index(name) if (name := item.path.parent.name) in LONGEST else 99)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans as people download them, zipped; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(NO_SCANS)
    return SHARED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What a run without real scans did not cover."""
    skipped = Counter(
        report.nodeid.partition("::")[0]
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple) and report.longrepr[2].endswith(NO_SCANS)
    )
    if skipped:
        terminalreporter.section("not covered: real scans")
        terminalreporter.line(f"{skipped.total()} tests were skipped: {NO_SCANS}.")
        for file, count in sorted(skipped.items()):
            terminalreporter.line(f"{count:4} {file}")


@pytest.fixture(scope="session")
def lgg_folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`PATIENTS` of the real LGG set, unpacked with the standard library and not with the code under test."""
    root = tmp_path_factory.mktemp("lgg")
    with zipfile.ZipFile(shared_data / "lgg.zip") as archive:
        archive.extractall(root, [name for name in archive.namelist() if name.split("/")[1] in PATIENTS])
    return root


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A repository with a stand-in for DVC, as the working folder."""
    from stages.experiments import experiment  # which takes seconds that few tests need

    found = Place(tmp_path)
    monkeypatch.chdir(found.root)
    monkeypatch.setattr(experiment, "resolved", remembering(experiment.resolved))
    for name, text in {"NAME": "tester", "EMAIL": "tester@example.invalid"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", text)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", text)
    return found


@pytest.fixture(scope="module")
def scheduler(request: pytest.FixtureRequest) -> Iterator["distributed.LocalCluster"]:
    """Of Dask, with two workers of one thread, in processes of their own.

    They are forks of a process that has imported what the module of the test calls `LIBRARIES`: each would
    take as long again.
    """
    import dask
    import distributed  # which takes a second that few tests need
    from distributed.utils import get_mp_context

    libraries = ["distributed", *getattr(request.module, "LIBRARIES", [])]
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(libraries)
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as local:
            yield local


@contextmanager
def _threads(processes: int | None = None) -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="class")  # of a function outside of classes; "function" is one that hypothesis refuses
def without_processes() -> Iterator[None]:
    """Work that is shared out among processes is done in this one: starting two takes a third of a second,
    which is all of the time of a small test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "pool", _threads)
        yield


@pytest.fixture(scope="class")  # as above
def undrawn() -> Iterator[None]:
    """Figures are files of one pixel."""
    with figures.undrawn():
        yield
