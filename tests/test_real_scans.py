"""A run without real scans says at its end what it did not cover; one that names their folder uses it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = "tests/formats/test_tiff.py"  # one of few real scans, and of few imports


def run(data: Path) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", FILE, "-k", "real", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env=env | {"BRAINSEG_TEST_DATA": str(data)},
        capture_output=True,
        text=True,
    )


def test_without_them_the_end_names_what_was_skipped(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere")
    count = done.stdout.count("s", 0, done.stdout.index("\n"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert count > 0
    section = done.stdout.split("not covered: real scans")[1]
    assert (
        f"{count} tests were skipped: no real scans on this machine; BRAINSEG_TEST_DATA names their folder."
        in section
    )
    assert f"{count} {FILE}" in " ".join(section.split())


def test_with_them_it_says_nothing(shared_data: Path) -> None:
    done = run(shared_data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not covered" not in done.stdout
