import dataclasses

import numpy as np
import pytest

from crisol.models.recommender.data.histories import VISITOR, Histories
from crisol.models.recommender.report.champion import same_items, translated


def test_another_models_items_are_asked_by_ids() -> None:
    histories = Histories.of([[0, 1, 2], [2]], users=[0, 1])
    items, users = np.array([5, -1, 4]), np.array([VISITOR, 8])
    own = translated(histories, items, users)
    assert own.items.tolist() == [5, 4, 4]
    assert own.starts.tolist() == [0, 2, 3]
    assert own.users.tolist() == [VISITOR, 8]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"ids": "renamed"}, False),
        ({"titles": "another"}, True),
        ({"titles": "another", "categories": "another", "brands": "another"}, False),
        ({"titles": "", "categories": "", "brands": ""}, True),
    ],
)
def test_an_item_is_the_same_by_id_unless_its_description_is_wholly_another(
    catalogue, changes, same
) -> None:
    size = len(catalogue)
    columns = {
        name: tuple(word and f"{word} {position}" for position in range(size))
        for name, word in changes.items()
    }
    theirs = dataclasses.replace(catalogue, **columns)
    found = same_items(theirs, catalogue)
    described = np.array([bool(title) for title in catalogue.titles])
    assert (found[described] == same).all()
    if "ids" not in changes:
        assert found[~described].all()  # nothing describes them, so the id decides
