"""A copy of this project in a folder of its own, with tiny params, driven through the real programs."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.pipeline.import_graph import ROOT

TINY = {
    "ingest.limit": "8",
    "preprocess.size": "64",
    "train.encoder": "tu-test_resnet",  # timm's network for tests
    "train.encoder_weights": "null",
    "train.decoder_width": "0.25",
    "train.epochs": "2",
    "train.lr": "3e-3",
    "evaluate.bootstrap": "200",
}
STAGES = ["ingest", "validate", "preprocess", "split", "augment", "train", "evaluate", "export", "report"]


class Project:
    """A git and DVC repository below `root` that holds the tracked files of this one."""

    def __init__(self, root: Path, overrides: dict[str, str] = TINY) -> None:
        self.root = root
        for name in (
            "stages",
            "dvc.yaml",
            "params.yaml",
            ".dvc/config",
            ".dvc/plots",
            ".dvc/.gitignore",
            ".gitignore",
            ".dvcignore",
            "reports/tried.csv",
            "reports/sites.csv",
        ):
            source, target = ROOT / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)
        for key, value in overrides.items():
            self.set(key, value)
        self.git("init", "-q")
        for key, value in {"name": "tester", "email": "tester@example.invalid"}.items():
            self.git("config", f"user.{key}", value)  # DVC, which commits experiments, reads it here only
        self.commit("start")

    @property
    def env(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLFLOW", "DVC", "GIT_"))
        }
        programs = str(Path(sys.executable).parent)
        return kept | {
            "PATH": programs + os.pathsep + kept["PATH"],
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "user.name",
            "GIT_CONFIG_VALUE_0": "tester",
            "GIT_CONFIG_KEY_1": "user.email",
            "GIT_CONFIG_VALUE_1": "tester@example.invalid",
        }

    def run(self, *command: str, status: int = 0) -> str:
        """Run a program in the project; its stdout and stderr together. Fails on another exit status."""
        done = subprocess.run(
            command, cwd=self.root, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == status, (
            f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-4000:]}"
        )
        return done.stdout

    def stage(self, name: str, status: int = 0) -> str:
        return self.run(sys.executable, "-m", f"stages.{name}", status=status)

    def dvc(self, *words: str, status: int = 0) -> str:
        return self.run(sys.executable, "-m", "dvc", *words, status=status)

    def git(self, *words: str) -> str:
        return self.run("git", *words)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def set(self, key: str, value: str) -> None:
        """Change `section.name` in params.yaml, as a person would in an editor."""
        section, name = key.split(".")
        path = self.root / "params.yaml"
        head, found, tail = path.read_text(encoding="utf-8").partition(f"\n{section}:")
        assert found
        changed, count = re.subn(rf"(\n  {name}:) [^#\n]*", rf"\g<1> {value} ", tail, count=1)
        assert count, key
        path.write_text(head + found + changed, encoding="utf-8")

    def hashes(self, *names: str) -> dict[str, str]:
        """SHA-256 of every file below the named folders, or of all artefacts."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for name in names or ("data", "models", "reports")
            for path in sorted((self.root / name).rglob("*"))
            if path.is_file() and path.name != ".gitignore"
        }

    def leftovers(self) -> list[str]:
        """Temporary siblings that a command left behind."""
        return [str(path.relative_to(self.root)) for path in self.root.rglob(".*.part-*")]


def ran(output: str) -> list[str]:
    """The stages that `dvc repro` or `dvc exp run` told it ran, but for the one that always runs."""
    return [stage for stage in re.findall(r"Running stage '(\w+)'", output) if stage != "locate"]
