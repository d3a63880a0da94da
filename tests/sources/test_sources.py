"""A source's entry holds all that is said of it, and params.yaml may name each of them."""

import typing

from stages.project.params import Ingest
from stages.sources.sources import SOURCES, TASKS


def test_sources_are_registered_under_their_own_names_which_params_may_name() -> None:
    assert [source.name for source in SOURCES.values()] == list(SOURCES)
    assert typing.get_args(Ingest.model_fields["source"].annotation) == tuple(SOURCES)


def test_a_published_set_is_drawn_or_has_a_place_to_load_it_from_and_the_users_own_has_neither() -> None:
    for source in SOURCES.values():
        places = [source.generate is not None, source.kaggle is not None]
        assert sum(places) == (source.card is not None)


def test_a_name_stands_for_one_label_meaning() -> None:
    for source in SOURCES.values():
        assert source.tasks or source.name == "corrections"  # each of which says its own
        assert all(TASKS[task.name] == task for task in source.tasks)
