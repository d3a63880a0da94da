"""Whether time and memory grow no faster than the set: tables of up to 1,000,000 slices, without scans.

    python benchmarks/scale.py                            # 10,000, 100,000 and 1,000,000 slices; 15 minutes
    python benchmarks/scale.py --slices 10000 100000
    python benchmarks/scale.py --stages 6000 60000        # every stage on small scans; hours on two cores

Prints a Markdown table. A part is a process of its own: CPU seconds of each step, those of a slice as a
multiple of the smallest set's, and the part's peak memory (VmHWM), in which the libraries count. With
`--stages` peak memory is of all processes of a stage together, read every 50 ms: proportional, anonymous and
shared pages, without those of mapped files (shards, libraries), which the kernel may take back.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
Times = dict[str, float]


class Clock:
    """CPU seconds of named steps."""

    def __init__(self) -> None:
        self.seconds: Times = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[name] = time.process_time() - began


def manifest(slices: int, folder: Path, clock: Clock) -> None:
    """Tables written and read."""
    import scale_set

    from stages.core import tables

    table = scale_set.manifest(slices)
    with clock.step("write manifest.csv"):
        tables.write(table, folder / "manifest.csv")
    with clock.step("read it"):
        tables.read(tables.MANIFEST, folder / "manifest.csv")


def near(slices: int, _: Path, clock: Clock) -> None:
    """The search for near-duplicates."""
    import scale_set

    from stages.fingerprints import fingerprint

    pictures, owners = scale_set.pictures(slices), list(scale_set.patients(slices))
    with clock.step("near-duplicates"):
        pairs = fingerprint.near(pictures, owners, scale_set.BITS)
    if len(pairs) != slices // scale_set.COPIED:
        sys.exit(f"{len(pairs)} near-duplicates were found, not {slices // scale_set.COPIED}")


def checks(slices: int, folder: Path, clock: Clock) -> None:
    """What validate does after measuring, but the search."""
    import scale_set

    from stages.checks import corrections, expectations, findings, twins
    from stages.core import tables

    table = scale_set.manifest(slices)
    with clock.step("join measurements"):
        rows = findings.measured(table, scale_set.measurements(slices))
    with clock.step("identical"):
        same = twins.Same(twins.identical(rows), scale_set.copies(slices), twins.runs(rows))
    with clock.step("checks"):
        flagged = findings.of(rows, same)
    with clock.step("groups"):
        kept = ~rows["sample_id"].isin(flagged.loc[flagged["severity"] == "critical", "sample_id"])
        corrections.columns(rows, same, kept)
    with clock.step("write findings.csv"):
        tables.write(flagged, folder / "findings.csv")
    files = scale_set.files(rows)
    with clock.step("expectations, Data Docs"):
        expectations.check(rows.drop(columns=["placement", "planes"]), files, folder / "docs")


def split(slices: int, folder: Path, clock: Clock) -> None:
    """The stage."""
    import scale_set
    from staging import ROOT

    from stages import split as stage
    from stages.core import tables
    from stages.project.params import Split, load
    from stages.project.paths import Paths

    paths, table = Paths(folder), scale_set.manifest(slices)
    table = table.assign(group=table["patient_id"])
    tables.write(table, paths.validated)
    tables.write(table.assign(label_pixels=scale_set.pixels(slices)), paths.index)
    with clock.step("split"):
        stage.run(load(Split, ROOT / "params.yaml"), paths)


def scoring(slices: int, folder: Path, clock: Clock) -> None:
    """A fifth of the cases scored, of few pixels: what grows with their number."""
    import pandas as pd
    import scale_set

    from stages.core import tables
    from stages.figures import curves
    from stages.masks.rule import Tta
    from stages.scoring import cases, conventions, decision, suspects
    from stages.scoring.summary import headline

    number = slices // scale_set.EACH // 5
    with clock.step("choose"):
        by_tta: dict[Tta, scale_set.Cases] = {"none": scale_set.Cases(number)}
        chosen = decision.choose(by_tta, ["tumour"], "auto", "auto")
    rows, parts, doubtful = [], [], []
    with clock.step("score"):
        for case in scale_set.Cases(number):
            mask = chosen.mask(case.levels[:, 0], "tumour", case.voxel_ml)
            ids = [f"{case.case_id}_{place}" for place in range(len(mask))]
            site = scale_set.SITES[int(case.case_id[-1]) % len(scale_set.SITES)]
            rows.append(cases.score(case, 0, "tumour", mask, 2.0) | {"contrast": 1.0, "site": site})
            parts.append(conventions.slices(case, 0, "tumour", mask))
            doubtful.append(suspects.of_case(case, 0, "tumour", "test", ids))
        per_case = pd.DataFrame(rows).sort_values(["dice", "case_id"], kind="stable", ignore_index=True)
        per_slice = pd.concat(parts, ignore_index=True)
    with clock.step("conventions, suspects"):
        conventions.card(per_slice)
        suspects.ranked(doubtful)
    with clock.step("means, intervals"):
        headline(per_case, ["tumour"], 2000)
    with clock.step("figures"):
        curves.failures(per_case, folder / "failures.png")
        curves.volumes(per_case, folder / "volumes.png")
    tables.write(per_case, folder / "per_case.csv")


def report(slices: int, folder: Path, clock: Clock) -> None:
    """The page, of as many findings and test cases."""
    import scale_set

    from stages.reporting import page

    paths = scale_set.reports(slices, folder)
    with clock.step("report"):
        html = page.render(paths, "# Model\n", page.Lineage({}, {}), "tumour")
    clock.seconds["MiB of the page"] = len(html.encode()) / 2**20


PARTS = (manifest, near, checks, split, scoring, report)


def alone(part: str, slices: int) -> None:
    """Run a part in this process, and print its numbers as JSON."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as temporary:
        next(one for one in PARTS if one.__name__ == part)(slices, Path(temporary), clock)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    print(json.dumps(clock.seconds | {"peak": int(peak.split()[1]) / 1024}))


def measured(part: str, slices: int) -> Times:
    """The numbers of a part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--slices", str(slices)]
    root = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": root}, check=False
    )
    if done.returncode:
        sys.exit(f"{part} of {slices} slices failed with status {done.returncode}")
    numbers: Times = json.loads(done.stdout.splitlines()[-1])
    return numbers


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--slices", type=int, nargs="+", default=SIZES)
    parser.add_argument(
        "--part", choices=[part.__name__ for part in PARTS], help="only this, in this process"
    )
    parser.add_argument("--parts", nargs="+", default=[part.__name__ for part in PARTS])
    parser.add_argument("--stages", type=int, nargs=2, metavar=("FEW", "MANY"), help="slices of both sets")
    args = parser.parse_args()
    if args.part:
        return alone(args.part, args.slices[0])
    if args.stages:
        import scale_stages

        return scale_stages.compare(*args.stages)
    print("| part | step | slices | CPU s | s a slice, times | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for part in args.parts:
        first: Times = {}
        for slices in sorted(args.slices):
            numbers = measured(part, slices)
            peak = numbers.pop("peak")
            for step, seconds in numbers.items():
                first.setdefault(step, max(seconds, 1e-3) / slices)
                slower = seconds / slices / first[step]
                print(
                    f"| {part} | {step} | {slices:,} | {seconds:.2f} | {slower:.2f} | {peak:.0f} |",
                    flush=True,
                )
    return None


if __name__ == "__main__":
    main()
