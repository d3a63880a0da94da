"""Whatever corrections join a set, it is divided as without them, and none trains that may leak."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import split
from stages.core import record, tables
from stages.core.record import Record
from stages.project.params import Split, read
from stages.project.paths import Paths
from stages.splits import grouping
from tests.fixtures.divisible import row, simple
from tests.pipeline.import_graph import ROOT

SHIPPED = read(ROOT / "params.yaml").split
STRATEGIES: dict[str, dict[str, Any]] = {
    "patient": {},
    "folds": {"folds": 4, "fold": 1},
    "slice": {"strategy": "slice"},
    "source": {"strategy": "source"},
    "site": {"strategy": "site", "folds": 3, "fold": 2},
}
PARTS = ["train", "train", "val", "test"]


def as_records(rows: list[dict[Any, Any]]) -> pd.DataFrame:
    """Rows of `divisible` as the store's index has them."""
    whole = dict.fromkeys(tables.MANIFEST.columns, "") | asdict(Record("", "", "", 0, "", "", 9, 9, 1, ""))
    return pd.DataFrame([whole | {"slice": number} | each for number, each in enumerate(rows)])


@st.composite
def sets(draw: st.DrawFn) -> pd.DataFrame:
    """16 patients of three sites, some joined to groups, and corrections behind them that are tied to any
    groups and replace slices of these.
    """
    order = draw(st.permutations(range(16)))
    rows: list[dict[Any, Any]] = []
    for n in order:
        partner = n // 2 * 2 if draw(st.booleans()) else n
        for k in range(2):
            about = row(f"p{n:02d}", k, 10 * n + k, f"p{partner:02d}", "ABC"[partner % 3])
            rows.append(about | {"source_split": PARTS[n % 4], "ties": "", "replaces": ""})
    own = list(rows)
    for number in range(draw(st.integers(1, 5))):
        some = sorted(set(draw(st.lists(st.sampled_from([one["group"] for one in own]), max_size=3))))
        copied = [one["sample_id"] for one in own if one["group"] in some and draw(st.booleans())]
        patient = draw(st.sampled_from([one["patient_id"] for one in own if one["group"] in some] or [""]))
        for k in range(draw(st.integers(1, 3))):
            about = row(f"correction-{number}", k, 1000, some[0] if some else f"correction-{number}")
            about |= {"source": "corrections", "ties": record.reference(*some)} if some else {"ties": ""}
            about |= {"source": "corrections", "patient_id": patient or about["patient_id"]}
            rows.append(about | {"replaces": record.reference(*copied[k::3]), "patient_known": False})
    return as_records(rows)


def divided(index: pd.DataFrame, folder: Path, chosen: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows of splits.csv as they were written, and the metrics."""
    paths = Paths(folder)
    tables.write(index, paths.index)
    tables.write(index.drop(columns="label_pixels"), paths.validated)
    metrics = split.run(SHIPPED.model_copy(update=chosen), paths)
    return tables.read(tables.SPLITS, paths.splits), metrics


@pytest.mark.usefixtures("undrawn")
@settings(max_examples=12)
@given(index=sets(), strategy=st.sampled_from(list(STRATEGIES)), seed=st.integers(0, 99))
def test_the_set_is_divided_as_without_corrections_and_none_leaks(
    index: pd.DataFrame, strategy: str, seed: int
) -> None:
    chosen = STRATEGIES[strategy] | {"seed": seed}
    own = index[index["source"] != "corrections"].drop(columns=["ties", "replaces"])
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        before, proof = divided(own, Path(one), chosen)
        after, metrics = divided(index, Path(other), chosen)
    assert "corrections" not in proof
    of_set = after[~after["sample_id"].str.startswith("correction-")]
    training = after[after["sample_id"].str.startswith("correction-")]
    kept = before[before["sample_id"].isin(of_set["sample_id"])]
    pd.testing.assert_frame_equal(of_set.reset_index(drop=True), kept.reset_index(drop=True))
    gone = before[~before["sample_id"].isin(of_set["sample_id"])]
    assert set(gone["split"]) <= {"train"}
    assert set(training["split"]) <= {"train"}

    by_id = index.set_index("sample_id")
    trusted = set(training["sample_id"])
    tested = set(before.loc[before["split"] != "train", "group"])
    replaced: set[str] = set()
    for sample_id, about in by_id[by_id["source"] == "corrections"].iterrows():
        ties = set(record.names(about["ties"])) - {""}
        assert (sample_id in trusted) == (not ties & tested and bool(ties or strategy != "site"))
        if sample_id in trusted:
            replaced |= set(record.names(about["replaces"])) - {""}
            assert about["patient_id"] not in set(before.loc[before["split"] != "train", "patient_id"])
    assert set(gone["sample_id"]) == replaced

    for part in ("val", "test"):
        assert metrics[part] == proof[part]
    for key in ("leaky", "leaking_test_slices", "patients_known", "overlap", "strategy"):
        assert metrics[key] == proof[key], key
    of_all = by_id[by_id["source"] == "corrections"]
    missing = of_all[~of_all.index.isin(list(trusted))]
    assert metrics["corrections"] == {
        "train": {"cases": training["case_id"].nunique(), "slices": len(training)},
        "left_out": {"cases": missing["case_id"].nunique(), "slices": len(missing)},
        "replaced": len(gone),
    }


def test_the_proof_sees_all_that_a_correction_is_tied_to() -> None:
    """Not only the group under whose name it stands."""
    table = simple(8).assign(ties="", replaces="")
    splits = grouping.assign(table, "patient", (0.6, 0.2, 0.2), 0)
    at = {part: splits.loc[splits["split"] == part, "group"].iloc[0] for part in ("train", "test")}
    stray = row("correction-0", 0, 5, at["train"]) | {"source": "corrections", "replaces": ""}
    stray |= {"ties": record.reference(at["train"], at["test"])}
    table = pd.concat([table, pd.DataFrame([stray])], ignore_index=True)
    own = {name: stray[name] for name in ("sample_id", "case_id", "patient_id", "group")}
    splits = pd.concat([splits, pd.DataFrame([own | {"split": "train"}])], ignore_index=True)
    proof = grouping.proof(splits, table, "source")
    assert proof["leaky"]
    assert proof["overlap"]["train_test"] == {"patients": 0, "groups": 1}


def test_of_two_corrections_of_a_slice_the_later_trains(tmp_path: Path) -> None:
    rows = [each | {"ties": "", "replaces": ""} for each in simple(12).to_dict("records")]
    plain = as_records(rows)
    first = grouping.assign(plain, "patient", (0.6, 0.2, 0.2), 0).query("split == 'train'").iloc[0]
    for name, replaces in (
        ("early", [first["sample_id"]]),
        ("late", [first["sample_id"], "correction-early_0"]),
    ):
        about = row(f"correction-{name}", 0, 5, first["group"]) | {"source": "corrections"}
        rows.append(about | {"ties": first["group"], "replaces": record.reference(*replaces)})
    splits, metrics = divided(as_records(rows), tmp_path, {})
    assert list(splits["sample_id"])[-1] == "correction-late_0"
    assert not {"correction-early_0", first["sample_id"]} & set(splits["sample_id"])
    assert metrics["corrections"] == {
        "train": {"cases": 1, "slices": 1},
        "left_out": {"cases": 0, "slices": 0},
        "replaced": 1,
    }


def test_a_set_of_corrections_alone_is_divided_as_any_other(tmp_path: Path) -> None:
    index = as_records(simple(12).assign(source="corrections").to_dict("records"))
    splits, metrics = divided(index, tmp_path, {})
    assert "corrections" not in metrics
    assert set(splits["split"]) == {"train", "val", "test"}
    assert len(splits) == len(index)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_is_a_valid_section(strategy: str) -> None:
    assert Split.model_validate(SHIPPED.model_dump() | STRATEGIES[strategy])
