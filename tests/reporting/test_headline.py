"""The one line a person wants first."""

from stages.reporting import headline

PLAIN = {"leaky": False, "box_labels": False, "patients_known": True}
TEST = {"dice": 0.81234, "dice_ci_low": 0.7, "dice_ci_high": 0.9, "patients": 22}


def test_the_sentence():
    assert headline.sentence(PLAIN | {"test": TEST}) == (
        "test Dice 0.812 (95 % interval 0.700 to 0.900, 22 patients)"
    )


def test_the_sentence_of_a_leaky_split_begins_with_it():
    assert headline.sentence(PLAIN | {"test": TEST, "leaky": True}) == (
        "LEAKY test Dice 0.812 (95 % interval 0.700 to 0.900, 22 patients): "
        "patients of the test set were trained on"
    )


def test_what_must_be_known_to_read_it():
    assert headline.sentence(PLAIN | {"test": TEST, "box_labels": True, "patients_known": False}) == (
        "test Dice 0.812 (95 % interval 0.700 to 0.900, 22 patients); "
        "the labels are boxes, so this is agreement with boxes and not with outlines; "
        "the set does not tell its patients, pictures that look alike count as one"
    )
