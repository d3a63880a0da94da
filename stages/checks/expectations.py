"""The Great Expectations suite over manifest and measured pixels, and its Data Docs as a static, offline
site.
"""

import datetime
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.core.run_identifier import RunIdentifier

from stages.core import manifest
from stages.sources.cards import CARDS, Card

_EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
"""Run time written into the docs: an artefact holds no clock reading, or equal data would give unequal files.
"""

_STYLE = """<style>
body{font:15px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0}
td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}
.badge{border:1px solid #999;border-radius:.5rem;padding:0 .4rem;margin-right:.2rem}ul{padding-left:1.2rem}
.card:has(input[type=radio]){display:none}
@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}}
</style>"""


def suite(card: Card) -> gx.ExpectationSuite:
    """What must hold of every slice, and, as warnings, what holds of the published set of `card`."""
    empty = {"value_set": [""]}
    published: dict[str, Any] = {"severity": "warning", "notes": f"The published set ({card.about}) is so."}
    every = [
        gxe.ExpectTableColumnsToMatchSet(
            column_set=manifest.COLUMNS, exact_match=False, notes="All columns of the manifest are there."
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
            column="head", min_value=0.01, mostly=0.8, notes="Most slices show a head."
        ),
    ]
    every += [
        gxe.ExpectColumnValuesToBeInSet(column=side, value_set=list(card.sides), mostly=0.99, **published)
        for side in ("width", "height")
    ]
    every.append(gxe.ExpectColumnValuesToBeInSet(column="channels", value_set=[card.channels], **published))
    if card.top is not None:
        every.append(gxe.ExpectColumnValuesToBeBetween(column="lowest", min_value=0, **published))
        every.append(gxe.ExpectColumnValuesToBeBetween(column="highest", max_value=card.top, **published))
    if card.slices is not None:
        every.append(gxe.ExpectTableRowCountToEqual(value=card.slices, **published))
    if card.patients is not None:
        every.append(
            gxe.ExpectColumnUniqueValueCountToBeBetween(
                column="patient_id", min_value=card.patients, max_value=card.patients, **published
            )
        )
    return gx.ExpectationSuite(name="slices", expectations=every)


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
    those on the published set may fail without one, a finding tells of it.
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
    card = CARDS[str(rows["source"].iloc[0])]
    results = [
        *_run(context, source, suite(card), rows, ["sample_id", "image", "mask"]),
        *_run(context, source, files_suite(), files, ["file"]),
    ]
    context.build_data_docs()
    _settle(docs)
    broken = [one for one in results if not one.success]
    failed = [_sentence(one) for one in broken if one.expectation_config.severity != "warning"]
    unlike = [_sentence(one) for one in broken if one.expectation_config.severity == "warning"]
    index = _index(docs, len(results), failed, unlike)
    (docs / "index.html").write_text(index, encoding="utf-8", newline="\n")
    return len(results), failed


def _run(
    context: Any, source: Any, wanted: gx.ExpectationSuite, table: pd.DataFrame, names: list[str]
) -> list[gx.core.ExpectationValidationResult]:
    """Validate a table; rows that fail are listed in the docs by the columns `names`."""
    batch = source.add_dataframe_asset(wanted.name).add_batch_definition_whole_dataframe("all")
    definition = gx.ValidationDefinition(name=wanted.name, data=batch, suite=context.suites.add(wanted))
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": table},
        result_format={
            "result_format": "COMPLETE",  # else no row is named
            "unexpected_index_column_names": names,
            "return_unexpected_index_query": False,
        },
        run_id=RunIdentifier(run_name="validate", run_time=_EPOCH),
    )
    return list(result.results)


def _sentence(result: gx.core.ExpectationValidationResult) -> str:
    config = result.expectation_config
    assert config is not None
    about = config.kwargs.get("column", "the table")
    found = result.result.get("observed_value")
    seen = f" (found {found})" if isinstance(found, int | float) else ""
    return f"{config.type} of {about} does not hold{seen}: {config.notes or ''}".strip()


def _settle(docs: Path) -> None:
    """Make the site offline and a pure function of the data.

    As built, its pages load scripts, styles and a time-stamped logo from seven hosts and carry random element
    ids.
    """
    for page in sorted(docs.rglob("*.html")):
        html = page.read_text(encoding="utf-8")
        html = re.sub(r"<script[^>]*src\s*=\s*\"https?://[^>]*>\s*</script>", "", html)
        html = re.sub(r"<link[^>]*href\s*=\s*\"(?:https?://|[^\"]*\bstatic/)[^>]*>", "", html)
        html = re.sub(r"<img[^>]*src\s*=\s*\"https?://[^>]*>", "", html)
        html = re.sub(r"url\(['\"]?https?://[^)]*\)", "none", html)
        html = re.sub(r"\b\d{8}T\d{6}\.\d{6}Z\b", _EPOCH.strftime("%Y%m%dT%H%M%S.%fZ"), html)
        for number, name in enumerate(
            dict.fromkeys(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", html))
        ):
            html = html.replace(name, f"{number:08d}")
        # Newsletter and tutorials; _STYLE hides the filters that need the scripts.
        html = re.sub(r"<footer>.*?</footer>", "", html, flags=re.DOTALL)
        page.write_text(html.replace("</head>", _STYLE + "</head>", 1), encoding="utf-8", newline="\n")
    shutil.rmtree(docs / "static", ignore_errors=True)  # fonts and animations of pages that are not built


def _index(docs: Path, expected: int, failed: list[str], unlike: list[str]) -> str:
    """The site's first page. The one that Great Expectations builds lists its pages by a script from the
    network.
    """
    pages = "".join(
        f'<li><a href="{escape(path.relative_to(docs).as_posix())}">{title} ({name})</a></li>'
        for title, folder in (("Validation result", "validations"), ("Expectations", "expectations"))
        for name in ("slices", "files")
        for path in sorted((docs / folder).rglob(f"*{name}.html"))
    )
    other = f"<p>Unlike the published set:</p>{_bullets(unlike)}" if unlike else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data Docs</title>{_STYLE}</head>'
        f"<body><h1>Data Docs</h1><p>{'Failed' if failed else 'Succeeded'}: "
        f"{expected - len(failed) - len(unlike)} of {expected} expectations hold.</p>"
        f"{_bullets(failed)}{other}<h2>Pages</h2><ul>{pages}</ul></body></html>\n"
    )


def _bullets(sentences: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"
