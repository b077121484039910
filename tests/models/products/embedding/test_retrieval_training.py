import numpy as np

from crisol.core.backbone_reference import BackboneReference
from crisol.core.text.terms import Terms
from crisol.models.products.embedding.retrieval_embedding import (
    RetrievalEmbedding,
    centred,
    joined,
    picture_components,
    projected,
)
from crisol.models.products.embedding.retrieval_training import fit_arrays
from crisol.models.products.methods.topics import Topics


def test_trained_parts_find_the_pictures_and_survive_storing(tmp_path):
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(120, 4)).astype(np.float32)
    parts = [(hidden @ rng.normal(size=(4, 12))).astype(np.float32), np.zeros((120, 12)), hidden]
    raw = np.exp(hidden @ rng.normal(size=(4, 20)) / 4).astype(np.float32)
    texts = [f"{word} thing" for word in ("red", "blue") for _ in range(60)]
    terms = Terms.of(texts, "word", (1, 2), min_rows=1, most=100)
    taught = slice(0, 100)
    leaf = np.zeros(100, np.int64)
    arrays = fit_arrays([p[taught] for p in parts], raw[taught], texts[:100], terms, leaf)
    again = fit_arrays([p[taught] for p in parts], raw[taught], texts[:100], terms, leaf)
    reference = BackboneReference("tiny", "0" * 64)
    made = [
        RetrievalEmbedding(reference, reference, Topics.of(texts, 2, 100), terms, found)
        for found in (arrays, again)
    ]
    assert made[0].embedding_id == made[1].embedding_id
    made[0].write(tmp_path)
    read = RetrievalEmbedding.read(tmp_path)
    assert read.embedding_id == made[0].embedding_id
    x, y = (
        centred([p[100:] for p in parts], read.arrays),
        picture_components(raw[100:], read.arrays),
    )
    words = joined(projected(x, read.arrays, "text"), x @ read.arrays["ridge.dense"])
    pictures = joined(projected(y, read.arrays, "image"), y)
    np.testing.assert_allclose(np.linalg.norm(words, axis=1), 1, rtol=1e-5)
    own = (words @ pictures.T).argsort(axis=1)[:, ::-1][:, :3]
    assert np.mean([row in own[row] for row in range(20)]) > 0.8
