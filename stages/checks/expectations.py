"""The Great Expectations suite over manifest and measured pixels; `site` has its Data Docs."""

from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.core.run_identifier import RunIdentifier

from stages.checks import site
from stages.checks.statistics import MIN_HEAD
from stages.core import tables
from stages.sources.source import Card
from stages.sources.sources import SOURCES


def suite(card: Card | None) -> gx.ExpectationSuite:
    """What must hold of every slice, and, as warnings, what holds of the published set of `card`, if any."""
    empty = {"value_set": [""]}
    expectations = [
        gxe.ExpectTableColumnsToMatchSet(
            column_set=tables.MANIFEST.columns,
            exact_match=False,
            notes="All columns of the manifest are there.",
        ),
        gxe.ExpectTableRowCountToBeBetween(min_value=1, notes="A source without slices is no data set."),
        gxe.ExpectColumnValuesToBeUnique(column="sample_id", notes="Every slice is listed once."),
        gxe.ExpectColumnValuesToNotBeNull(column="patient_id", notes="Splits are made by patient."),
        gxe.ExpectColumnValuesToBeInSet(column="image_problem", **empty, notes="Every image can be read."),
        gxe.ExpectColumnValuesToBeInSet(
            column="mask_problem", **empty, notes="Every image has a readable mask."
        ),
        gxe.ExpectColumnValuesToBeInSet(column="finite", value_set=[True], notes="No NaN, no infinity."),
        gxe.ExpectColumnValuesToBeInSet(
            column="mask_matches", value_set=[True], notes="Mask and image agree in size."
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="label_problem", **empty, notes="A mask holds only labels that are known."
        ),
        gxe.ExpectColumnValuesToBeBetween(column="width", min_value=16, max_value=8192, notes="Pixels."),
        gxe.ExpectColumnValuesToBeBetween(column="height", min_value=16, max_value=8192, notes="Pixels."),
        gxe.ExpectColumnValuesToBeInSet(
            column="label_kind", value_set=["mask", "polygon", "box"], notes="No other labels can be read."
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="tumour_share",
            min_value=0,
            max_value=0.5,
            mostly=0.99,
            notes="No tumour fills half a picture.",
        ),
        gxe.ExpectColumnMeanToBeBetween(
            column="has_tumour",
            min_value=0.02,
            max_value=1,
            notes="Without tumour there is nothing to learn.",
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="head", min_value=MIN_HEAD, mostly=0.8, notes="Most slices show a head."
        ),
    ]
    if card is None:
        return gx.ExpectationSuite(name="slices", expectations=expectations)
    published: dict[str, Any] = {"severity": "warning", "notes": f"The published set ({card.about}) is so."}
    expectations += [
        gxe.ExpectColumnValuesToBeInSet(column=side, value_set=list(card.sides), mostly=0.99, **published)
        for side in ("width", "height")
    ]
    expectations.append(
        gxe.ExpectColumnValuesToBeInSet(column="channels", value_set=[card.channels], **published)
    )
    if card.top is not None:
        expectations.append(gxe.ExpectColumnValuesToBeBetween(column="lowest", min_value=0, **published))
        expectations.append(
            gxe.ExpectColumnValuesToBeBetween(column="highest", max_value=card.top, **published)
        )
    if card.slices is not None:
        expectations.append(gxe.ExpectTableRowCountToEqual(value=card.slices, **published))
    if card.patients is not None:
        expectations.append(
            gxe.ExpectColumnUniqueValueCountToBeBetween(
                column="patient_id", min_value=card.patients, max_value=card.patients, **published
            )
        )
    return gx.ExpectationSuite(name="slices", expectations=expectations)


def files_suite() -> gx.ExpectationSuite:
    """What must hold of the scans in data/raw."""
    return gx.ExpectationSuite(
        name="files",
        expectations=[
            gxe.ExpectColumnValuesToBeUnique(column="file", notes="Every scan is listed once."),
            gxe.ExpectColumnValuesToBeInSet(
                column="used", value_set=[True], notes="Every scan belongs to a slice of the manifest."
            ),
        ],
    )


def check(rows: pd.DataFrame, files: pd.DataFrame, docs: Path) -> tuple[int, list[str]]:
    """Validate and write the Data Docs to the folder `docs`.

    rows: manifest and measurements (`findings.measured`). files: columns `file`, a scan below data/raw, and
    `used`, whether a row names it. Returns the number of expectations and a sentence for each that failed;
    those on the published set may fail without one, the check `subset` is about it.
    """
    area = (rows["width"] * rows["height"]).clip(lower=1)
    rows = rows.assign(
        tumour_share=rows["mask_pixels"] / area, has_tumour=(rows["mask_pixels"] > 0).astype(float)
    )
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    context.delete_data_docs_site("local_site")
    context.add_data_docs_site(
        "slices",
        {
            "class_name": "SiteBuilder",
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(docs.resolve()),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
        },
    )
    source = context.data_sources.add_pandas("brainseg")
    # With corrections among them the slices are not the published ones; the check `subset` is about the rest.
    card = None if tables.joined(rows).any() else SOURCES[str(rows["source"].iloc[0])].card
    results = [
        *_run(context, source, suite(card), rows, ["sample_id", "image", "mask"]),
        *_run(context, source, files_suite(), files, ["file"]),
    ]
    context.build_data_docs()
    site.settle(docs)
    broken = [result for result in results if not result.success]
    failed = [_sentence(result) for result in broken if result.expectation_config.severity != "warning"]
    unlike = [_sentence(result) for result in broken if result.expectation_config.severity == "warning"]
    site.write_index(docs, len(results), failed, unlike)
    return len(results), failed


def _run(
    context: Any, source: Any, suite: gx.ExpectationSuite, table: pd.DataFrame, names: list[str]
) -> list[gx.core.ExpectationValidationResult]:
    """Validate a table; rows that fail are listed in the docs by the columns `names`."""
    batch = source.add_dataframe_asset(suite.name).add_batch_definition_whole_dataframe("all")
    definition = gx.ValidationDefinition(name=suite.name, data=batch, suite=context.suites.add(suite))
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": table},
        result_format={
            "result_format": "COMPLETE",  # else no row is named
            "unexpected_index_column_names": names,
            "return_unexpected_index_query": False,
        },
        run_id=RunIdentifier(run_name="validate", run_time=site.EPOCH),
    )
    return list(result.results)


def _sentence(result: gx.core.ExpectationValidationResult) -> str:
    config = result.expectation_config
    assert config is not None
    about = config.kwargs.get("column", "the table")
    value = result.result.get("observed_value")
    seen = f" (found {value})" if isinstance(value, int | float) else ""
    return f"{config.type} of {about} does not hold{seen}: {config.notes or ''}".strip()
