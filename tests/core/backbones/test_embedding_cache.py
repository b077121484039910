import multiprocessing
from pathlib import Path

import numpy as np

from crisol.core.backbone_reference import BackboneReference
from crisol.core.backbones.embedding_cache import EmbeddingCache

ONE, OTHER = BackboneReference("a", "1" * 64), BackboneReference("a", "2" * 64)


def _vectors(contents: list[bytes], asked: list[bytes] | None = None):
    def compute(places: list[int]) -> np.ndarray:
        if asked is not None:
            asked.extend(contents[place] for place in places)
        return np.stack([np.full(8, contents[place][0], np.float32) for place in places])

    return compute


def test_a_content_is_computed_once(tmp_path: Path) -> None:
    cache, asked = EmbeddingCache(tmp_path / "c.sqlite3"), []
    contents = [b"\x01", b"\x02", b"\x01"]
    found = cache.vectors(ONE, contents, _vectors(contents, asked))
    assert found[:, 0].tolist() == [1, 2, 1]
    assert asked == [b"\x01", b"\x02"]
    again = EmbeddingCache(tmp_path / "c.sqlite3").vectors(ONE, contents, _vectors(contents, asked))
    assert np.array_equal(again, found)
    assert len(asked) == 2
    cache.vectors(OTHER, contents, _vectors(contents, asked))
    cache.vectors(BackboneReference("a", "1" * 64, "int8"), contents, _vectors(contents, asked))
    assert len(asked) == 6
    assert cache.vectors(ONE, [], _vectors([])).shape[0] == 0


def test_the_vectors_not_asked_for_the_longest_are_dropped(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "c.sqlite3", limit_bytes=10 * 32)
    first = [bytes([n]) for n in range(8)]
    cache.vectors(ONE, first, _vectors(first))
    cache.vectors(ONE, first[:1], _vectors(first[:1]))
    more = [bytes([n]) for n in range(20, 24)]
    cache.vectors(ONE, more, _vectors(more))
    assert cache.size_bytes() <= 8 * 32
    asked: list[bytes] = []
    kept = [first[0], *more]
    cache.vectors(ONE, kept, _vectors(kept, asked))
    assert asked == []


def test_a_damaged_database_is_made_anew(tmp_path: Path, caplog) -> None:
    path = tmp_path / "c.sqlite3"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 40)
    cache = EmbeddingCache(path)
    assert cache.vectors(ONE, [b"\x07"], _vectors([b"\x07"]))[0, 0] == 7
    assert "is damaged and is made anew" in caplog.text


def _work(path: Path, start: int) -> None:
    cache = EmbeddingCache(path)
    for turn in range(20):
        contents = [bytes([(start + turn + n) % 60]) for n in range(12)]
        found = cache.vectors(ONE, contents, _vectors(contents))
        assert found[:, 0].tolist() == [content[0] for content in contents]


def test_several_processes_share_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_work, args=(tmp_path / "c.sqlite3", start)) for start in (0, 5, 30)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
