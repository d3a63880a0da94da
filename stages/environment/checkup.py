"""What is there and what is lacking to work on this project, a diagnosis each."""

import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from stages.core.errors import UserError
from stages.core.git import FOREIGN, answer, distrust
from stages.environment import extras, machine
from stages.environment.extras import PROJECT, Requirements
from stages.environment.machine import Diagnosis, Status

INSTALL = extras.install(extras.TRAIN)


def examine(network: bool = False) -> Iterator[Diagnosis]:
    """Every diagnosis, in order. network: may connect to the DVC remote and to Kaggle."""
    checks: dict[str, Callable[[], Diagnosis]] = {
        "python": python,
        "packages": packages,
        "git": git,
        "DVC links": links,
        "DVC remote": lambda: remote(network),
        "disk": machine.disk,
        "memory": machine.memory,
        "threads": machine.threads,
        "GPU": machine.gpu,
        "bf16": machine.bf16,
        "Kaggle": lambda: kaggle(network),
    }
    for what, check in checks.items():
        try:
            yield check()
        except ImportError as error:
            yield Diagnosis(what, Status.MISSING, f"{error.name} is not installed", INSTALL)
        except UserError as error:
            yield Diagnosis(what, Status.MISSING, str(error))


def python() -> Diagnosis:
    from packaging.specifiers import SpecifierSet

    version = ".".join(map(str, sys.version_info[:3]))
    versions = Requirements.read(PROJECT).python
    if not SpecifierSet(versions).contains(version):
        return Diagnosis("python", Status.MISSING, version, f"{versions} is needed: make PYTHON=python3.11")
    return Diagnosis("python", Status.OK, f"{version} in {sys.prefix}")


def packages() -> Diagnosis:
    """Installed versions against what pyproject.toml asks for and what constraints.txt says was tested."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    have = {canonicalize_name(dist.name): dist.version for dist in metadata.distributions() if dist.name}

    def lacking(lines: list[str]) -> list[str]:
        missing = []
        for requirement in map(Requirement, lines):
            version = have.get(canonicalize_name(requirement.name))
            if version is None:
                missing.append(f"{requirement.name} (not installed)")
            elif not requirement.specifier.contains(version, prereleases=True):
                missing.append(f"{requirement.name} {version} (not {requirement.specifier})")
        return missing

    requirements = Requirements.read(PROJECT)
    if missing := lacking(requirements.always):
        return Diagnosis("packages", Status.MISSING, _some(missing), INSTALL)
    if missing := lacking(requirements.of(extras.TRAIN)):
        return Diagnosis("packages", Status.MISSING, f"training lacks {_some(missing)}", INSTALL)
    other = []
    for line in machine.lines(PROJECT / "constraints.txt"):
        name, _, tested = line.partition(";")[0].partition("==")
        version = have.get(canonicalize_name(name))
        if version and version.partition("+")[0] != tested:  # torch 2.15.0+cpu is torch 2.15.0
            other.append(f"{name} {version} (tested: {tested})")
    if other:
        return Diagnosis("packages", Status.WARN, _some(other), INSTALL)
    return Diagnosis("packages", Status.OK, f"{len(have)} installed, at the tested versions")


def git() -> Diagnosis:
    if shutil.which("git") is None:
        return Diagnosis("git", Status.MISSING, "not installed", "install git")
    if (head := answer("rev-parse", "--short", "--verify", "HEAD")) is None:
        if trust := distrust():
            return Diagnosis("git", Status.MISSING, FOREIGN, f"if you trust what is in it: {trust}")
        if answer("rev-parse", "--git-dir") is None:
            return Diagnosis(
                "git", Status.MISSING, "no repository here", "run this in a clone of the project"
            )
        return Diagnosis("git", Status.WARN, "nothing is committed", "git add -A && git commit")
    changed = len((answer("status", "--porcelain") or "").splitlines())
    branch = answer("symbolic-ref", "--short", "--quiet", "HEAD") or "no branch"
    state = f"{branch} at {head}, " + (f"{changed} files not committed" if changed else "all committed")
    if not (answer("config", "user.name") and answer("config", "user.email")):
        advice = "git config --global user.name NAME, and user.email: experiments and versions are signed"
        return Diagnosis("git", Status.WARN, f"{state}; git does not know who you are", advice)
    return Diagnosis("git", Status.OK, state)


def links() -> Diagnosis:
    """How DVC brings files from its cache into the work tree."""
    from dvc_objects.fs import generic

    with _repo() as repo:
        kinds = ["reflink", "hardlink", "symlink"]
        cache, here = repo.cache.local, str(Path(repo.tmp_dir) / "link")
        try:
            able = [*generic.test_links(kinds, cache.fs, cache.path, repo.fs, here), "copy"]
        except OSError as error:
            return Diagnosis(
                "DVC links", Status.MISSING, f"{cache.path}: {error.strerror}", "make it writable"
            )
        types = repo.config["cache"].get("type") or ["reflink", "copy"]
    used = next((kind for kind in types if kind in able), None)
    if used is None:
        state = f"cache.type is {', '.join(types)}; here works {', '.join(able)}"
        return Diagnosis("DVC links", Status.MISSING, state, "dvc config --unset cache.type")
    twice = "; outs take their space twice" if used == "copy" else ""
    return Diagnosis("DVC links", Status.OK, f"{used}{twice}")


def remote(network: bool) -> Diagnosis:
    """Where `dvc push` puts things; asked only where `network` allows it."""
    from dvc.fs import get_cloud_fs

    with _repo() as repo:
        name = repo.config["core"].get("remote")
        if not name or name not in repo.config["remote"]:
            return Diagnosis(
                "DVC remote", Status.WARN, "none", "dvc remote add -d NAME URL (docs/how-to/remote.md)"
            )
        kind, settings, path = get_cloud_fs(repo.config, name=name)
        state = f"{name}: {repo.config['remote'][name]['url']}"
        if needed := kind.get_missing_deps():
            advice = f"pip install -c constraints.txt 'dvc[{kind.protocol}]'"
            return Diagnosis(
                "DVC remote", Status.MISSING, f"{state}; {', '.join(needed)} not installed", advice
            )
        if kind.protocol != "local" and not network:
            return Diagnosis("DVC remote", Status.OK, f"{state} (not asked; --network does)")
        try:
            kind(**settings).info(path)
        except Exception as error:  # each kind of remote has classes of its own
            # Of a server that cannot be reached fsspec says "not found" as well, for another cause.
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            if isinstance(cause, FileNotFoundError):
                return Diagnosis("DVC remote", Status.OK, f"{state} (nothing pushed yet)")
            reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0][:160]
            advice = "check the network and credentials"
            return Diagnosis("DVC remote", Status.WARN, f"{state}; {reason}", advice)
    return Diagnosis("DVC remote", Status.OK, state)


def kaggle(network: bool) -> Diagnosis:
    """Credentials, where the source is downloaded. Never printed."""
    from stages.project import params

    ingest = params.load(params.Ingest)
    location = str(ingest.location or "")
    if ingest.source == "sample" or (location and not location.startswith("kaggle:")):
        return Diagnosis("Kaggle", Status.OK, f"not needed for {ingest.source} at {location or 'null'}")
    import kagglehub.config
    import requests

    try:
        known = kagglehub.config.get_kaggle_credentials() is not None
    except ValueError:  # it may quote the token
        return Diagnosis(
            "Kaggle", Status.WARN, "damaged credentials", "get a new token at kaggle.com/settings"
        )
    state = "credentials are there" if known else "no credentials; some sets ask for them"
    if network:
        try:
            requests.head("https://www.kaggle.com", timeout=5)
        except requests.RequestException as error:
            advice = "check the network, or download by hand and set ingest.location"
            return Diagnosis("Kaggle", Status.WARN, f"{state}; {type(error).__name__}", advice)
    if known:
        return Diagnosis("Kaggle", Status.OK, state)
    return Diagnosis(
        "Kaggle", Status.WARN, state, "put a token into KAGGLE_API_TOKEN or ~/.kaggle/access_token"
    )


def _repo() -> Any:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        return Repo()
    except DvcException as error:
        raise UserError(
            f"this is not a DVC project that can be read ({str(error).splitlines()[0]})"
        ) from None


def _some(items: list[str]) -> str:
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if items[3:] else "")
