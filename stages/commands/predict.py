"""Segment new scans with an exported model: masks in the scans' own geometry, pictures and a summary.

brainseg predict scan.png --model models/export --out predicted        # about a second
brainseg predict /path/to/cases --model model.onnx --out predicted     # a folder of many scans
brainseg predict scan.png --model git@host:team/brainseg@v1.0.0 --out predicted       # a registered version
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from stages.core import errors
from stages.core.errors import UserError
from stages.inference import onnx_predictor
from stages.masks import guarantee
from stages.predicting import channels, places, segmenting, sharing, summary, writing
from stages.predicting.scan import legible
from stages.predicting.segmenting import Terms
from stages.predicting.sharing import Result
from stages.project.paths import HERE
from stages.registry import versions

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
SOME_FAILED = 3
"""Exit status where some scans could not be segmented and the others were."""
REMARKS = 10
"""Lines in the terminal."""


@app.command()
def main(
    scans: Annotated[
        list[str],
        typer.Argument(
            help="PNG, JPEG, TIFF, NIfTI or DICOM files, folders of a DICOM series, an LGG or a BraTS case, "
            "or of many of these, in which masks and earlier results are left out; also at s3://, gs://, "
            "https:// and sftp://.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for masks, pictures and summary.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="An .onnx file, the folder of an export, or a version: <repository>@v1.0.0.")
    ] = str(HERE.export),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder with files.")] = False,
    coverage: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of patients for whom what the model promises is to hold."),
    ] = guarantee.COVERAGE,
    outer: Annotated[
        bool, typer.Option("--outer", help="Write outer masks too, which hold 90 % of each region.")
    ] = False,
) -> None:
    """Segment new scans."""
    located = versions.locate(model)
    opened = onnx_predictor.open_model(located)
    terms = Terms(coverage, outer)
    if (lacking := segmenting.lacking(opened.spec, terms)) and outer:
        raise UserError(f"no outer masks: {lacking}; leave --outer away, or ask for less with --coverage")
    listed = places.find(scans, channels.sequences(opened.spec.input))
    writing.prepare(out, overwrite)
    for note in filter(None, (opened.predictor.remark, lacking, *listed.notes())):
        print(legible(f"note: {note}"), file=sys.stderr)
    failed = [{"scan": legible(str(path)), "error": legible(why)} for path, why in listed.failed]
    left_out = [{"path": legible(str(path)), "why": f"it {why}"} for path, (why, _) in listed.left_out]
    segmented = doubtful = unlike = 0
    remarks: dict[str, list[str]] = defaultdict(list)
    with summary.written(out, opened.spec, failed, left_out, coverage) as table:
        answers = sharing.results(listed.scans, opened, located, out, terms)
        for scan, result in zip(listed.scans, progress(answers, len(listed.scans)), strict=True):
            if isinstance(result, str):
                failed.append({"scan": str(scan), "error": legible(result)})
                continue
            table.add(result)
            segmented += 1
            doubtful += result["low_confidence"]
            unlike += bool(result["far_out"])
            remarks[result["remarks"]].append(str(scan))
    total = segmented + len(failed)
    strange = f", {unlike} unlike the scans of training" if unlike else ""
    print(legible(f"{segmented} of {total} scans segmented, {doubtful} to look at first{strange}: {out}"))
    remarks.pop("", None)
    for remark, named in list(remarks.items())[:REMARKS]:
        others = f" and {len(named) - 1} more" if len(named) > 1 else ""
        print(legible(f"note: {named[0]}{others}: {remark}"), file=sys.stderr)
    if len(remarks) > REMARKS:
        print(legible(f"note: summary.csv has {len(remarks) - REMARKS} more remarks"), file=sys.stderr)
    for entry in failed:
        print(legible(f"error: {entry['scan']}: {entry['error']}"), file=sys.stderr)
    if failed:
        raise typer.Exit(SOME_FAILED)


def progress(results: Iterable[Result], number: int) -> Iterable[Result]:
    """What comes of the scans, with a bar where somebody watches."""
    if not sys.stdout.isatty():
        return results
    from rich.progress import track

    return track(results, "predict", number)


if __name__ == "__main__":
    errors.run(app)
