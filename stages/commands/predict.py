"""Segment new scans with an exported model: masks in the scans' own geometry, pictures and a summary.

brainseg predict scan.png --model models/export --out predicted        # about a second
brainseg predict /path/to/cases --model model.onnx --out predicted     # a folder of many scans
brainseg predict scan.png --model git@host:team/brainseg@v1.0.0 --out predicted       # a registered version
"""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from stages.core import errors
from stages.core.errors import UserError
from stages.inference import onnx_predictor
from stages.inference.onnx_predictor import Exported
from stages.predicting import discovery, overlay, reading, segmenting, summary, writing
from stages.predicting.discovery import Scan
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
        list[Path],
        typer.Argument(
            help="PNG, JPEG, TIFF or NIfTI files, folders of a DICOM series, of an LGG or a BraTS case, or "
            "of many of these.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for masks, pictures and summary.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="An .onnx file, the folder of an export, or a version: <repository>@v1.0.0.")
    ] = str(HERE.export),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write into a folder with files.")] = False,
) -> None:
    """Segment new scans."""
    opened = onnx_predictor.open_model(versions.locate(model))
    listed = discovery.find(scans)
    writing.prepare(out, overwrite)
    failed: list[dict[str, str]] = []
    doubtful, remarks = 0, []
    with summary.written(out, opened.spec, failed) as table:
        for scan in progress(listed):
            try:
                row = segment(scan, opened, out)
            except (UserError, MemoryError) as error:
                why = str(error) if isinstance(error, UserError) else "it does not fit into memory"
                failed.append({"scan": str(scan.path), "error": why})
            else:
                table.add(row)
                doubtful += row["low_confidence"]
                remarks += [f"{scan.path}: {row['remarks']}"] if row["remarks"] else []
    print(f"{len(listed) - len(failed)} of {len(listed)} scans segmented, {doubtful} to look at first: {out}")
    for remark in remarks[:REMARKS]:
        print(f"note: {remark}", file=sys.stderr)
    if len(remarks) > REMARKS:
        print(f"note: summary.csv has remarks on {len(remarks) - REMARKS} more", file=sys.stderr)
    for entry in failed:
        print(f"error: {entry['scan']}: {entry['error']}", file=sys.stderr)
    if failed:
        raise typer.Exit(SOME_FAILED)


def segment(scan: Scan, model: Exported, out: Path) -> dict[str, Any]:
    """Segment one scan and write what belongs to it; its row of the summary. Raises `UserError`."""
    volume = reading.read(scan, model.spec.input)
    segmented = segmenting.segment(volume.voxels, volume.spacing, model)
    with writing.together(out) as folder:
        files, remarks = writing.write(segmented.labels, scan, volume, model.spec, folder)
        files.append(f"{scan.name}_overlay.png")
        overlay.write(volume.voxels, segmented.labels, model.spec.input, folder / files[-1])
    volume = replace(volume, remarks=(*volume.remarks, *remarks))
    return summary.row(scan, segmented, volume, model.spec, files)


def progress(scans: list[Scan]) -> Iterable[Scan]:
    """The scans, with a bar where somebody watches."""
    if not sys.stdout.isatty():
        return scans
    from rich.progress import track

    return track(scans, "predict")


if __name__ == "__main__":
    errors.run(app)
