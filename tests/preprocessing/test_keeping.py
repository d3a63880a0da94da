"""Cases prepared again only where something changed, with the same bytes as from nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.core import kept, tables
from stages.preprocessing import case, keeping
from stages.preprocessing.case import Prepared
from stages.sources import brats, lgg
from tests.fixtures import scans, volumes


def same(left: Prepared, right: Prepared) -> bool:
    return (
        np.array_equal(left.images, right.images)
        and np.array_equal(left.masks, right.masks)
        and left.summary == right.summary
    )


@pytest.mark.parametrize("layout", ["lgg", "brats"])
def test_what_was_kept_is_what_was_prepared(tmp_path: Path, layout: str) -> None:
    source = lgg if layout == "lgg" else brats
    scans.write_lgg(tmp_path, patients=2, slices=5) if layout == "lgg" else volumes.write_brats(tmp_path)
    table = tables.from_records(source.find(tmp_path).records)
    preparation = case.preparation(table, "all", 32, "brain")
    results = keeping.results(tmp_path / "kept", preparation, len(table))
    for rows in case.rows(table):
        from_nothing = case.prepare(tmp_path, preparation, rows)
        assert same(keeping.prepare(tmp_path, preparation, rows, results), from_nothing)
        with pytest.MonkeyPatch.context() as patch:
            patch.delattr(case, "prepare")  # so that nothing can be prepared
            assert same(keeping.prepare(tmp_path, preparation, rows, results), from_nothing)


def test_a_file_a_row_or_the_preparation_that_changed(tmp_path: Path) -> None:
    scans.write_lgg(tmp_path, patients=2, slices=5)
    table = tables.from_records(lgg.find(tmp_path).records)
    preparation = case.preparation(table, "all", 32, "brain")
    rows, others = case.rows(table)

    def prepare(own: case.Preparation = preparation, own_rows: list[case.Row] = rows) -> Prepared:
        results = keeping.results(tmp_path / "kept", own, len(table))
        done = keeping.prepare(tmp_path, own, own_rows, results)
        assert same(done, case.prepare(tmp_path, own, own_rows))
        return done

    first = prepare()
    assert not same(prepare(replace(preparation, crop="none")), first)
    assert prepare(replace(preparation, size=64)).images.shape[1] == 64
    assert not same(prepare(own_rows=rows[::-1]), first)
    spaced = [{**row, "spacing_mm": "5;1;2"} for row in rows]
    assert prepare(own_rows=spaced).summary.meta.spacing_known
    (tmp_path / rows[0]["image"]).write_bytes((tmp_path / others[0]["image"]).read_bytes())
    assert not same(prepare(), first)


def test_what_would_not_fit_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"label_set": ["tumour"], "modalities": ["flair"], "source": ["lgg"]})
    preparation = case.preparation(table, "all", 32, "brain")
    slices = 64  # of an image and a label map of 32 x 32 bytes: 128 KiB
    for kib, keeps in ((128, True), (127, False), (0, False)):
        monkeypatch.setenv(kept.LIMIT, repr(kib / 2**20))
        assert (keeping.results(tmp_path, preparation, slices) is not None) == keeps
