"""Slices measured again only where something changed, with the same numbers as from nothing."""

import threading
from pathlib import Path

import pandas as pd
import pytest

from stages.checks import measuring, statistics
from stages.core import kept, tables
from stages.sources import brats, lgg
from tests.fixtures import scans, volumes


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cases whose pixels are measured from here on, by the patient of their first row."""
    cases: list[str] = []
    measure = statistics.measure

    def counting(raw: Path, rows: list[dict[str, object]]) -> pd.DataFrame:
        cases.append(str(rows[0]["sample_id"]).rsplit("_", 1)[0])
        return measure(raw, rows)

    monkeypatch.setattr(statistics, "measure", counting)
    return cases


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work in this process, where it can be counted."""
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(measuring.workers, "pool", lambda: ThreadPoolExecutor(1))


@pytest.mark.parametrize("layout", ["lgg", "brats"])
def test_kept_numbers_are_those_from_nothing(tmp_path: Path, layout: str) -> None:
    raw, folder = tmp_path / "raw", tmp_path / "kept"
    if layout == "lgg":
        scans.write_lgg(raw, patients=3, slices=5)
        records = lgg.find(raw).records
        (raw / records[2].image).write_bytes(b"no picture")
        (raw / records[7].mask).unlink()
    else:
        volumes.write_brats(raw)
        records = brats.find(raw).records
    table = tables.from_records(records).sample(frac=1, random_state=0)
    from_nothing = statistics.measure(raw, table.to_dict("records")).set_axis(table.index)
    for _ in range(2):
        again = measuring.measure(raw, table, folder)
        pd.testing.assert_frame_equal(again, from_nothing.sort_index(), check_exact=True)
    assert any(folder.glob("*/*"))


def test_only_the_case_that_changed_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, folder = tmp_path / "raw", tmp_path / "kept"
    scans.write_lgg(raw, patients=3, slices=4)
    table = tables.from_records(lgg.find(raw).records)
    names = sorted(table["case_id"].unique())
    cases = counted(monkeypatch)
    measuring.measure(raw, table, folder)
    assert sorted(cases) == names
    cases.clear()
    measuring.measure(raw, table, folder)
    assert cases == []
    first = table[table["case_id"] == names[1]].iloc[0]
    (raw / first["image"]).write_bytes((raw / table["image"].iloc[0]).read_bytes())
    changed = measuring.measure(raw, table, folder)
    assert cases == [names[1]]
    assert changed.loc[changed["sample_id"] == first["sample_id"], "content"].item() == changed["content"][0]
    cases.clear()
    (raw / first["mask"]).unlink()
    changed = measuring.measure(raw, table, folder)
    assert cases == [names[1]]
    assert (changed["mask_problem"] != "").sum() == 1
    cases.clear()
    other = table.assign(label_set=table["label_set"].where(table["case_id"] != names[2], "brats"))
    measuring.measure(raw, other, folder)
    assert cases == [names[2]]


def test_nothing_is_kept_where_nothing_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans.write_lgg(tmp_path / "raw", patients=1, slices=3)
    table = tables.from_records(lgg.find(tmp_path / "raw").records)
    monkeypatch.setenv(kept.LIMIT, "0")
    measuring.measure(tmp_path / "raw", table, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_what_is_done_meanwhile_waits_for_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is held up until it is done."""
    scans.write_lgg(tmp_path / "raw", patients=1, slices=3)
    table = tables.from_records(lgg.find(tmp_path / "raw").records)
    begun, done, measure = threading.Event(), threading.Event(), statistics.measure

    def held_up(raw: Path, rows: list[dict[str, object]]) -> pd.DataFrame:
        begun.set()
        assert done.wait(60)
        return measure(raw, rows)

    def meanwhile() -> None:
        assert begun.wait(60)
        done.set()

    monkeypatch.setattr(statistics, "measure", held_up)
    assert len(measuring.measure(tmp_path / "raw", table, tmp_path / "kept", meanwhile)) == 3
