"""The one line a person wants first."""

from stages.reporting import headline

PLAIN = {"leaky": False, "box_labels": False, "patients_known": True}
TEST = {"dice": 0.81234, "dice_ci_low": 0.7, "dice_ci_high": 0.9, "patients": 22}


def test_the_sentence() -> None:
    assert headline.sentence(PLAIN | {"test": TEST}) == (
        "test Dice 0.812 (95 % interval 0.700 to 0.900, 22 patients)"
    )


def test_the_sentence_of_a_leaky_split_begins_with_it() -> None:
    assert headline.sentence(PLAIN | {"test": TEST, "leaky": True}) == (
        "LEAKY test Dice 0.812 (95 % interval 0.700 to 0.900, 22 patients): "
        "patients of the test set were trained on"
    )


def test_what_must_be_known_to_read_it() -> None:
    assert headline.sentence(PLAIN | {"test": TEST, "box_labels": True, "patients_known": False}) == (
        "test Dice 0.812 (95 % interval 0.700 to 0.900, 22 patients); "
        "the labels are boxes, so this is agreement with boxes and not with outlines; "
        "the set does not tell its patients, pictures that look alike count as one"
    )


def test_a_test_set_without_anything_to_find() -> None:
    empty = TEST | {"dice": 1.0, "dice_ci_low": 1.0, "dice_ci_high": 1.0, "empty_patients": 22}
    assert headline.sentence(PLAIN | {"test": empty}) == (
        "NOTHING TO FIND test Dice 1.000 (95 % interval 1.000 to 1.000, 22 patients): none of the test "
        "patients has a labelled pixel, so that a Dice of 1 means no false alarm, and how well anything is "
        "found is not known"
    )


def test_a_test_set_of_which_some_have_nothing_to_find() -> None:
    few = (
        "2 of 22 test patients have no labelled pixel; they count as 1 where nothing was predicted, else as 0"
    )
    interval = "test Dice 0.812 (95 % interval 0.700 to 0.900, 22 patients)"
    assert headline.sentence(PLAIN | {"test": TEST | {"empty_patients": 2}}) == f"{interval}; {few}"
    leaky = headline.sentence(PLAIN | {"test": TEST | {"empty_patients": 2}, "leaky": True})
    assert leaky == f"LEAKY {interval}: patients of the test set were trained on; {few}"
