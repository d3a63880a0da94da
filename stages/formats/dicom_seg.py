"""Write a mask as DICOM Segmentation, which refers to the series that it was made from."""

import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from highdicom.sr import CodedConcept

from stages.formats import dicom_source
from stages.scan.header import Unreadable

_ABNORMAL = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
_TYPES = {
    "tumour": CodedConcept("108369006", "SCT", "Neoplasm"),
    "necrosis": CodedConcept("6574001", "SCT", "Necrosis"),
    "oedema": CodedConcept("79654002", "SCT", "Edema"),
    "enhancing": CodedConcept("C113842", "NCIt", "Enhancing Lesion"),
    "non_enhancing": CodedConcept("C81175", "NCIt", "Non-Enhancing Lesion"),
    "cyst": CodedConcept("367643001", "SCT", "Cyst"),
    "resection_cavity": _ABNORMAL,  # a hole is no neoplasm, and no code of its own is in these groups
}
"""Codes of the classes in DICOM's context group 7159 and the NCI thesaurus; others beside them: neoplasm."""
_TISSUE = CodedConcept("85756007", "SCT", "Tissue")
"""Category and type where no class is part of a tumour (context groups 7150 and 7166)."""
_SERIES_NUMBER = 9000
"""Out of the way of the scanner's own series."""


@dataclass(frozen=True)
class Drawn:
    """Who drew a mask: the model with weights of this hash, `corrected` by a person or not."""

    model_hash: str
    corrected: bool = False


def write(
    labels: np.ndarray,
    headers: list[pydicom.Dataset],
    classes: dict[int, str],
    drawn: Drawn,
    path: Path,
) -> list[str]:
    """Write labels (slices, rows, columns), in the series' own order, as one binary segment for each of
    `classes`, which have a name by number. headers: attributes of the series' files in the order of slices,
    as `dicom.decode` leaves them. The model's hash becomes the serial number of the device.

    Returns remarks on what it could not repeat of the series, or had to make up. Raises `Unreadable` where
    the series lacks what a segmentation must have; nothing is written then.
    """
    sources, remarks = dicom_source.of(headers)
    program = version("brainseg")
    algorithm = hd.AlgorithmIdentificationSequence(
        name="brainseg", family=CodedConcept("123110", "DCM", "Artificial Intelligence"), version=program
    )
    kinds = SegmentAlgorithmTypeValues
    of_tumour = not _TYPES.keys().isdisjoint(classes.values())
    category, other = (_ABNORMAL, _TYPES["tumour"]) if of_tumour else (_TISSUE, _TISSUE)
    segments = [
        SegmentDescription(
            segment_number=number,
            segment_label=classes[label],
            segmented_property_category=category,
            segmented_property_type=_TYPES.get(classes[label], other),
            algorithm_type=kinds.SEMIAUTOMATIC if drawn.corrected else kinds.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, label in enumerate(sorted(classes), 1)
    ]
    masks = np.stack([labels == label for label in sorted(classes)], axis=-1).astype(np.uint8)
    try:
        with warnings.catch_warnings(action="ignore"):  # they would print the patient's name
            made = Segmentation(
                source_images=sources,
                pixel_array=masks,
                segmentation_type=SegmentationTypeValues.BINARY,
                segment_descriptions=segments,
                series_instance_uid=hd.UID(),
                series_number=_SERIES_NUMBER,
                sop_instance_uid=hd.UID(),
                instance_number=1,
                manufacturer="brainseg",
                manufacturer_model_name="brainseg",
                software_versions=program,
                device_serial_number=drawn.model_hash[:16],
                series_description="Segmentation (research only)",
            )
            made.save_as(path)
    except OSError:  # of the disk
        raise
    except Exception as error:  # whatever an attribute that nobody thought of leads highdicom to
        path.unlink(missing_ok=True)
        raise Unreadable(f"its attributes do not suit highdicom ({type(error).__name__})") from None
    return remarks
