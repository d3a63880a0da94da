"""The list of what validation looks for: a new check is a function and an entry here."""

from stages.checks import (
    channels,
    duplicates,
    emptiness,
    gaps,
    headers,
    intensities,
    labels,
    publication,
    registration,
    statistics,
    twins,
    unusable,
)
from stages.checks.check import Check
from stages.scan.gaps import REGULAR

_LITTLE_HEAD = (
    "Share of head below which a slice shows nothing: two of 830 LGG slices have 0.002, the next 0.016."
)

CATALOGUE: tuple[Check, ...] = (
    Check(
        "image",
        "Image missing or unreadable",
        "critical",
        unusable.image,
        "A slice without an image cannot be learnt from.",
        each="slice",
    ),
    Check(
        "mask",
        "Mask missing or unreadable",
        "critical",
        unusable.mask,
        "A slice without a label cannot be learnt from.",
        each="slice",
    ),
    Check(
        "finite",
        "Pixels that are no numbers",
        "critical",
        unusable.finite,
        "One NaN or infinite pixel spoils a case's scaling.",
        each="slice",
    ),
    Check(
        "mask_size",
        "Mask and image differ in size",
        "critical",
        unusable.mask_size,
        "Their pixels cannot be matched.",
        each="slice",
    ),
    Check(
        "mask_values",
        "Unknown labels in a mask",
        "critical",
        unusable.mask_values,
        "What other numbers stand for would be a guess.",
        each="slice",
    ),
    Check(
        "one_case_one_shape",
        "Slices of one case differ in shape",
        "critical",
        unusable.one_case_one_shape,
        "The slices of a scan have one width, height and channels.",
    ),
    Check(
        "header",
        "A file leaves open what it means",
        "warning",
        headers.doubtful,
        "What it was taken to mean decides where, how large or which way round everything is.",
        each="case",
    ),
    Check(
        "blank",
        "Slice without a head",
        "info",
        emptiness.blank,
        _LITTLE_HEAD,
        threshold=statistics.MIN_HEAD,
    ),
    Check(
        "copied_channels",
        "A sequence is missing, replaced by a copy",
        "warning",
        channels.copied_channels,
        "Share of slices with two equal channels: two of 26 LGG patients have 100 %, others up to 5 %.",
        threshold=channels.COPIED,
        each="case",
    ),
    Check(
        "missing_slices",
        "Slices missing from the middle of a case",
        "warning",
        gaps.missing_slices,
        "Share of the steps from file number to file number that must be alike for a gap to be one.",
        threshold=REGULAR,
        each="case",
    ),
    Check(
        "no_tumour",
        "Case without tumour",
        "info",
        emptiness.no_tumour,
        "No slice has a label; worth knowing, it may be meant.",
        each="case",
    ),
    Check(
        "no_brain",
        "Empty slices at the ends of a volume",
        "info",
        emptiness.no_brain,
        _LITTLE_HEAD,
        threshold=statistics.MIN_HEAD,
    ),
    Check(
        "grey_in_colour",
        "Grey pictures saved in colour",
        "info",
        channels.grey_in_colour,
        "All channels are equal to the pixel.",
    ),
    Check(
        "subset",
        "Not the published set",
        "info",
        publication.subset,
        "Numbers of slices and patients are not the published ones.",
    ),
    Check(
        "rectangle_labels",
        "Labels are boxes, not outlines",
        "warning",
        labels.rectangle_labels,
        "Share of upright rectangles from which it is told of the set, else of each mask: coco has 100 %, "
        f"none of 1,220 outlines is one. A perfect outline has a Dice of {labels.BOX_DICE:g} with its box.",
        threshold=labels.RECTANGLES,
    ),
    Check(
        "outside_head",
        "Mask lies outside the head",
        "warning",
        labels.outside_head,
        "Share of a mask; of 1,418 real masks the most is 0.38, of a few pixels on the brain's rim.",
        threshold=labels.OUTSIDE,
    ),
    Check(
        "follows_border",
        "Mask along the picture's border",
        "warning",
        labels.follows_border,
        "Share of the border; of 1,418 real masks the most is 0.017, in a picture cut off close to the head.",
        threshold=labels.BORDER,
    ),
    Check(
        "full_mask",
        "Mask fills the head",
        "warning",
        labels.full_mask,
        f"Share of the head, or {labels.HALF:g} of the picture; of 1,418 masks the most is 0.44 and 0.21.",
        threshold=labels.COVERED,
    ),
    Check(
        "speck",
        "Single pixels in a mask",
        "info",
        labels.speck,
        "Pixels of the smallest part: five of 391 masks drawn by hand (LGG, figshare) have one, the next "
        "smallest part has 7.",
        threshold=labels.SPECK,
    ),
    Check(
        "misregistered",
        "Masks fit better elsewhere in the picture",
        "warning",
        registration.misregistered,
        "Contrast along the masks' edge, in standard deviations, gained by the best of 23 moves: none of 61 "
        "cases comes nearer than -0.09; shifted by 4 %, mirrored or turned, 60 of them gain more.",
        threshold=registration.BETTER,
    ),
    Check(
        "intensity_outlier",
        "Patient of unusual brightness or contrast",
        "warning",
        intensities.intensity_outlier,
        "Robust z-score after Iglewicz and Hoaglin (1993); LGG's largest of 26 is 3.2, three times as bright "
        "all are above.",
        threshold=intensities.OUTLIER,
    ),
    Check(
        "duplicate",
        "The same picture twice",
        "warning",
        duplicates.duplicate,
        "All pixels are equal after decoding.",
    ),
    Check(
        "near_duplicate",
        "Two patients with nearly the same picture",
        "warning",
        duplicates.near_duplicate,
        "At most validate.near_duplicate_bits of 576 bits differ: all of 69 pictures published twice come "
        "within 52, slices of different LGG patients are 98 or more apart.",
    ),
    Check(
        "run",
        "Consecutive pictures that look alike",
        "info",
        duplicates.run,
        "Bits of 576: three quarters of coco's consecutive pictures come closer, of others 0.1 %.",
        threshold=twins.RUN_BITS,
    ),
)
"""In the order of findings.csv. Neighbours of one `each` that is no set are asked of each part in turn."""

CHECKS: dict[str, Check] = {check.name: check for check in CATALOGUE}
