"""By which spacing windows are cut and a 3D network is planned."""

from dataclasses import replace

import numpy as np
import pytest

from stages import train
from stages.core.errors import UserError
from stages.project import params
from stages.project.params import Train
from stages.store.shards import Store
from tests.fixtures import stores, trainings
from tests.pipeline.import_graph import ROOT


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Of cases whose slices lie 2 mm apart; the plan is for 1.5 mm."""
    store = trainings.blobs(tmp_path_factory.mktemp("store"))
    return replace(store, meta=store.meta.model_copy(update={"through_mm": 1.5}))


def chosen(**changes: object) -> Train:
    shipped = params.read(ROOT / "params.yaml").train
    return shipped.model_copy(update={"dims": 3, "arch": "dynunet", "window": [4, 16, 16]} | changes)


def rows(store: Store) -> np.ndarray:
    return np.arange(len(store.index))


def test_the_plan_of_the_store_or_the_distance_of_the_scans(store: Store) -> None:
    planned, own = chosen(through_plane="planned"), chosen(through_plane="own")
    assert train.through(planned, store) == 1.5
    assert train.planned_by(planned, store, rows(store), 1.5) == (1.5, 1.0, 1.0)
    assert train.through(own, store) is None
    assert train.planned_by(own, store, rows(store), None) == (2.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("names", "beginning"),
    [
        (["case01"], "case case01 does not tell how far its slices lie apart, so"),
        (["case00", "case01", "case03"], "case case00 does not tell how far its slices lie apart (nor do 2"),
    ],
)
def test_a_scan_that_does_not_tell_cannot_be_set_to_the_plan(
    store: Store, names: list[str], beginning: str
) -> None:
    with pytest.raises(UserError) as error:
        train.through(chosen(through_plane="planned"), stores.untold(store, names))
    assert str(error.value).startswith(beginning)
    assert str(error.value).endswith("set train.through_plane: own")
    assert train.through(chosen(through_plane="own"), stores.untold(store, names)) is None


def test_what_plans_a_network_where_scans_do_not_tell(store: Store) -> None:
    silent = stores.untold(store, ["case02"])
    own = chosen(through_plane="own")
    with pytest.raises(UserError, match=r"set train\.spacing to mm"):
        train.planned_by(own, silent, rows(store), None)
    assert train.planned_by(chosen(through_plane="own", arch="segresnet"), silent, rows(store), None) is None
    said = chosen(through_plane="own", spacing=[6.0, 1.5, 2.0])
    assert train.planned_by(said, silent, rows(store), None) == (6.0, 1.5, 2.0)
