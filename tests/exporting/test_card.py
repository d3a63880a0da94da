"""The model card in all its variants."""

from typing import Any

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from stages.exporting import card
from stages.scoring.groups import Group
from stages.sources.sources import SOURCES
from tests.fixtures import reports

COUNTS = {"patients": 7, "slices": 50, "tumour_slices": 21}
SPLIT = {"strategy": "patient", "leaking_test_slices": 0.0, "train": COUNTS, "val": COUNTS, "test": COUNTS}
SITES = [Group("site", "CS", 2, 0.71, 0.402, None, None)]
FINDINGS = [{"severity": "warning", "check": "copied channels", "count": 3}]
REASON = "loses 0.0225 test Dice, export.max_dice_drop allows 0.01"


def run(
    regions: bool = False,
    leaky: bool = False,
    int8: bool | None = True,
    spacing_known: bool = True,
    **parts: Any,
) -> card.Run:
    exported = reports.exported(int8)
    if int8 is False:
        exported["int8"]["reason"] = REASON
    usual = {
        "evaluated": reports.evaluated(regions, leaky, spacing_known),
        "exported": exported,
        "split": SPLIT,
        "findings": FINDINGS,
        "groups": SITES,
        "tried": [],
        "source": "lgg",
        "hashes": {"split": "5b" * 32},
    }
    return card.Run(**(usual | parts))


def render(regions: bool = False, of_model: dict[str, Any] | None = None, **of_run: Any) -> str:
    return card.render(
        reports.model(regions, **(of_model or {})),
        reports.decision(regions),
        reports.meta(),
        run(regions, **of_run),
    )


@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("int8", [True, False, None])
def test_variants(regions: bool, leaky: bool, int8: bool | None) -> None:
    text = render(regions, leaky=leaky, int8=int8)
    assert ("Leaky: patients of the test set were also trained on" in text) is leaky
    assert ("Mean over 22 patients that were not trained on, on the 128 px grid" in text) is not leaky
    assert "| volume Dice | 0.812 (0.701 to 0.904) |" in text
    assert ("| volume Dice, core | 0.654 (0.701 to 0.904) |" in text) is regions
    assert ("- core: probability at least 0.35, components under 0.3 ml removed\n" in text) is regions
    assert ("- tumour: probability at least 0.35\n" in text) is not regions
    assert ("ONNX int8" in text) is (int8 is not None)
    assert (f"ONNX int8 (not shipped: {REASON})" in text) is (int8 is False)
    assert "the crop cut off 6 labelled pixels" in text
    assert f"- model (weights, safetensors): `{'a1' * 32}`" in text
    assert f"- split: `{'5b' * 32}`" in text
    assert "| encoder_weights | null |" in text


def test_what_the_stages_before_it_say() -> None:
    text = render()
    assert "- licence of the data: CC BY-NC-SA 4.0\n" in text
    assert "| train | 7 | 50 | 21 |\n" in text
    assert "0.0 % of the test slices belong to patients" in text
    assert "| warning | copied channels | 3 |\n" in text
    assert "| site | CS | 2 | 0.710 | 0.402 |\n" in text
    assert "Patients of these sites were trained on, too" in text


def test_nothing_found_and_no_sites() -> None:
    text = render(findings=[], groups=[], source="hospital")
    assert "Validation found nothing amiss with the data." in text
    assert "The data do not tell at which site a scan was made" in text
    assert "- licence of the data: not known to this program\n" in text


@pytest.mark.parametrize("source", [*SOURCES, "other"])
def test_tables_are_tables(source: str) -> None:
    """A blank or missing line would break a Markdown table silently."""
    html = MarkdownIt("commonmark").enable("table").render(render(regions=True, int8=False, source=source))
    assert html.count("<table>") == 7
    assert "| " not in html
    assert html.count("<h2>") == 9


def test_metrics_without_an_interval_or_a_value() -> None:
    evaluated = reports.evaluated()
    evaluated["test"] = {"dice": 0.5, "hd95_mm": None, "iou": 0.4, "iou_ci_low": None, "iou_ci_high": None}
    evaluated["test"] |= {"patients": 3, "worst_dice": 0.1}
    text = render(evaluated=evaluated)
    assert "| volume Dice | 0.500 |\n" in text
    assert "| 95 % Hausdorff distance, mm | not defined |\n" in text
    assert "| IoU | 0.400 |\n" in text
    assert "| recall |" not in text


def test_context_and_spacing_are_told() -> None:
    assert "with 2 neighbouring slices on each side" in render(of_model={"context": 2})
    assert "- It sees a slice and 2 on each side.\n" in render(of_model={"context": 2})
    assert "neighbouring" not in render()
    assert "spacing as told by the scans" in render()
    assert "1 mm was assumed" in render(spacing_known=False)


def test_the_same_run_gives_the_same_card() -> None:
    assert render() == render()


def test_findings_are_counted_the_worst_first() -> None:
    table = pd.DataFrame(
        [("info", "b_c"), ("warning", "x"), ("critical", "z"), ("warning", "a"), ("warning", "x")],
        columns=["severity", "check"],
    )
    assert card.findings(table) == [
        {"severity": "critical", "check": "z", "count": 1},
        {"severity": "warning", "check": "a", "count": 1},
        {"severity": "warning", "check": "x", "count": 2},
        {"severity": "info", "check": "b c", "count": 1},
    ]
    assert card.findings(table.head(0)) == []


def test_groups_have_intervals_where_they_say_something() -> None:
    groups = [Group("site", "CS", 9, 0.7, 0.4, 0.6, 0.8), Group("grade", "2", 1, 0.5, 0.5, None, None)]
    text = render(groups=groups, split=SPLIT | {"strategy": "site"})
    assert "| site | CS | 9 | 0.700 (0.600 to 0.800) | 0.400 |\n" in text
    assert "| grade | 2 | 1 | 0.500 | 0.500 |\n" in text
    assert "No patient of the site CS was trained on." in text


def test_where_it_has_been_tried() -> None:
    assert "what it is worth at another hospital is not known" in render()
    row = {"data": "brats, x.zip", "patients": 6, "dice": 0.61, "dice_ci_low": 0.4, "dice_ci_high": 0.8}
    text = render(tried=[row | {"note": "the definitions differ"}])
    own, other = text.split("## Where it has been tried")[1].splitlines()[4:6]
    assert own.startswith("| test patients of its own data | 22 | 0.812 (0.701 to 0.904) |")
    assert other == "| brats, x.zip | 6 | 0.610 (0.400 to 0.800) | the definitions differ |"
    assert "is not known. `brainseg score" not in text


@pytest.mark.parametrize(
    ("empty", "sentence"),
    [
        (0, None),
        (
            2,
            "**2 of 22 test patients have no labelled pixel; they count as 1 where nothing was ",
        ),
        (22, "**None of the test patients has a labelled pixel, so that a Dice of 1 means no false alarm, "),
    ],
)
def test_test_patients_without_tumour(empty: int, sentence: str | None) -> None:
    evaluated = reports.evaluated()
    evaluated["test"]["empty_patients"] = empty
    text = render(evaluated=evaluated)
    assert ("no labelled pixel" in text or "has a labelled pixel" in text) is bool(sentence)
    assert sentence is None or f"\n\n{sentence}" in text.split("## Test result")[1].split("| metric")[0]


def test_what_the_model_promises() -> None:
    text = render(regions=True)
    assert "22 test patients, who chose neither weights nor threshold" in text
    assert "a coverage of 0.957 at most, which is 1 - 1/(22 + 1)" in text
    assert "with 19 of 20 such sets at least 81 % do:\n" in text
    assert (
        "- core: the outer mask, probability at least 0.9, holds 90 % of it; in the test patients it has 0.9"
        in text
    )
    few = reports.promised(["tumour"]) | {"volume_factor": None, "patients": 3}
    text = render(evaluated={**reports.evaluated(), "guarantees": few})
    assert "90 % take 9 patients: `brainseg predict` leaves its promises empty" in text
    assert "the outer mask" not in text
    assert "Nothing: it leaks.\n" in render(leaky=True)


def test_a_region_that_few_test_patients_have() -> None:
    own = reports.promised(["whole", "core"])
    own["outer_level"]["core"] = None
    text = render(regions=True, evaluated={**reports.evaluated(True), "guarantees": own})
    assert "- core: too few test patients have it for an outer mask\n" in text
