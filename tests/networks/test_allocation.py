"""Freed memory is kept: big tensors of the next step need no new pages."""

import platform
import subprocess
import sys

import pytest

from stages.networks import allocation

ROUNDS = """
import resource
import torch
from stages.networks import allocation


def pages():
    for number in range(20):
        if number == 10:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(64 * 2**20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


print(pages())
allocation.keep_freed_memory()
print(pages())
"""
"""Pages that ten tensors of 64 MiB map, after as many others: as it is, and where freed memory is kept."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep memory")
def test_big_tensors_reuse_the_pages_of_those_before() -> None:
    done = subprocess.run([sys.executable, "-c", ROUNDS], capture_output=True, text=True, check=True)
    as_it_is, kept = map(int, done.stdout.split())
    assert as_it_is >= 10  # at least one for each tensor, also where pages are huge
    assert kept < 50


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Library:
        def __getattr__(self, name: str) -> None:
            asked.append(name)
            raise AttributeError(name)

    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda _: Library())
    allocation.keep_freed_memory()
    assert asked == ["mallopt"]
