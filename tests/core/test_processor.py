"""What the processor is said to be."""

from pathlib import Path

from stages.core.processor import Processor


def test_this_machine_s_own(tmp_path: Path) -> None:
    assert Processor.here(tmp_path / "none") == Processor("", frozenset())
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: amx_tile\n\nprocessor\t: 1\n")
    assert Processor.here(listed) == Processor("GenuineIntel", frozenset({"amx_tile"}))
    assert Processor.here(listed).bf16 == ""  # tiles alone multiply whole numbers
