"""The service of ``recommender``: what a user may want next, and why."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from crisol.models.recommender import contract
from crisol.serving.service.answering import Ask
from crisol.serving.service.bento import bento_service
from crisol.serving.service.model_service import ModelService
from crisol.serving.state.events import EventStore, NewEvent

if TYPE_CHECKING:
    from crisol.models.recommender.predictor import RecommenderPredictor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _predictor(service: ModelService) -> "RecommenderPredictor":
    return cast("RecommenderPredictor", service.predictor)


def recommend(
    service: ModelService, requests: Sequence[contract.RecommendationRequest]
) -> list[contract.RecommendationResponse]:
    """The predictor's answers, each from the user's events until now."""
    return service.predictor.predict([with_events(service, request) for request in requests])


def with_events(
    service: ModelService, request: contract.RecommendationRequest
) -> contract.RecommendationRequest:
    """The request with the user's events since training in front of its own history.

    An item that the request names itself stands where the request put it. Items the model does not
    know are left out: :func:`store_events` has reported them. Events that training had are left out
    too: they stay in the store after they became training data.
    """
    if request.user_id is None:
        return request
    events = service.resources["events"].newest(request.user_id, contract.MAX_HISTORY)
    given = request.history or ()
    predictor = _predictor(service)
    named, known = set(given), predictor.catalogue.index
    learned = predictor.learned(
        request.user_id,
        [(event.item_id, _EPOCH + timedelta(microseconds=event.time_us)) for event in events],
    )
    stored = [
        event.item_id
        for event, old in zip(events, learned, strict=True)
        if not old and event.item_id in known and event.item_id not in named
    ]
    if not stored:
        return request
    return request.model_copy(update={"history": (*stored, *given)[-contract.MAX_HISTORY :]})


def store_events(
    service: ModelService, requests: Sequence[contract.EventsRequest]
) -> list[contract.EventsResponse]:
    """Store the events of every request, in one commit."""
    counts = service.resources["events"].append(
        [[_new_event(event) for event in request.events] for request in requests]
    )
    known = _predictor(service).catalogue.index
    return [
        contract.EventsResponse(
            accepted=count,
            duplicates=len(request.events) - count,
            unknown_items=tuple(
                dict.fromkeys(e.item_id for e in request.events if e.item_id not in known)
            ),
            model_version=service.model_version,
        )
        for request, count in zip(requests, counts, strict=True)
    ]


def _new_event(event: contract.Event) -> NewEvent:
    at = event.timestamp
    return NewEvent(
        event.user_id,
        event.item_id,
        None if at is None else (at - _EPOCH) // timedelta(microseconds=1),
        event.type or "",
        1.0 if event.weight is None else event.weight,
    )


def similar(
    service: ModelService, requests: Sequence[contract.SimilarItemsRequest]
) -> list[contract.SimilarItemsResponse]:
    """The nearest items of every request's item."""
    return [_predictor(service).similar(request) for request in requests]


def _example_batch() -> contract.BatchRequest:
    return contract.BatchRequest(requests=(contract.example_request(),))


def _example_similar() -> contract.SimilarItemsRequest:
    return contract.SimilarItemsRequest(item_id="i012", num_items=5)


def _example_events() -> contract.EventsRequest:
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    bought = contract.Event(user_id="u007", item_id="i012", timestamp=at, type="purchase")
    return contract.EventsRequest(events=(bought,))


service = ModelService(
    "recommender",
    title="Crisol recommender",
    description="What a known user or a visitor may want next, with a reason for each item.",
    routes=[
        Ask(
            "/recommendations",
            request=contract.RecommendationRequest,
            response=contract.RecommendationResponse,
            example=contract.example_request,
            summary="Items for one user or one history.",
            answer_all=recommend,
        ),
        Ask(
            "/recommendations/batch",
            request=contract.BatchRequest,
            response=contract.BatchResponse,
            example=_example_batch,
            summary="Up to 100 requests in one.",
            unpack=lambda body: body.requests,
            pack=lambda responses: contract.BatchResponse(responses=tuple(responses)),
            answer_all=recommend,
        ),
        Ask(
            "/similar-items",
            request=contract.SimilarItemsRequest,
            response=contract.SimilarItemsResponse,
            example=_example_similar,
            summary="The items that are most like one.",
            answer_all=similar,
        ),
        Ask(
            "/events",
            request=contract.EventsRequest,
            response=contract.EventsResponse,
            example=_example_events,
            summary="What users did: on disk when answered, part of their next recommendations.",
            answer_all=store_events,
        ),
    ],
    resources={"events": EventStore.of_family},
)
Recommender = bento_service(service, __name__)
