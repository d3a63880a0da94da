"""What the processor is said to be."""

import pytest

from stages.core.processor import Processor


def test_this_machine_s_own(tmp_path):
    assert Processor.here(tmp_path / "none") == Processor("", frozenset())
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: amx_tile\n\nprocessor\t: 1\n")
    assert Processor.here(listed) == Processor("GenuineIntel", frozenset({"amx_tile"}))
    assert Processor.here(listed).bf16() == ""  # tiles alone multiply whole numbers


@pytest.mark.parametrize(
    ("vendor", "flags", "slices", "volumes"),
    [
        ("GenuineIntel", {"amx_tile", "amx_bf16", "avx512_bf16"}, "AMX", "AMX"),
        ("GenuineIntel", {"avx512_bf16"}, "", "AVX512-BF16"),
        ("AuthenticAMD", {"avx512_bf16"}, "AVX512-BF16 of AMD", "AVX512-BF16 of AMD"),
        ("AuthenticAMD", {"avx2"}, "", ""),
    ],
)
def test_what_gains_by_bf16(vendor, flags, slices, volumes):
    cpu = Processor(vendor, frozenset(flags))
    assert (cpu.bf16(), cpu.bf16(dims=3)) == (slices, volumes)
