"""The service of `products` around a predictor trained on the sample."""

import asyncio
import base64
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from crisol.core.predictor import compare_answers
from crisol.models.products import contract
from crisol.models.products.predictor import ProductsPredictor
from crisol.serving.families import products
from crisol.serving.service.model_service import ModelService

KEY = "a-key-that-only-the-tests-know"
OTHER = "another-key-of-the-tests"
VOLATILE = ProductsPredictor.volatile_fields
Serving = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def file_of(
    form: str = "PNG", size: tuple[int, int] = (80, 60), colour: Any = (200, 30, 30)
) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, form)
    return stream.getvalue()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def bomb() -> bytes:
    """A small file that says it has 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


WATCH = {
    **contract.example_request().model_dump(mode="json", exclude_none=True),
    "image": base64_of(file_of()),
}


@pytest.fixture(scope="module")
def predictor(market_dir: Path) -> ProductsPredictor:
    return ProductsPredictor.load(market_dir)


@pytest.fixture
def serve(market_dir: Path, tmp_path: Path, running: Callable[..., Any]) -> Serving:
    """``async with serve() as client``: a worker; all of one test share a state folder."""

    @asynccontextmanager
    async def worker(**environment: str) -> AsyncIterator[httpx.AsyncClient]:
        app = ModelService(
            "products",
            title="test",
            description="test",
            routes=products.service.routes,
            resources={"jobs": products.BackgroundJobStore.of_family},
            prepare=products.with_index,
            workers={products.KIND: products.start_embedding},
        )
        state = str(tmp_path / "state")
        keys = f"{KEY},{OTHER}"
        settings = {"CRISOL_API_KEYS": keys, "CRISOL_STATE_DIR": state, "CRISOL_TIMEOUT_S": "20"}
        async with running(app, market_dir, {**settings, **environment}) as client:
            client.headers["x-api-key"] = KEY
            client.timeout = httpx.Timeout(30)
            yield client

    return worker


async def ask(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def expected(predictor: ProductsPredictor, product: dict[str, Any]) -> dict[str, Any]:
    request = contract.Product.model_validate_json(json.dumps(product))
    return predictor.predict([request])[0].model_dump(mode="json")


def same(one: Any, other: Any) -> bool:
    return not compare_answers(one, other, ignore=VOLATILE, tolerance=1e-6)


def test_every_route_answers_as_the_predictor_and_only_its_task(
    serve: Serving, predictor: ProductsPredictor
) -> None:
    async def body() -> None:
        async with serve() as client:
            for path, task in (
                ("/analyze", None), ("/classify", "classify"), ("/quality", "quality"),
                ("/price", "price"),
            ):  # fmt: skip
                answer = await ask(client, path, **WATCH)
                assert same(answer, expected(predictor, {**WATCH, "task": task})), path
                assert answer["model_version"] == "7"
            embed = await ask(client, "/analyze", **WATCH, task="embed")
            assert len(embed["embedding"]) > 1
            assert embed["price"] is None
            again = await ask(client, "/price", title="Mug", task="price")
            assert again["categories"] is None

    asyncio.run(body())


def test_a_form_answers_as_the_same_in_json(serve: Serving, predictor: ProductsPredictor) -> None:
    picture = file_of("JPEG")
    plain = {k: v for k, v in WATCH.items() if k not in ("image", "attributes")}
    wanted = expected(predictor, {**WATCH, "image": base64_of(picture)})

    async def body() -> None:
        async with serve() as client:
            whole = {k: v for k, v in WATCH.items() if k != "image"}
            parts = {"product": (None, json.dumps(whole)), "image": ("watch.jpg", picture)}
            answer = await client.post("/analyze", files=parts)
            fields = await client.post(
                "/analyze",
                files={"image": ("watch.jpg", picture)},
                data={**plain, "attributes": json.dumps(WATCH["attributes"])},
            )
            found = await client.post("/search", files={"image": ("w.jpg", picture)}, data={"k": 3})
            by_json = await ask(client, "/search", image=base64_of(picture), k=3)
        assert same(answer.json(), wanted), answer.text
        assert same(fields.json(), wanted), fields.text
        assert found.json() == by_json
        assert len(by_json["hits"]) == 3

    asyncio.run(body())


BAD_PICTURES = [
    (b"", "image_empty"),
    (b"no picture", None),
    (file_of()[:60], "image_broken"),
    (file_of("GIF"), None),
    (file_of("BMP"), None),
    (bomb(), "image_too_large"),
    (b"\xff\xd8\xff" + b"0" * 500, None),
]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/analyze", {}, "title"),
        ("/analyze", {"title": ""}, "title"),
        ("/analyze", {"title": " \n"}, "title"),
        ("/analyze", {"title": "x" * 501}, "title"),
        ("/analyze", {"title": 7}, "title"),
        ("/analyze", {"title": "Mug", "description": "x" * 20_001}, "description"),
        ("/analyze", {"title": "Mug", "price": "12"}, "price"),
        ("/analyze", {"title": "Mug", "price": 0}, "price"),
        ("/analyze", {"title": "Mug", "price": -3.5}, "price"),
        ("/analyze", {"title": "Mug", "currency": "rupees"}, "currency"),
        ("/analyze", {"title": "Mug", "attributes": {"a": 1}}, "attributes.a"),
        ("/analyze", {"title": "Mug", "colour": "red"}, "colour"),
        ("/analyze", {"title": "Mug", "task": "guess"}, "task"),
        ("/analyze", {"title": "Mug", "image": "http://shop/mug.png"}, "image"),
        ("/analyze", {"title": "Mug", "image": "file:///etc/passwd"}, "image"),
        ("/analyze", {"title": "Mug", "image": "§§§"}, "image"),
        ("/analyze", {"title": "Mug", "image": ""}, "image"),
        ("/analyze", {"title": "Mug", "image": 7}, "image"),
        ("/analyze", {"title": "Mug", "image": "A" * 14_000_001}, "image"),
        ("/classify", {"title": "Mug", "task": "price"}, "task"),
        ("/search", {}, ""),
        ("/search", {"text": "mug", "product_id": "1"}, ""),
        ("/search", {"text": "mug", "k": 51}, "k"),
        ("/search", {"text": "mug", "k": 0}, "k"),
        ("/search", {"product_id": "no such product"}, "product_id"),
        ("/search", {"text": "mug", "filters": {"min_price": 2, "max_price": 1}}, "filters"),
        ("/search", {"text": "mug", "filters": {"categories": []}}, "filters.categories"),
        ("/search", {"product": {"title": "Mug", "image": "QUJD"}}, "product.image"),
        ("/embeddings/batch", {"products": []}, "products"),
        ("/embeddings/batch", {"products": [{"title": "Mug"}] * 1001}, "products"),
        ("/embeddings/batch", {"products": ["Mug"]}, "products.0"),
        ("/embeddings/batch", {"products": "Mug"}, "products"),
        *[("/analyze", {"title": "Mug", "image": base64_of(c)}, "image") for c, _ in BAD_PICTURES],
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_by_field(
    shared: httpx.Client, path: str, body: dict[str, Any], field: str
) -> None:
    answer = shared.post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert set(answer.json()) == {"error", "code", "details", "request_id"}
    assert field in [d["field"] for d in answer.json()["details"]]


@pytest.mark.parametrize(
    ("content", "kind"), [*BAD_PICTURES, (b"\0" * 10_000_001, "file_too_large")]
)
def test_wrong_files_are_refused_by_their_part(
    shared: httpx.Client, content: bytes, kind: str | None
) -> None:
    answer = shared.post("/analyze", data={"title": "Mug"}, files={"image": ("mug.png", content)})
    assert answer.status_code == 422, answer.text
    [detail] = answer.json()["details"]
    assert detail["field"] == "image"
    if content:
        assert kind in (None, detail["type"])


@pytest.mark.parametrize(
    ("content_type", "content", "status", "code"),
    [
        ("image/png", file_of(), 415, "unsupported_media_type"),
        ("multipart/form-data", b"", 415, "unsupported_media_type"),
        ("multipart/form-data; boundary=x", b"no form", 400, "malformed_form"),
        ("application/json", b'{"title": ', 400, "malformed_json"),
        ("application/json", b" " * (16 * 1024 * 1024 + 1), 413, "body_too_large"),
    ],
)
def test_wrong_bodies_are_refused(
    shared: httpx.Client, content_type: str, content: bytes, status: int, code: str
) -> None:
    answer = shared.post("/analyze", content=content, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_broken_picture_spoils_nobody_elses_answer(
    serve: Serving, predictor: ProductsPredictor
) -> None:
    bad = {**WATCH, "image": base64_of(file_of()[:60])}
    wanted = expected(predictor, WATCH)

    async def body() -> None:
        async with serve() as client:
            requests = [WATCH, bad, WATCH, {"title": "Mug"}, bad, WATCH]
            answers = await asyncio.gather(*(client.post("/analyze", json=r) for r in requests))
        assert [a.status_code for a in answers] == [200, 422, 200, 200, 422, 200]
        for place in (0, 2, 5):
            assert same(answers[place].json(), wanted)
        assert answers[1].json()["details"][0]["type"] == "image_broken"

    asyncio.run(body())


def test_search_answers_as_the_predictor_by_all_four_ways(
    serve: Serving, predictor: ProductsPredictor
) -> None:
    assert predictor.index is not None
    mine = predictor.index.ids[0]
    asked = [
        {"text": "red mug", "k": 5},
        {"product": WATCH, "k": 5},
        {"image": WATCH["image"], "k": 5, "filters": {"with_image": True}},
        {"product_id": mine, "k": 50},
        {"text": "mug", "filters": {"brands": ["no such brand"]}},
    ]

    async def body() -> None:
        async with serve() as client:
            answers = [await ask(client, "/search", **question) for question in asked]
        for question, answer in zip(asked, answers, strict=True):
            request = contract.SearchRequest.model_validate_json(json.dumps(question))
            wanted = predictor.search([request])[0].model_dump(mode="json")
            assert same(answer, wanted)
            assert answer["model_version"] == "7"
        assert mine not in [hit["product_id"] for hit in answers[3]["hits"]]
        assert answers[4]["hits"] == []

    asyncio.run(body())


async def submit(client: httpx.AsyncClient, *items: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/embeddings/batch", json={"products": list(items)})
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def finished(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    for _ in range(2000):
        job: dict[str, Any] = (await client.get(f"/embeddings/batch/{job_id}")).json()
        if job["state"] not in ("waiting", "running"):
            return job
        await asyncio.sleep(0.01)
    raise AssertionError(f"not finished: {job}")


def test_a_job_embeds_as_one_by_one_and_each_bad_product_fails_alone(serve: Serving) -> None:
    items = [
        WATCH,
        {"title": "Red Mug", "price": "3"},
        {"title": "Red Mug"},
        {"title": "Mug", "image": base64_of(bomb())},
        {"colour": "red"},
        {"title": "Red Mug"},
    ]

    async def body() -> None:
        async with serve() as client:
            made = await submit(client, *items)
            assert (made["total"], made["expires"], made["model_version"]) == (6, None, "7")
            job = await finished(client, made["job_id"])
            page = (await client.get(f"/embeddings/batch/{made['job_id']}/results")).json()
            alone = [(await ask(client, "/analyze", **items[n], task="embed")) for n in (0, 2)]
            assert (await submit(client, *items))["job_id"] != made["job_id"]
            again = await finished(client, (await submit(client, items[0], items[2]))["job_id"])
        assert (job["state"], job["done"], job["failed"]) == ("done", 3, 3)
        assert job["expires"] > job["created"]
        assert page["job"] == job
        assert page["next_position"] is None
        results = page["results"]
        assert [r["position"] for r in results] == list(range(6))
        for place, answer in ((0, alone[0]), (2, alone[1]), (5, alone[1])):
            assert results[place]["embedding"] == pytest.approx(answer["embedding"], abs=1e-6)
        assert [r["field"] for r in results] == [None, "price", None, "image", "title", None]
        assert all((r["error"] is None) == (r["embedding"] is not None) for r in results)
        assert again["cached"] == again["done"] == 2

    asyncio.run(body())


def test_a_job_is_its_callers_alone_and_can_be_cancelled(serve: Serving) -> None:
    many = [{"title": f"Mug number {n}"} for n in range(1000)]

    async def body() -> None:
        async with serve() as client:
            path = f"/embeddings/batch/{(await submit(client, *many))['job_id']}"
            stranger = {"x-api-key": OTHER}
            for strange in (
                await client.get(path, headers=stranger),
                await client.get(f"{path}/results", headers=stranger),
                await client.delete(path, headers=stranger),
                await client.get("/embeddings/batch/unknown"),
            ):
                assert (strange.status_code, strange.json()["code"]) == (404, "not_found")
            cancelled = (await client.delete(path)).json()
            assert cancelled["state"] == "cancelled"
            assert cancelled["done"] < 1000
            assert (await client.delete(path)).json() == cancelled
            await asyncio.sleep(0.1)
            assert (await client.get(path)).json() == cancelled
            results = (await client.get(f"{path}/results?limit=1000")).json()
            assert len(results["results"]) == cancelled["done"]
            assert results["next_position"] is None
            for wrong, field in (
                ("limit=0", "limit"), ("limit=1001", "limit"), ("position=-1", "position"),
                ("position=x", "position"), ("colour=red", "colour"),
                ("limit=1&limit=2", "limit"), ("position=%ff", ""),
            ):  # fmt: skip
                refused = await client.get(f"{path}/results?{wrong}")
                assert refused.status_code == 422, wrong
                assert refused.json()["details"][0]["field"] == field
            put = await client.put(path, json={})
            assert (put.status_code, put.headers["allow"]) == (405, "DELETE, GET, HEAD")
            metrics = (await client.get("/metrics")).text
            assert 'route="/embeddings/batch/{job_id}"' in metrics
            assert path not in metrics

    asyncio.run(body())


def test_jobs_outlive_a_restart_and_results_their_time_does_not(serve: Serving) -> None:
    async def body() -> None:
        async with serve() as client:
            many = await submit(client, *({"title": f"Lamp {n}"} for n in range(500)))
        async with serve() as client:
            assert (await finished(client, many["job_id"]))["done"] == 500
            limited = await client.get(f"/embeddings/batch/{many['job_id']}/results?limit=3")
            assert limited.json()["next_position"] == 3
        async with serve(CRISOL_RESULTS_TTL_S="0.01") as client:
            short = await submit(client, {"title": "Lamp"})
            for _ in range(500):
                answer = await client.get(f"/embeddings/batch/{short['job_id']}")
                if answer.status_code != 200:
                    break
                await asyncio.sleep(0.01)
            assert (answer.status_code, answer.json()["code"]) == (404, "expired")
            assert "deleted at" in answer.json()["error"]

    asyncio.run(body())


def test_too_many_jobs_of_one_caller_are_429(serve: Serving) -> None:
    many = [{"title": f"Mug {n}"} for n in range(1000)]

    async def body() -> None:
        async with serve(CRISOL_MAX_JOBS="1") as client:
            await submit(client, *many)
            answer = await client.post("/embeddings/batch", json={"products": many})
            other = await client.post(
                "/embeddings/batch", json={"products": [WATCH]}, headers={"x-api-key": OTHER}
            )
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_jobs")
        assert int(answer.headers["retry-after"]) > 0
        assert other.status_code == 202

    asyncio.run(body())


def test_another_index_is_served_and_one_of_another_model_keeps_it_from_being_ready(
    serve: Serving, predictor: ProductsPredictor, tmp_path: Path
) -> None:
    assert predictor.index is not None
    index = predictor.index
    index.save(tmp_path / "same")
    replace(index, embedding_id="of-another-model").save(tmp_path / "strange")

    async def body() -> None:
        async with serve(CRISOL_INDEX_DIR=str(tmp_path / "same")) as client:
            assert (await ask(client, "/search", text="mug"))["hits"]
        for folder, said in (
            ("strange", "of-another-model"),
            ("nothing", "not an index directory"),
        ):
            async with serve(CRISOL_INDEX_DIR=str(tmp_path / folder)) as client:
                ready = await client.get("/readyz")
                asked = await client.post("/search", json={"text": "mug"})
            assert (ready.status_code, asked.status_code) == (503, 503)
            message = ready.json()["details"][0]["message"]
            assert "CRISOL_INDEX_DIR" in message
            assert said in message

    asyncio.run(body())


def test_the_api_page_tells_of_every_route_and_its_examples_are_answered(
    serve: Serving, predictor: ProductsPredictor
) -> None:
    from jsonschema import Draft202012Validator

    async def body() -> None:
        async with serve() as client:
            page = (await client.get("/openapi.json")).json()
            model = (await client.get("/model")).json()
            for route in products.service.routes:
                [method] = route.methods or ()
                status = route.status_code or 200
                operation = page["paths"][route.path][method.lower()]
                assert str(status) in operation["responses"]
                assert (route.path if method == "POST" else f"{method} {route.path}") in model[
                    "contract"
                ]
                if method != "POST":
                    assert {"404", "503"} <= operation["responses"].keys()
                    continue
                body = operation["requestBody"]["content"]["application/json"]
                example = body["examples"]["example"]["value"]
                whole = {**body["schema"], "components": page["components"]}
                Draft202012Validator(whole).validate(example)
                answer = await client.post(route.path, json=example)
                assert answer.status_code == status, answer.text
        shown = page["paths"]["/price"]["post"]["requestBody"]["content"]["application/json"]
        example = shown["examples"]["example"]["value"]
        own = predictor.golden[0].request
        assert (example["title"], example["currency"]) == (own["title"], own["currency"])
        assert example.get("image") is None, "a picture would bury the page"
        results = page["paths"]["/embeddings/batch/{job_id}/results"]["get"]
        places = {p["name"]: p["in"] for p in results["parameters"]}
        assert places["job_id"] == "path"
        assert places["limit"] == places["position"] == "query"
        form = page["paths"]["/analyze"]["post"]["requestBody"]["content"]["multipart/form-data"]
        assert form["schema"]["properties"]["image"]["format"] == "binary"

    asyncio.run(body())


# -- a process that is really served and really killed ---------------------------------------------

SERVER = """
    import os, sys

    class Refuse:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("sklearn", "pandas", "pandera", "mlflow", "kedro",
                                          "matplotlib", "transformers"):
                raise ImportError(name)

    sys.meta_path.insert(0, Refuse())
    import uvicorn
    from crisol.serving.families import products

    products.service.open(sys.argv[1], {"model_version": "7"})
    uvicorn.run(products.service.app, fd=int(sys.argv[2]), log_level="warning", lifespan="on")
"""


@contextmanager
def process(
    market_dir: Path, state: Path
) -> Iterator[tuple[httpx.Client, "subprocess.Popen[bytes]"]]:
    """The service in a process of its own."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        number = listening.fileno()
        port = listening.getsockname()[1]
        environment = {
            **os.environ, "CRISOL_API_KEYS": KEY, "CRISOL_STATE_DIR": str(state),
            "CRISOL_RATE_PER_S": "0", "CRISOL_TIMEOUT_S": "20",
        }  # fmt: skip
        served = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SERVER), str(market_dir), str(number)],
            env=environment, pass_fds=[number], stdout=subprocess.DEVNULL,
        )  # fmt: skip
    headers = {"x-api-key": KEY}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as c:
            for _ in range(600):
                try:
                    assert c.get("/readyz").status_code == 200
                    break
                except httpx.TransportError:
                    assert served.poll() is None
                    time.sleep(0.1)
            yield c, served
    finally:
        served.kill()
        served.wait()


ITEMS: list[dict[str, Any]] = [
    {"title": f"Lamp number {n}", "description": "of glass and brass " * 20} for n in range(1000)
]
ITEMS[700] = {"title": ""}


@dataclass
class Survivor:
    """The service after it was killed in mid-batch and started again.

    Attributes:
        client: asks it.
        path: of the job.
        before: how far the job was when it was last looked at before the kill.
    """

    client: httpx.Client
    path: str
    before: dict[str, Any]


@pytest.fixture(scope="module")
def survivor(market_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survivor]:
    state = tmp_path_factory.mktemp("state")
    with process(market_dir, state) as (client, served):
        answer = client.post("/embeddings/batch", json={"products": ITEMS})
        path = f"/embeddings/batch/{answer.json()['job_id']}"
        while (before := client.get(path).json())["done"] == 0:
            time.sleep(0.005)
        served.send_signal(signal.SIGKILL)
        served.wait()
    with process(market_dir, state) as (client, _):
        yield Survivor(client, path, before)


@pytest.fixture(scope="module")
def shared(survivor: Survivor) -> httpx.Client:
    """One served process for the tests that only ask."""
    return survivor.client


def test_killed_in_mid_batch_the_job_goes_on_after_the_restart_with_nothing_lost(
    survivor: Survivor,
) -> None:
    client, path = survivor.client, survivor.path
    assert survivor.before["done"] < 1000
    assert client.get(path).json()["done"] >= survivor.before["done"]
    while (after := client.get(path).json())["state"] != "done":
        time.sleep(0.02)
    results = client.get(f"{path}/results?limit=1000").json()["results"]
    assert (after["done"], after["failed"]) == (999, 1)
    assert [r["position"] for r in results] == list(range(1000))
    assert results[700]["field"] == "title"
    for place in (0, 500, 999):
        alone = client.post("/analyze", json={**ITEMS[place], "task": "embed"}).json()
        assert results[place]["embedding"] == pytest.approx(alone["embedding"], abs=1e-6)
