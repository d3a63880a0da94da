"""What a file says of the picture in it before its pixels are decoded, and the limits it is held to."""

from dataclasses import dataclass

from stages.core.errors import UserError
from stages.scan.spacing import Spacing

MAX_PIXELS = 64 * 1024 * 1024
"""An 8192 x 8192 slice; no MRI is larger, and a forged header must not make us allocate more."""
MAX_CHANNELS = 64
MAX_SLICES = 4096
"""Ten times the finest MRI in use (0.5 mm over 25 cm)."""
MAX_VOXELS = 512**3
"""Of one volume file: half a GiB as float32."""
MAX_NUMBERS = 4 * MAX_PIXELS
"""Pixels or voxels times channels: the largest slice in colours with transparency."""


class Unreadable(UserError):
    """A file that is no image, or a damaged one. The message says what is wrong, without the file's name."""


@dataclass(frozen=True)
class Header:
    """Size in pixels, channels and slices and, where the file tells, the spacing in mm (slice, row, column).

    Raises `Unreadable` where the numbers cannot be those of a scan.
    """

    height: int
    width: int
    channels: int
    spacing_mm: Spacing | None = None
    slices: int = 1

    def __post_init__(self) -> None:
        size = f"its header says {self.width}x{self.height} pixels"
        if min(self.height, self.width, self.channels) < 1 or self.channels > MAX_CHANNELS:
            raise Unreadable(f"{size} with {self.channels} channels")
        if self.height * self.width > MAX_PIXELS:
            raise Unreadable(f"{size}, more than the {MAX_PIXELS} that are allowed")
        if self.slices < 1:
            raise Unreadable(f"{size} in {self.slices} slices")
        if self.slices > MAX_SLICES or self.slices * self.height * self.width > MAX_VOXELS:
            raise Unreadable(f"{size} in {self.slices} slices, more than the {MAX_VOXELS} voxels allowed")
        if self.slices * self.height * self.width * self.channels > MAX_NUMBERS:
            raise Unreadable(
                f"{size} with {self.channels} channels, more than the {MAX_NUMBERS} numbers allowed"
            )


def first_words(error: Exception) -> str:
    """The first line of what a decoder complained of, short enough for a sentence."""
    return next((line.strip()[:80] for line in str(error).splitlines() if line.strip()), type(error).__name__)
