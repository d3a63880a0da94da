"""What is measured of a scan, in words: one list, for the patients of a model and for new scans alike.

Exports carry numbers under the names that they were measured by: another way to measure is another name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

CONFIDENCE = "confidence"


@dataclass(frozen=True)
class Measure:
    """title: in a sentence after "its"; unit: after numbers, "" for none. log: compared by ratio, where all
    values are positive. higher, lower: what a person can look at where a scan has more or less than usual.
    """

    name: str
    title: str
    unit: str
    log: bool
    higher: str
    lower: str


def of(channels: Sequence[str]) -> list[Measure]:
    """The measures of scans with these channels in the order of `measures.of`, the confidence last."""
    listed = [measure for channel in channels for measure in _of_channel(channel, len(channels) > 1)]
    listed += [_likeness(*pair) for pair in combinations(channels, 2)]
    return [*listed, *_GEOMETRY, _SURE]


def _of_channel(channel: str, several: bool) -> tuple[Measure, ...]:
    """Brightness and contrast of a channel, and how it looks."""

    def named(name: str, *rest: str, log: bool = True, unit: str = "") -> Measure:
        title = f"{name} of {channel.replace('_', ' ')}" if several else name
        return Measure(f"{name.replace(' ', '_')}:{channel}", title, unit, log, *rest)

    return (
        named(
            "brightness",
            "it may come of another scanner or export; the mask does not depend on this alone",
            "it may come of another scanner or export; the mask does not depend on this alone",
        ),
        named(
            "contrast",
            "check the sequence, and that no window was applied when it was exported",
            "check the sequence, and that no window was applied when it was exported",
        ),
        named(
            "noise",
            "look for motion, a fast protocol or metal",
            "check whether it was smoothed, denoised or enlarged",
            unit=" levels",
        ),
        named(
            "sharpness",
            "look for noise, and check whether a sharpening filter was on",
            "check whether it was smoothed, enlarged or blurred by motion",
            log=False,
        ),
        named(
            "skewness",
            "check the sequence, contrast agent and what lies around the brain",
            "check the sequence, contrast agent and whether the skull was removed",
            log=False,
        ),
    )


def _likeness(first: str, second: str) -> Measure:
    return Measure(
        f"correlation:{first}:{second}",
        f"correlation of {first.replace('_', ' ')} with {second.replace('_', ' ')}",
        "",
        False,
        "check that no sequence stands twice",
        "check that the sequences are in their order and lie on each other",
    )


_GEOMETRY = (
    Measure(
        "slice_distance_mm",
        "distance of slices",
        " mm",
        True,
        "take the series with thinner slices, if there is one",
        "take the series with thicker slices, if there is one",
    ),
    Measure(
        "pixel_mm",
        "size of pixels",
        " mm",
        True,
        "take the series as the scanner made it, not a reduced copy",
        "check whether it was enlarged; take the series as the scanner made it",
    ),
    Measure(
        "field_of_view_mm",
        "field of view",
        " mm",
        True,
        "check that it shows a head and little else",
        "check that no part of the head is cut off",
    ),
    Measure(
        "head_mm",
        "width of the head (as of a disc)",
        " mm",
        True,
        "check the spacing in its header, and that it shows a head alone",
        "check the spacing in its header, whether it is a child, and that the head is whole",
    ),
    Measure(
        "matrix",
        "matrix",
        " pixels",
        True,
        "check whether it was enlarged",
        "take the series as the scanner made it, not a reduced copy",
    ),
    Measure(
        "head_share",
        "share of the picture that is head",
        "",
        False,
        "check that no part of the head is cut off",
        "check the field of view, and that the head is whole",
    ),
    Measure(
        "slices",
        "number of slices with head",
        "",
        True,
        "check that it is one series, not several",
        "check that no slices are missing",
    ),
)
_SURE = Measure(
    CONFIDENCE,
    "the model's confidence",
    "",
    False,
    "nothing to do",
    "look at the masks before they are used",
)
