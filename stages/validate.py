"""Measure every slice, hold the data to a Great Expectations suite, and leave out or refuse what cannot be
used.

python -m stages.validate        # what `dvc repro validate` runs; about 6 s for the sample
"""

import sys
from functools import partial
from importlib import import_module
from typing import Any

import typer

from stages.checks import corrections, findings, judging, statistics
from stages.core import atomic, errors, tables
from stages.core.errors import UserError
from stages.figures import examples
from stages.fingerprints import seen
from stages.project.params import Validate, load
from stages.project.paths import Paths

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main() -> None:
    """Find what is wrong with the data."""
    run(load(Validate), Paths())


def run(params: Validate, paths: Paths) -> dict[str, Any]:
    """Write data/validated.csv and reports/validate/; returns the metrics."""
    table = tables.read(tables.MANIFEST, paths.manifest)
    # Great Expectations takes seconds to import, most of this where no scan has changed: the workers measure
    # meanwhile. They were forked before, so that none inherits an import under way.
    meanwhile = partial(import_module, "stages.checks.expectations")
    judged = judging.judge(
        paths.raw, table, paths.kept / "measured", params.near_duplicate_bits, meanwhile=meanwhile
    )
    rows, flagged, kept = judged.rows, judged.findings, judged.kept
    findings.refuse(flagged, len(table), params.on_error, params.max_quarantined)
    if not kept.any():
        raise UserError("no slice shows anything; check ingest.source and ingest.location")

    from stages.checks import expectations

    with atomic.directory(paths.data_docs) as docs:
        files = statistics.scans(paths.raw, rows)
        expected, failed = expectations.check(rows.drop(columns=["placement", "planes"]), files, docs)
    with atomic.directory(paths.examples) as folder:
        examples.write(flagged, rows, paths.raw, folder)
    good = table.assign(**corrections.columns(rows, judged.same, kept))[kept]
    joined = good[tables.joined(good)]
    tables.write(good, paths.validated)
    seen.write(seen.packed(rows.loc[kept, "picture"]), paths.fingerprints)
    tables.write(flagged, paths.findings)
    levels, checks = flagged["severity"], flagged["check"].value_counts().sort_index()
    metrics = {
        "slices": len(good),
        "patients": good["patient_id"].nunique(),
        "cases": good["case_id"].nunique(),
        "tumour_slices": int((rows.loc[kept, "mask_pixels"] > 0).sum()),
        "quarantined": int(judged.bad.sum()),
        "without_brain": int(judged.empty.sum()),
        "findings": {level: int((levels == level).sum()) for level in ("critical", "warning", "info")},
        "checks": {name: int(count) for name, count in checks.items()},
        "expectations": {"total": expected, "failed": len(failed)},
    }
    if len(joined):
        metrics["corrections"] = {"cases": joined["case_id"].nunique(), "slices": len(joined)}
    atomic.metrics(metrics, paths.validate_metrics)
    for sentence in failed:
        print(f"warning: {sentence}", file=sys.stderr)
    return metrics


if __name__ == "__main__":
    errors.run(app)
