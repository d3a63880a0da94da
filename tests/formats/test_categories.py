"""What the names of COCO categories say of a tumour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.formats import categories
from stages.formats.categories import Category, Meaning


@pytest.mark.parametrize(
    "name",
    [
        *("no_tumor", "No Tumor", "notumor", "NO-TUMOUR", "no tumour", "No_Tumors", "nontumor", "non-tumor"),
        *("non-tumorous", "not_tumor", "No Brain Tumor", "brain_no_tumor", "without tumour", "tumor-free"),
        *("no lesion", "no_cancer", "non-cancerous", "No Abnormality", "no tumor detected", "no finding"),
        *("negative", "Negatives", "negative case", "tumor negative", "normal", "Normal brain", "normal_mri"),
        *("healthy", "healthy-brain", "Healthy Controls", "brain normal", "no", "None", "control"),
        *("no mass", "no\u2011tumor", "  no \t tumor  "),
    ],
)
def test_names_that_say_there_is_none(name: str) -> None:
    assert categories.meaning(name) is Meaning.ABSENCE


@pytest.mark.parametrize(
    "name",
    [
        *(
            "brain",
            "Head",
            "skull",
            "Whole Brain",
            "brain_mask",
            "brain region",
            "head outline",
            "background",
        ),
        *("white matter", "Gray-Matter", "grey matter", "CSF", "ventricles", "lateral ventricle", "eyes"),
        *("healthy tissue", "normal_tissue", "brainstem", "cerebellum", "artifact"),
    ],
)
def test_names_of_something_else(name: str) -> None:
    assert categories.meaning(name) is Meaning.OTHER


@pytest.mark.parametrize(
    "name",
    [
        *("tumor", "Tumour", "brain-tumor", "Brain Tumors", "brain lesion", "lesion", "object", "positive"),
        *("yes", "0", "1", "label0", "glioma", "meningioma", "pituitary", "pituitary tumor", "whole tumor"),
        *("non-enhancing tumor", "nonenhancing_tumour", "necrotic core", "no-go", "abnormal", "malignant"),
        *("benign", "edema", "necrosis", "nodule", "normal pressure", "northern", "brain metastasis", ""),
        *("head and neck tumor", "abnormality", "not negative", "brainstem glioma", "unhealthy"),
    ],
)
def test_any_other_name_may_be_a_tumour(name: str) -> None:
    assert categories.meaning(name) is Meaning.TUMOUR


@given(st.sampled_from(["no_tumor", "brain mask", "brain-tumor"]), st.data())
def test_case_and_gaps_do_not_count(name: str, data: st.DataObject) -> None:
    changed = "".join(
        data.draw(st.sampled_from([sign.upper(), sign.lower()]))
        + data.draw(st.sampled_from(["", " ", "-", "_", "\u2013", "\xa0"]))
        for sign in name
        if sign.isalpha()
    )
    assert categories.key(changed) == categories.key(name)
    assert categories.meaning(changed) is categories.meaning(name)


@pytest.mark.parametrize(
    ("name", "supercategory", "kind"),
    [
        *(("0", "Tumor", True), (1, "tumours", True), ("12", "Tumour", True), (1.0, "TUMOR", True)),
        *(("0", "brain-tumor-detection", False), ("0", "none", False), ("0", None, False), ("0", 5, False)),
        *(("glioma", "Tumor", False), ("label0", "Tumor", False), ("1.5", "Tumor", False)),
    ],
)
def test_numbers_that_the_file_calls_tumours(name: object, supercategory: object, kind: bool) -> None:
    category = Category.model_validate({"id": 1, "name": name, "supercategory": supercategory})
    assert categories.numbered_tumour(category) is kind
