"""The proof of a division: what it counts, and what it calls a leak."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.errors import UserError
from stages.splits import grouping
from tests.fixtures.divisible import row, simple

RATIOS = (0.6, 0.2, 0.2)
BUG = "the patient split leaks, which is a bug; please report it with reports/validate/findings.csv"


def test_random_slices_leak_and_the_proof_says_so() -> None:
    table = simple(12, slices=6)
    splits = grouping.assign(table, "slice", RATIOS, 0)
    assert splits.groupby("patient_id")["split"].nunique().max() > 1
    proof = grouping.proof(splits, table, "slice")
    assert (proof["strategy"], proof["leaky"]) == ("slice", True)
    for pair, counted in proof["overlap"].items():
        one, other = (set(splits.loc[splits["split"] == name, "patient_id"]) for name in pair.split("_"))
        assert counted == {"patients": len(one & other), "groups": len(one & other)}
    with pytest.raises(UserError) as error:
        grouping.proof(splits, table, "patient")
    assert str(error.value) == BUG


PLACES = ["train"] * 3 + ["val"] * 2 + ["test"] * 4
GROUPS = st.lists(st.sampled_from("PQRSTUVWXYZ"), min_size=len(PLACES), max_size=len(PLACES))


@pytest.mark.long
@settings(max_examples=60)
@given(groups=GROUPS)
def test_the_share_of_leaking_slices_of_any_published_division(groups: list[str]) -> None:
    table = pd.DataFrame([row(f"p{k}", 0, k, group) for k, group in enumerate(groups)])
    splits = grouping.assign(table.assign(source_split=PLACES), "source", RATIOS, 0)
    proof = grouping.proof(splits, table, "source")
    assert proof["leaking_test_slices"] == sum(group in groups[:5] for group in groups[5:]) / 4
    parts = {"train": groups[:3], "val": groups[3:5], "test": groups[5:]}
    shared = {
        f"{one}_{other}": {"patients": 0, "groups": len(set(parts[one]) & set(parts[other]))}
        for one, other in (("train", "val"), ("train", "test"), ("val", "test"))
    }
    assert proof["overlap"] == shared
    assert proof["leaky"] == any(counted["groups"] for counted in shared.values())
    if proof["leaky"]:
        with pytest.raises(UserError, match="leaks, which is a bug"):
            grouping.proof(splits, table, "patient")


def test_a_patient_in_two_splits_is_a_leak_though_its_groups_are_apart() -> None:
    table = simple(12)
    splits = grouping.assign(table, "patient", RATIOS, 0)
    torn = splits.index[splits["split"] == "test"][0]
    splits.loc[torn, "split"] = "train"
    splits["group"] = splits["sample_id"]
    proof = grouping.proof(splits, table, "source")
    assert proof["overlap"]["train_test"] == {"patients": 1, "groups": 0}
    assert proof["leaky"]
    with pytest.raises(UserError) as error:
        grouping.proof(splits, table, "patient")
    assert str(error.value) == BUG


def test_the_proof_counts_what_went_where() -> None:
    table = simple(10, slices=3)
    splits = grouping.assign(table, "patient", RATIOS, 3)
    proof = grouping.proof(splits, table, "patient")
    assert (proof["leaky"], proof["leaking_test_slices"], proof["patients_known"]) == (False, 0, True)
    for name in ("train", "val", "test"):
        pixels = table.loc[splits["split"] == name, "label_pixels"]
        assert proof[name] == {
            "patients": len(pixels) // 3,
            "slices": len(pixels),
            "tumour_slices": int(np.count_nonzero(pixels)),
            "tumour_pixels_per_slice": pytest.approx(pixels.mean()),
        }
    assert sum(proof[name]["patients"] for name in ("train", "val", "test")) == 10


def test_a_set_that_does_not_tell_its_patients_says_so() -> None:
    table = simple(6)
    splits = grouping.assign(table, "patient", RATIOS, 0)
    for known in (np.zeros(12, bool), np.arange(12) > 0):
        assert not grouping.proof(splits, table.assign(patient_known=known), "patient")["patients_known"]
