"""What validation looks for: for each check a title in plain words, its threshold and the reason for that."""

from dataclasses import dataclass

from stages.checks import judgement
from stages.checks.twins import MIN_HEAD, RUN_BITS


@dataclass(frozen=True)
class Check:
    """`threshold` in the unit that `reason` tells; None where the check needs no number, or takes a param."""

    title: str
    threshold: float | None
    reason: str


CHECKS: dict[str, Check] = {
    "image": Check("Image missing or unreadable", None, "A slice without an image cannot be learnt from."),
    "mask": Check("Mask missing or unreadable", None, "A slice without a label cannot be learnt from."),
    "finite": Check("Pixels that are no numbers", None, "One NaN or infinite pixel spoils a case's scaling."),
    "mask_size": Check("Mask and image differ in size", None, "Their pixels cannot be matched."),
    "mask_values": Check("Unknown labels in a mask", None, "What other numbers stand for would be a guess."),
    "one_case_one_shape": Check(
        "Slices of one case differ in shape",
        None,
        "The slices of a scan have one width, height and channels.",
    ),
    "no_brain": Check(
        "Empty slices at the ends of a volume",
        MIN_HEAD,
        "Share of head below which a slice shows nothing: two of 830 LGG slices have 0.002, the next 0.016.",
    ),
    "blank": Check(
        "Slice without a head",
        MIN_HEAD,
        "Share of head below which a slice shows nothing: two of 830 LGG slices have 0.002, the next 0.016.",
    ),
    "copied_channels": Check(
        "A sequence is missing, replaced by a copy",
        0.5,
        "Share of slices with two equal channels: two of 26 LGG patients have 100 %, others up to 5 %.",
    ),
    "no_tumour": Check("Case without tumour", None, "No slice has a label; worth knowing, it may be meant."),
    "grey_in_colour": Check("Grey pictures saved in colour", None, "All channels are equal to the pixel."),
    "subset": Check(
        "Not the published set", None, "Numbers of slices and patients are not the published ones."
    ),
    "duplicate": Check("The same picture twice", None, "All pixels are equal after decoding."),
    "near_duplicate": Check(
        "Two patients with nearly the same picture",
        None,
        "At most validate.near_duplicate_bits of 576 bits differ: all of 69 pictures published twice come "
        "within 52, slices of different LGG patients are 98 or more apart.",
    ),
    "run": Check(
        "Consecutive pictures that look alike",
        RUN_BITS,
        "Bits of 576: three quarters of coco's consecutive pictures come closer, of others 0.1 %.",
    ),
    "rectangle_labels": Check(
        "Labels are boxes, not outlines",
        0.5,
        "Share of upright rectangles from which it is told of the set, else of each mask: coco has 100 %, "
        f"none of 1,220 outlines is one. A perfect outline has a Dice of {judgement.BOX_DICE:g} with its "
        "box.",
    ),
    "outside_head": Check(
        "Mask lies outside the head",
        judgement.OUTSIDE,
        "Share of a mask; of 1,418 real masks the most is 0.38, of a few pixels on the brain's rim.",
    ),
    "follows_border": Check(
        "Mask along the picture's border",
        judgement.BORDER,
        "Share of the border; of 1,418 real masks the most is 0.017, in a picture cut off close to the head.",
    ),
    "full_mask": Check(
        "Mask fills the head",
        judgement.COVERED,
        f"Share of the head, or {judgement.HALF:g} of the picture; of 1,418 masks the most is 0.44 and 0.21.",
    ),
    "speck": Check(
        "Single pixels in a mask",
        judgement.SPECK,
        "Pixels of the smallest part: five of 391 masks drawn by hand (LGG, figshare) have one, the next "
        "smallest part has 7.",
    ),
    "misregistered": Check(
        "Masks fit better elsewhere in the picture",
        judgement.BETTER,
        "Contrast along the masks' edge, in standard deviations, gained by the best of 23 moves: none of 61 "
        "cases comes nearer than -0.09; shifted by 4 %, mirrored or turned, 60 of them gain more.",
    ),
    "intensity_outlier": Check(
        "Patient of unusual brightness or contrast",
        judgement.OUTLIER,
        "Robust z-score after Iglewicz and Hoaglin (1993); LGG's largest of 26 is 3.2, three times as bright "
        "all are above.",
    ),
}
"""By the name under which findings tell it."""
