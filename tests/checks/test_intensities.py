"""Patients in other units than the rest."""

from stages.checks import intensities
from tests.fixtures.flaws import CASE, Slices, flagged, measured, spoilt


def test_a_bright_patient(good: Slices) -> None:
    rows = measured(*good, lambda *both: spoilt("bright", *both), CASE)
    (finding,) = [row for row in flagged(rows) if row[1] == "intensity_outlier"]
    assert finding[0] == "warning"
    assert finding[2].startswith(CASE)
    assert finding[3].startswith(f"the mean brightness of patient {CASE}'s head is ")


def test_few_patients_make_no_usual_brightness(good: Slices) -> None:
    rows = measured(*good, lambda *both: spoilt("bright", *both), CASE)
    patients = [CASE, *sorted(set(rows["patient_id"]) - {CASE})]
    for count, findings in ((intensities.MIN_PATIENTS - 1, 0), (intensities.MIN_PATIENTS, 1)):
        some = rows[rows["patient_id"].isin(patients[:count])]
        assert [row[1] for row in flagged(some)].count("intensity_outlier") == findings
