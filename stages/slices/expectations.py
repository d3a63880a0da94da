"""The Great Expectations suite over manifest and measured pixels, and its Data Docs as a static, offline
site.
"""

import datetime
import re
import shutil
from html import escape
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.core.run_identifier import RunIdentifier

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


def suite(channels: int) -> gx.ExpectationSuite:
    """What must hold of every slice of a set whose images have `channels` channels."""
    empty = {"value_set": [""]}
    return gx.ExpectationSuite(
        name="slices",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=1, notes="A source without slices is no data set."),
            gxe.ExpectColumnValuesToBeUnique(column="sample_id", notes="Every slice is listed once."),
            gxe.ExpectColumnValuesToNotBeNull(column="patient_id", notes="Splits are made by patient."),
            gxe.ExpectColumnValuesToBeInSet(
                column="image_problem", **empty, notes="Every image can be read."
            ),
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
                column="channels", value_set=[channels], notes="All images alike."
            ),
            gxe.ExpectColumnValuesToBeInSet(column="label_kind", value_set=["mask", "polygon", "box"]),
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
        ],
    )


def check(table: pd.DataFrame, measured: pd.DataFrame, docs: Path) -> tuple[int, list[str]]:
    """Validate and write the Data Docs to the folder `docs`.

    Returns the number of expectations and a sentence for each that failed.
    """
    columns = ["sample_id", "case_id", "patient_id", "label_kind"]
    rows = table[columns].merge(measured, on="sample_id", validate="one_to_one")
    area = (rows["width"] * rows["height"]).clip(lower=1)
    rows = rows.assign(
        tumour_share=rows["mask_pixels"] / area, has_tumour=(rows["mask_pixels"] > 0).astype(float)
    )
    usual = int(rows["channels"].mode()[0]) if len(rows) else 1
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
    batch = (
        context.data_sources.add_pandas("brainseg")
        .add_dataframe_asset("slices")
        .add_batch_definition_whole_dataframe("all")
    )
    wanted = context.suites.add(suite(usual))
    definition = gx.ValidationDefinition(name="slices", data=batch, suite=wanted)
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": rows},
        result_format={"result_format": "SUMMARY", "unexpected_index_column_names": ["sample_id"]},
        run_id=RunIdentifier(run_name="validate", run_time=_EPOCH),
    )
    context.build_data_docs()
    _settle(docs)
    failed = [_sentence(one) for one in result.results if not one.success]
    (docs / "index.html").write_text(
        _index(docs, len(result.results), failed), encoding="utf-8", newline="\n"
    )
    return len(result.results), failed


def _sentence(result: gx.core.ExpectationValidationResult) -> str:
    config = result.expectation_config
    assert config is not None
    about = config.kwargs.get("column", "the table")
    return f"{config.type} of {about} does not hold: {config.notes or ''}".strip()


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


def _index(docs: Path, expected: int, failed: list[str]) -> str:
    """The site's first page. The one that Great Expectations builds lists its pages by a script from the
    network.
    """
    results = "".join(f"<li>{escape(sentence)}</li>" for sentence in failed)
    pages = "".join(
        f'<li><a href="{escape(path.relative_to(docs).as_posix())}">{title}</a></li>'
        for title, folder in (("Validation result", "validations"), ("Expectations", "expectations"))
        for path in sorted((docs / folder).rglob("*.html"))
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Data Docs</title>{_STYLE}</head>'
        f"<body><h1>Data Docs</h1><p>{'Failed' if failed else 'Succeeded'}: {expected - len(failed)} of "
        f"{expected} expectations hold.</p><ul>{results}</ul><h2>Pages</h2><ul>{pages}</ul></body></html>\n"
    )
