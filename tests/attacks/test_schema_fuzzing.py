"""schemathesis on every OpenAPI document: with a key, without one, and along its links."""

from collections import Counter, defaultdict
from typing import Any

import pytest
from tests.attacks.answering import APPLICATIONS, KEYS, Target
from tests.attacks.wire import stays_alive

every = pytest.mark.parametrize("target", APPLICATIONS, indirect=True)
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
"""Not positive_data_acceptance: a JSON schema cannot say that a high is not below its low."""

STAYS = {"/v1/jobs": {"family": "linear", "start": False}}
"""No job is started: each is a process of several seconds."""
REFUSALS = [400, 401, 403, 404, 405, 409, 414, 415, 422, 429, 431]

EXCEPT: dict[str, list[tuple[str, str]]] = defaultdict(list)
"""Checks that do not hold, by path."""
# To delete such a job is to cancel the rest of it: what is done stays.
EXCEPT["products"] = [
    (path, "use_after_free") for path in ("/embeddings/batch/{job_id}",
                                          "/embeddings/batch/{job_id}/results")
]  # fmt: skip
EXCEPT["tabular"] = [
    (path, "use_after_free") for path in ("/explain/batch/{job_id}",
                                          "/explain/batch/{job_id}/results")
]  # fmt: skip


def loaded(target: Target, who: str | None, *phases: str, examples: int, mode: str = "all") -> Any:
    """The document of a target, with what is done to it.

    Args:
        target: that is asked.
        who: holder of a key; ``None``: without a key.
        phases: of schemathesis.
        examples: made up for each operation and phase.
        mode: ``positive``: only what the document allows.
    """
    import schemathesis

    headers = {} if who is None else {"X-API-Key": KEYS[who]}
    every_phase = ("examples", "coverage", "fuzzing", "stateful")
    settings = {
        "seed": 1,
        "headers": headers,
        "request-timeout": 10.0,
        "max-stream-events": 1,
        "suppress-health-check": ["all"],
        "generation": {
            "mode": mode, "max-examples": examples, "deterministic": True, "no-shrink": True,
            "database": "none",
        },
        "phases": {phase: {"enabled": phase in phases} for phase in every_phase},
        "checks": {
            "enabled": False,
            **{name: {"enabled": True} for name in CHECKS},
            "negative_data_rejection": {"enabled": True, "expected-statuses": REFUSALS},
        },
        "operations": [
            {"include-path": path, "checks": {check: {"enabled": False}}}
            for path, check in EXCEPT[target.name]
        ],
    }  # fmt: skip
    config = schemathesis.Config.from_dict(settings)
    document = schemathesis.openapi.from_url(f"{target.url}/openapi.json", config=config)

    @document.hook
    def map_body(_: Any, body: Any) -> Any:
        """No job is started: each is a process of several seconds."""
        if isinstance(body, dict) and "family" in body:
            return {**body, "start": False}
        return body

    return document


def run(document: Any) -> tuple[Counter[int], list[str]]:
    """How often each status was answered, and what was wrong."""
    from schemathesis.engine import Status, from_schema
    from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

    statuses: Counter[int] = Counter()
    wrong = []
    for event in from_schema(document).execute():
        if isinstance(event, FatalError):
            raise event.exception
        if isinstance(event, NonFatalError):
            wrong.append(f"{event.label}: {event.value!r}")
        if isinstance(event, ScenarioFinished):
            for interaction in event.recorder.interactions.values():
                if interaction.response is not None:
                    statuses[interaction.response.status_code] += 1
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    if check.status is Status.FAILURE:
                        told = event.recorder.interactions[case_id]
                        wrong.append(_describe(event.recorder.label, check, told))
    return statuses, list(dict.fromkeys(wrong))


def _describe(label: str, check: Any, told: Any) -> str:
    failure = check.failure_info.failure if check.failure_info else None
    request = told.request
    body = (request.body or b"")[:300]
    title = getattr(failure, "title", failure)
    message = str(getattr(failure, "message", ""))[:500]
    asked = f"{request.method} {request.uri[:300]} {body!r}"
    return f"{label}: {check.name}: {title}: {message}\n  {asked}"


def is_clean(document: Any) -> Counter[int]:
    """Run; the statuses, when nothing was wrong and nothing failed."""
    statuses, wrong = run(document)
    assert not wrong, "\n".join(wrong[:20])
    assert not [status for status in statuses if status >= 500]
    return statuses


# Sixty bars a hundred times take seconds to make up, and the test of the built bundle does it.
SLOW_SIGNALS = [pytest.param("signals", marks=pytest.mark.slow), *APPLICATIONS[1:]]


@pytest.mark.parametrize("target", SLOW_SIGNALS, indirect=True)
def test_with_a_key_everything_answers_as_the_document_says(target: Target) -> None:
    statuses = is_clean(loaded(target, "everything", "coverage", "fuzzing", examples=2))
    assert statuses[200] > 20
    assert statuses[422] > 20


@every
def test_without_a_key_nothing_but_the_public_pages_answers(target: Target) -> None:
    statuses = is_clean(loaded(target, None, "coverage", examples=2, mode="positive"))
    assert statuses[401] > 5
    assert set(statuses) <= {200, 401, 405}
    # So many as there are pages that need no key, and their variants: none of the others.
    assert statuses[200] < 30


@pytest.mark.parametrize("target", ["products", "platform"], indirect=True)
def test_one_request_after_the_other_finds_what_was_made(target: Target) -> None:
    """Along the links of the document, and where an answer's id is the next one's parameter."""
    with stays_alive(target, 2):
        statuses = is_clean(loaded(target, "everything", "stateful", examples=8))
    assert statuses[200] + statuses[201] + statuses[202] > 0


@pytest.mark.parametrize("target", ["products", "platform"], indirect=True)
def test_the_links_of_an_answer_lead_on(target: Target) -> None:
    with target.client("everything") as client:
        paths = client.get("/openapi.json").json()["paths"]
        operations = {o["operationId"]: (m, p) for p, of in paths.items() for m, o in of.items()}
        followed = 0
        for method, path in operations.values():
            operation = paths[path][method]
            made = next((r for s, r in operation["responses"].items() if s in ("201", "202")), {})
            if "links" not in made or "{" in path:
                continue
            body = operation["requestBody"]["content"]["application/json"]["examples"]["example"]
            answer = client.post(path, json={**body["value"], **STAYS.get(path, {})})
            assert answer.status_code in (201, 202), answer.text
            for link in made["links"].values():
                verb, place = operations[link["operationId"]]
                for name, told in link["parameters"].items():
                    value = answer.json()[told.removeprefix("$response.body#/")]
                    place = place.replace(f"{{{name}}}", value)
                assert client.request(verb, place).status_code in (200, 202, 409), place
                followed += 1
    assert followed >= 3


@pytest.mark.slow
@every
@pytest.mark.parametrize("who", ["everything", "viewer", None])
def test_many_more_requests_find_nothing(target: Target, who: str | None) -> None:
    statuses = is_clean(loaded(target, who, "examples", "coverage", "fuzzing", examples=25))
    assert sum(statuses.values()) > 100
