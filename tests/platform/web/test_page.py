"""The page at `/` in a real browser: from a key to a served version, at two widths."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.platform.answering import KEYS, Answering, rows, served
from tests.platform.browser import CHROMIUM, Page, browser
from tests.platform.conftest import job_project

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PICTURES = os.environ.get("CRISOL_TEST_PICTURES")
"""A folder for pictures of the page, for a person to look at."""


@pytest.fixture(scope="module")
def service(
    families: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    template_database: Path,
) -> Iterator[Answering]:
    project = job_project(tmp_path_factory.mktemp("page") / "project", template_database)
    project.store.activate()
    with served(project.store, workers=1) as service:
        yield service


@pytest.mark.slow
def test_from_a_key_to_a_served_version(service: Answering, tmp_path: Path) -> None:
    with browser() as page:
        page.resize(1280, 900)
        enters(page, service)
        assert page.complaints == []
        brings_a_dataset(page, tmp_path)
        trains(page)
        promotes(page)
        for width in (1280, 390):
            page.resize(width, 900)
            # A phone's innerWidth grows with what is too wide, so it is no measure.
            wide = page.ask("document.documentElement.scrollWidth") - width
            assert wide <= 0, f"at {width} pixels the page is {wide} pixels too wide"
            if PICTURES:
                page.picture(Path(PICTURES) / f"page_{width}.png")
        assert page.complaints == []


def enters(page: Page, service: Answering) -> None:
    page.open(service.url)
    page.until("!document.getElementById('entry').hidden")
    page.type("#key", "a-key-that-nobody-made")
    page.click("#entry button")
    page.until("document.getElementById('message').textContent.includes('not valid')")
    page.complaints.clear()  # the browser notes every 401
    page.ask("document.getElementById('key').value = ''")
    page.type("#key", KEYS["everything"])
    page.click("#entry button")
    page.until("!document.getElementById('main').hidden")
    assert page.ask("sessionStorage.length") == 1


def brings_a_dataset(page: Page, folder: Path) -> None:
    file = folder / "customers.csv"
    file.write_bytes(rows())
    page.click("#datasets details summary")
    page.type("#new-dataset [name=name]", "customers")
    page.type("#new-dataset [name=target]", "churned")
    page.choose_file("#new-dataset [name=all]", file)
    page.click("#new-dataset button")
    page.until("document.querySelector('#dataset-list .badge.ready')")
    page.click("#dataset-list summary")
    page.until("document.querySelector('#dataset-list tbody tr')")
    assert "churned" in page.ask("document.querySelector('#dataset-list table').innerText")
    page.click("#dataset-list summary")


def trains(page: Page) -> None:
    page.click("#jobs details summary")
    page.ask("document.querySelector('#new-job [name=family]').value = 'linear'")
    page.type("#new-job [name=parameters]", "not json")
    page.click("#new-job button")
    page.until("document.getElementById('message').textContent.includes('not JSON')")
    page.ask("document.querySelector('#new-job [name=parameters]').value = ''")
    page.type("#new-job [name=parameters]", '{"linear": {"train": {"epochs": 2}}}')
    page.click("#new-job button")
    page.until("document.querySelector('#job-list details')")
    page.click("#job-list summary")
    page.until("document.querySelector('#job-list .badge.completed')")
    assert page.ask("document.querySelector('#job-list progress').value") == 1
    page.until("document.querySelector('#job-list .log').textContent.length > 0", 10)
    page.until("document.querySelector('#job-list .curves svg')", 10)


def promotes(page: Page) -> None:
    page.until("document.querySelector('#model-list summary')")
    page.click("#model-list summary")
    page.until("document.querySelector('#model-list tbody button')")
    page.click("#model-list tbody button")
    page.until("document.getElementById('ask').open")
    page.type("#ask-reason", "good enough")
    page.click("#ask-yes")
    page.until("document.querySelector('#model-list .badge.deployed')")
