"""What the segments of a written segmentation are said to be."""

import numpy as np
import pydicom

from stages.formats import dicom, dicom_seg
from stages.formats.file import File
from stages.sources.sources import TASKS
from tests.fixtures.dicom import write_series


def test_each_class_of_children_and_after_treatment_has_its_code(tmp_path):
    series = dicom.decode([File.at(path) for path in write_series(tmp_path, np.ones((2, 3, 4), np.uint16))])
    codes = {}
    for name in ("brats_ped", "brats2024"):
        path = tmp_path / f"{name}.dcm"
        dicom_seg.write(np.zeros((2, 3, 4), np.uint8), series.header, TASKS[name].classes, "0" * 64, path)
        for segment in pydicom.dcmread(path).SegmentSequence:
            code = segment.SegmentedPropertyTypeCodeSequence[0]
            codes[segment.SegmentLabel] = (code.CodingSchemeDesignator, code.CodeValue)
    assert len(set(codes.values())) == len(codes) == 6
    assert codes["cyst"] == ("SCT", "367643001")
    assert codes["resection_cavity"] != ("SCT", "108369006")  # no neoplasm
