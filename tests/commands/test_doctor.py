"""`brainseg doctor` here, and with what other machines have: files and programs that answer as theirs."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from dvc.repo import Repo
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner

from stages.commands import doctor
from stages.core import memory
from stages.environment import checkup, machine
from stages.environment.extras import Requirements
from stages.environment.machine import Diagnosis, Status
from tests.fixtures.versioned import Versioned

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = """
import socket, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "lightning", "mlflow", "onnx", "onnxruntime", "monai"}:
            raise AssertionError(f"{name} was imported")
def refuse(*words, **named):
    raise AssertionError("a connection was made")
sys.meta_path.insert(0, Refuse())
socket.socket.connect = socket.getaddrinfo = refuse
from stages import cli
cli.main()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versioned:
    """A project with a commit and with all that a run needs."""
    found = Versioned(tmp_path)
    ingest(found, "sample", "null")
    found.commit("start")
    for name, value in (("user.name", "tester"), ("user.email", "tester@example.invalid")):
        found.git("config", name, value)
    monkeypatch.chdir(found.root)
    for name in ("OMP_NUM_THREADS", "DVC_ROOT", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "kaggle"))
    monkeypatch.setattr(machine, "CGROUP", tmp_path / "cgroup")
    return found


def ingest(project: Versioned, source: str, location: str) -> None:
    """Write params.yaml with another source."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for key, value in (("source", source), ("location", location)):
        text = re.sub(rf"(\n  {key}:) \S+", rf"\g<1> {value}", text, count=1)
    (project.root / "params.yaml").write_text(text, encoding="utf-8")


def found(what: str, network: bool = False) -> Diagnosis:
    (one,) = [finding for finding in checkup.examine(network) if finding.what == what]
    return one


def script(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


# The command.


def test_without_torch_and_without_network(project: Versioned) -> None:
    with Repo(str(project.root)) as repo, repo.config.edit() as config:
        config["remote"]["store"]["url"] = "s3://bucket/brainseg"
    command = [sys.executable, "-c", OFFLINE, "doctor"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=project.root, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line[9:].partition(":")[0] for line in lines] == [
        "python", "packages", "git", "DVC links", "DVC remote",
        "disk", "memory", "threads", "GPU", "bf16", "Kaggle",
    ]  # fmt: skip
    assert {line[:9].strip() for line in lines} <= {"ok", "warn"}
    assert "ok       DVC remote: store: s3://bucket/brainseg (not asked; --network does)" in lines


def test_the_status_is_1_only_where_something_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for status in Status:
        told = [Diagnosis("a", Status.OK, "found"), Diagnosis("b", status, "how it is", "what to do")]
        monkeypatch.setattr(checkup, "examine", lambda network, told=told: iter(told))
        ended = CliRunner().invoke(doctor.app, [])
        assert ended.exit_code == (1 if status is Status.MISSING else 0)
        assert ended.stdout == f"ok       a: found\n{status:8} b: how it is; what to do\n"
        told_json = CliRunner().invoke(doctor.app, ["--json"])
        assert told_json.exit_code == ended.exit_code
        assert json.loads(told_json.stdout)[1] == {
            "what": "b", "status": str(status), "found": "how it is", "advice": "what to do"
        }  # fmt: skip


def test_a_table_where_somebody_watches(project: Versioned) -> None:
    pytest.importorskip("pty")
    command = ["script", "-qec", f"{sys.executable} -m stages.commands.doctor", "/dev/null"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert "\x1b[32mok" in done.stdout
    assert "what to do" in done.stdout


# The project.


def test_what_is_installed_against_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "PROJECT", tmp_path)

    def told(requirements: list[str], pins: str = "") -> Diagnosis:
        listed = ", ".join(f"'{one}'" for one in requirements)
        (tmp_path / "pyproject.toml").write_text(f"[project]\ndependencies = [{listed}]\n")
        (tmp_path / "constraints.txt").write_text(pins)
        return checkup.packages()

    assert told(["numpy>=2", "Segmentation.Models-PyTorch"]).status is Status.OK
    lacking = told(["numpy>=99", "no-such-package>=1", "pydantic"], "numpy==1.0\n")
    assert (lacking.status, lacking.advice) == (Status.MISSING, checkup.INSTALL)
    import numpy
    import torch

    assert lacking.found == f"numpy {numpy.__version__} (not >=99), no-such-package (not installed)"
    other = told(["numpy"], "# tested\nnumpy==1.0\nnot-installed==3\n")
    assert other == Diagnosis(
        "packages", Status.WARN, f"numpy {numpy.__version__} (tested: 1.0)", checkup.INSTALL
    )
    assert told([], f"torch=={torch.__version__.partition('+')[0]}\n").status is Status.OK
    assert told([f"none{number}" for number in range(5)]).found.endswith(") and 2 more")


def test_an_installation_without_what_training_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "PROJECT", tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "brainseg"\ndependencies = ["numpy"]\n[project.optional-dependencies]\n'
        'train = ["brainseg[more]", "pandas"]\nmore = ["no-such-package"]\nother = ["no-such-other"]\n'
    )
    lacking = Diagnosis(
        "packages", Status.MISSING, "training lacks no-such-package (not installed)", checkup.INSTALL
    )
    assert checkup.packages() == lacking


def test_this_project_is_installed_as_it_asks() -> None:
    assert checkup.packages().status is not Status.MISSING
    (torch,) = [line for line in Requirements.read().of("train") if line.startswith("torch>=")]
    assert torch


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.specifiers", None)
    assert found("python") == Diagnosis(
        "python", Status.MISSING, "packaging.specifiers is not installed", checkup.INSTALL
    )


def test_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkup.python().status is Status.OK
    monkeypatch.setattr(sys, "version_info", (3, 10, 2, "final", 0))
    assert checkup.python() == Diagnosis(
        "python", Status.MISSING, "3.10.2", ">=3.11 is needed: make PYTHON=python3.11"
    )


def test_git(project: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = project.git("rev-parse", "--short", "HEAD")
    assert checkup.git() == Diagnosis("git", Status.OK, f"main at {head}, all committed")
    (project.root / "new").touch()
    assert checkup.git().found == f"main at {head}, 1 files not committed"
    project.git("config", "--unset", "user.email")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    assert checkup.git().status is Status.WARN
    assert checkup.git().found.endswith("; git does not know who you are")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert checkup.git().found == "no repository here"
    subprocess.run(["git", "init", "-q"], check=True)
    assert checkup.git().found == "nothing is committed"
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert checkup.git().status is Status.MISSING
    assert checkup.git().found == "the repository belongs to another user, and git does not read it"
    assert checkup.git().advice == (
        f"if you trust what is in it: git config --global --add safe.directory {tmp_path / 'empty'}"
    )
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkup.git() == Diagnosis("git", Status.MISSING, "not installed", "install git")


def test_outside_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for what in ("DVC links", "DVC remote"):
        one = found(what)
        assert one.status is Status.MISSING
        assert one.found.startswith("this is not a DVC project that can be read (")
    assert found("Kaggle").found.startswith("params.yaml")


def test_links(project: Versioned) -> None:
    def told(*kinds: str) -> Diagnosis:
        with Repo(str(project.root)) as repo, repo.config.edit() as config:
            config["cache"]["type"] = list(kinds)
        return checkup.links()

    assert told("hardlink") == Diagnosis("DVC links", Status.OK, "hardlink")
    assert told("copy") == Diagnosis("DVC links", Status.OK, "copy; outs take their space twice")
    one = told("reflink")
    if one.status is Status.MISSING:
        assert one.found == "cache.type is reflink; here works hardlink, symlink, copy"
    assert project.git("status", "--porcelain") == "M .dvc/config"  # nothing is left of the trial


# The DVC remote.


def remote(project: Versioned, network: bool = False, **settings: str) -> Diagnosis:
    with Repo(str(project.root)) as repo, repo.config.edit() as config:
        config["remote"]["store"] = settings
    return checkup.remote(network)


def test_a_remote_in_a_folder(project: Versioned) -> None:
    told = f"store: {project.store}"
    assert checkup.remote(False) == Diagnosis("DVC remote", Status.OK, f"{told} (nothing pushed yet)")
    project.store.mkdir()
    assert checkup.remote(False) == Diagnosis("DVC remote", Status.OK, told)


def test_a_remote_is_asked_only_where_that_is_allowed(project: Versioned) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/store"
        assert remote(project, url=url).found == f"store: {url} (not asked; --network does)"
        with pytest.raises(BlockingIOError):
            listening.accept()
    refused = remote(project, network=True, url=url)
    assert (refused.status, refused.advice) == (Status.WARN, "check the network and credentials")
    assert refused.found.startswith(f"store: {url}; ")


def test_a_remote_on_s3(project: Versioned, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    # A bucket of its own: every server of the process holds the same ones.
    client.create_bucket(Bucket="doctor")
    told = "store: s3://doctor/brainseg"
    one = remote(project, network=True, url="s3://doctor/brainseg", endpointurl=address)
    assert one == Diagnosis("DVC remote", Status.OK, f"{told} (nothing pushed yet)")
    client.put_object(Bucket="doctor", Key="brainseg/files/md5/00/1", Body=b"")
    one = remote(project, network=True, url="s3://doctor/brainseg", endpointurl=address)
    assert one == Diagnosis("DVC remote", Status.OK, told)
    server.stop()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    one = remote(project, network=True, url="s3://doctor/other", endpointurl=address)
    assert (one.status, one.advice) == (Status.WARN, "check the network and credentials")


def test_a_remote_whose_package_is_not_installed(project: Versioned, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc_s3 import S3FileSystem

    monkeypatch.setattr(S3FileSystem, "REQUIRES", {"no-such-package": "no_such_package"})
    assert remote(project, url="s3://bucket") == Diagnosis(
        "DVC remote",
        Status.MISSING,
        "store: s3://bucket; no-such-package not installed",
        "pip install -c constraints.txt 'dvc[s3]'",
    )


def test_no_remote(project: Versioned) -> None:
    with Repo(str(project.root)) as repo, repo.config.edit() as config:
        del config["core"]["remote"]
    assert checkup.remote(False).found == "none"


# The machine.


@pytest.mark.parametrize(
    ("free", "status"), [(1.9, Status.MISSING), (2.1, Status.WARN), (19.9, Status.WARN), (20.1, Status.OK)]
)
def test_disk(free: float, status: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(machine.shutil.disk_usage("/"))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: usage(1 << 40, 0, int(free * machine.GIB)))
    assert machine.disk().status is status


@pytest.mark.parametrize(
    ("limit", "status", "told"),
    [
        ("max", Status.OK, "16.0 GiB"),
        ("4294967296", Status.OK, "4.0 GiB of the machine's 16.0"),
        ("2147483648", Status.MISSING, "2.0 GiB of the machine's 16.0"),
        ("99999999999999", Status.OK, "16.0 GiB"),
        (None, Status.OK, "16.0 GiB"),
    ],
)
def test_memory_is_what_a_container_grants(
    limit: str | None, status: Status, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"SC_PHYS_PAGES": 4 * machine.GIB // 1024, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(memory.os, "sysconf", pages.__getitem__)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    if limit:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
    assert (machine.memory().status, machine.memory().found) == (status, told)


@pytest.mark.parametrize(
    ("quota", "asked", "told", "advice"),
    [
        (None, None, "4 cores", ""),
        ("max 100000", "4", "4 cores", ""),
        ("250000 100000", None, "4 cores, of which 2.5 are granted", "export OMP_NUM_THREADS=2"),
        ("250000 100000", "2", "4 cores, of which 2.5 are granted", ""),
        ("50000 100000", "4", "4 cores, of which 0.5 are granted, OMP_NUM_THREADS=4", "set it to 1"),
        (None, "1", "4 cores, OMP_NUM_THREADS=1", "set it to 4"),
    ],
)
def test_threads(
    quota: str | None,
    asked: str | None,
    told: str,
    advice: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    if quota:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    status = Status.WARN if advice else Status.OK
    assert machine.threads() == Diagnosis("threads", status, told, advice)


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program `nvidia-smi` first on the path."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(machine, "_torch_cuda", lambda: "13.2")
    return lambda body: script(tmp_path / "bin", "nvidia-smi", body)


def test_gpus_and_whether_they_take_bf16(cards: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    cards("echo 'NVIDIA H200, 143771 MiB, 9.0'; echo 'NVIDIA H200, 143771 MiB, 9.0'")
    one = "NVIDIA H200 (143771 MiB)"
    assert machine.gpu() == Diagnosis("GPU", Status.OK, f"{one}, {one}, torch with CUDA 13.2")
    assert machine.bf16().found == "yes, on the GPU"
    cards("echo 'Tesla T4, 15360 MiB, 7.5'")
    assert machine.bf16().found == "not on this GPU; it trains in fp32"
    monkeypatch.setattr(machine, "_torch_cuda", lambda: None)
    assert machine.gpu() == Diagnosis(
        "GPU", Status.WARN, "Tesla T4 (15360 MiB), but torch has no CUDA", "install torch from PyPI"
    )


def test_a_driver_that_fails_or_hangs(cards: Callable[..., Any]) -> None:
    cards('echo "NVIDIA-SMI has failed because it couldn\'t communicate"; exit 9')
    assert machine.gpu().found == "NVIDIA-SMI has failed because it couldn't communicate"
    assert machine.gpu().status is Status.WARN
    cards("exec sleep 20")
    assert machine.gpu().found == "nvidia-smi does not answer"


def test_cuda_is_read_as_torch_tells_it() -> None:
    import torch

    assert machine._torch_cuda() == torch.version.cuda


NOT_FASTER = "AVX512-BF16 without AMX is not faster; auto trains in fp32"


@pytest.mark.parametrize(
    ("vendor", "flags", "sentence"),
    [
        ("GenuineIntel", "avx2 amx_bf16 avx512_bf16 amx_tile", "yes, the CPU has AMX"),
        ("GenuineIntel", "avx512f avx512_bf16", NOT_FASTER),
        ("AuthenticAMD", "avx512f avx512_bf16", "yes, the CPU has AVX512-BF16 of AMD"),
        ("AuthenticAMD", "avx2 amx_tiles avx512_bf16x", "no; auto trains in fp32"),
        ("", "avx512_bf16", NOT_FASTER),
        (None, "", "no; auto trains in fp32"),
    ],
)
def test_bf16_by_maker_and_features_of_the_cpu(
    vendor: str | None, flags: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_cards", lambda: ([], ""))
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    if vendor is not None:
        maker = f"vendor_id\t: {vendor}\n" if vendor else ""
        (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{maker}flags\t\t: {flags}\nbugs\t\t: amx_tile\n")
    assert machine.bf16().found == sentence


def test_bf16_is_what_training_decides() -> None:
    from stages.training import fitting

    told = machine.bf16().found.startswith("yes")
    assert told == (fitting.precision("auto", "unet") == "bf16")


# Kaggle.


@pytest.mark.parametrize(
    ("source", "location", "needed"),
    [
        ("sample", "null", False),
        ("lgg", "/data/lgg.zip", False),
        ("lgg", "null", True),
        ("lgg", "kaggle:a/b/versions/1", True),
    ],
)
def test_kaggle_is_needed_for_what_is_downloaded(
    project: Versioned, source: str, location: str, needed: bool
) -> None:
    ingest(project, source, location)
    one = checkup.kaggle(False)
    if needed:
        assert one == Diagnosis(
            "Kaggle",
            Status.WARN,
            "no credentials; some sets ask for them",
            "put a token into KAGGLE_API_TOKEN or ~/.kaggle/access_token",
        )
    else:
        assert one == Diagnosis("Kaggle", Status.OK, f"not needed for {source} at {location}")


def test_kaggle_credentials_are_never_shown(
    project: Versioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(project, "lgg", "null")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "s3cret")
    assert checkup.kaggle(False) == Diagnosis("Kaggle", Status.OK, "credentials are there")
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / "kaggle.json").write_text('{"username": "me", "s3cret": ')
    monkeypatch.setattr("kagglehub.config.DEFAULT_KAGGLE_CREDENTIALS_FOLDER", str(tmp_path / "kaggle"))
    assert checkup.kaggle(False) == Diagnosis(
        "Kaggle", Status.WARN, "damaged credentials", "get a new token at kaggle.com/settings"
    )


def test_kaggle_that_cannot_be_reached(project: Versioned, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(project, "lgg", "null")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    one = checkup.kaggle(True)
    assert (one.status, one.found) == (
        Status.WARN, "no credentials; some sets ask for them; ProxyError"
    )  # fmt: skip
