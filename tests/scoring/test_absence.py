"""What a reader is told of test patients without tumour."""

import pandas as pd
import pytest

from stages.scoring import absence, metrics, summary

COUNT = "; they count as 1 where nothing was predicted, else as 0"


def scored(volumes: dict[tuple[str, str], float], dice: float = 0.5) -> pd.DataFrame:
    """Rows of per_case.csv from the true volume in ml of each patient's region."""
    rows = [
        {"patient_id": patient, "case_id": patient, "region": region, "truth_ml": ml, "predicted_ml": 1.0}
        | dict.fromkeys(metrics.NAMES, dice)
        for (patient, region), ml in volumes.items()
    ]
    return pd.DataFrame(rows)


def told(volumes: dict[tuple[str, str], float]) -> str:
    regions = list(dict.fromkeys(region for _, region in volumes))
    sentence = absence.sentence(summary.headline(scored(volumes), regions, 50))
    assert absence.sentence(absence.counts(scored(volumes))) == sentence
    return sentence


@pytest.mark.parametrize(
    ("volumes", "sentence"),
    [
        ([3.0, 0.2, 9.0], ""),
        ([3.0, 0.0, 9.0], "1 of 3 test patients have no labelled pixel" + COUNT),
        ([3.0, 0.0, 0.0], "2 of 3 test patients have no labelled pixel" + COUNT),
        (
            [0.0, 0.0, 0.0],
            "none of the test patients has a labelled pixel, so that a Dice of 1 means no false alarm, and "
            "how well anything is found is not known",
        ),
    ],
)
def test_of_one_region(volumes: list[float], sentence: str) -> None:
    assert told({(f"p{n}", "tumour"): ml for n, ml in enumerate(volumes)}) == sentence


def test_a_patient_of_two_scans_has_tumour_where_one_of_them_has() -> None:
    table = scored({("p", "tumour"): 0.0, ("q", "tumour"): 1.0})
    second = table.iloc[:1].assign(case_id="p2", truth_ml=2.0)
    assert summary.headline(pd.concat([table, second]), ["tumour"], 50)["empty_patients"] == 0


@pytest.mark.parametrize(
    ("core", "sentence"),
    [
        ([1.0, 1.0, 1.0], "1 of 4 test patients have no labelled pixel" + COUNT),
        ([0.0, 0.0, 1.0], "1 of 4 test patients have no labelled pixel, 3 have none of core" + COUNT),
    ],
)
def test_regions_that_some_patients_lack(core: list[float], sentence: str) -> None:
    volumes = {("p", "whole"): 0.0, ("p", "core"): 0.0}
    for n, ml in enumerate(core):
        volumes |= {(f"q{n}", "whole"): 5.0, (f"q{n}", "core"): ml}
    assert told(volumes) == sentence
    del volumes["p", "whole"], volumes["p", "core"]
    lacking = core.count(0.0)
    assert told(volumes) == (f"{lacking} of 3 test patients have none of core{COUNT}" if lacking else "")


def test_metrics_of_an_older_version_do_not_tell() -> None:
    assert absence.sentence({"patients": 5, "dice": 1.0}) == ""
    assert not absence.everybody({"patients": 5, "dice": 1.0})
