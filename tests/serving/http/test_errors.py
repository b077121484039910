import pytest
from pydantic import TypeAdapter, ValidationError

from crisol.models.recommender.contract import EventsRequest
from crisol.serving.http.errors import from_validation


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"events": [{"user_id": "u", "item_id": ""}]}', ["events.0.item_id"]),
        ('{"events": []}', ["events"]),
    ],
)
def test_what_only_follows_from_a_mistake_is_not_told(body: str, fields: list[str]) -> None:
    """Pydantic drops a wrong element and then finds the list too short."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(EventsRequest).validate_json(body)
    refusal = from_validation(caught.value)
    assert [detail.field for detail in refusal.details] == fields
    assert str(refusal) == "1 field breaks the contract; see details."
