"""What every embedder must do. An adapter's tests subclass this and say how it is opened."""

from __future__ import annotations

import numpy as np

from infra.embedders.opening import OpenedEmbedder
from retrieval.index import Vector

TEXTS = [
    "Every employee has 28 days of paid leave a year.",
    "The pump must be switched off before its cover is opened.",
    "Die Kündigungsfrist beträgt drei Monate.",
    "申请人应当在十五日内提交补充材料。",
    "🙂 \u200b e\u0301 ﷽",
    "",
    "tea " * 3_000,
]


def same(one: Vector, other: Vector) -> bool:
    """Up to what a text's neighbours in its batch do to the last bits of reduced precision."""
    return bool(float(np.min(np.sum(one * other, axis=-1))) > 0.999)


class EmbedderContract:
    """Needs a fixture `opened`: an `OpenedEmbedder` that is ready."""

    async def test_each_text_becomes_one_row_of_unit_length(self, opened: OpenedEmbedder) -> None:
        vectors = await opened.embedder.embed_passages(TEXTS)

        assert vectors.shape == (len(TEXTS), opened.embedder.identity.dimension)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    async def test_rows_stand_in_the_order_of_the_texts(self, opened: OpenedEmbedder) -> None:
        together = await opened.embedder.embed_passages(TEXTS * 4)
        alone = [await opened.embedder.embed_passages([text]) for text in TEXTS]

        assert same(together, np.concatenate(alone * 4))

    async def test_no_texts_become_no_rows(self, opened: OpenedEmbedder) -> None:
        vectors = await opened.embedder.embed_passages([])

        assert vectors.shape == (0, opened.embedder.identity.dimension)

    async def test_a_text_over_the_window_counts_up_to_the_window(
        self, opened: OpenedEmbedder
    ) -> None:
        window = opened.embedder.identity.window_tokens
        one, other = await opened.embedder.embed_passages(
            ["leave " * window + "cheese " * window, "leave " * window + "pumps " * window]
        )

        assert same(one, other)

    async def test_the_same_text_has_the_same_vector(self, opened: OpenedEmbedder) -> None:
        first = await opened.embedder.embed_passages(TEXTS[:1])
        second = await opened.embedder.embed_passages(TEXTS[:1])

        assert np.array_equal(first, second)

    async def test_a_question_is_nearest_the_passage_that_answers_it(
        self, opened: OpenedEmbedder
    ) -> None:
        passages = await opened.embedder.embed_passages(TEXTS[:3])

        question = await opened.embedder.embed_question("How many days of leave do I have?")

        assert question.shape == (opened.embedder.identity.dimension,)
        assert abs(float(np.linalg.norm(question)) - 1) < 1e-5
        assert int(np.argmax(passages @ question)) == 0

    async def test_a_text_is_the_same_as_question_and_as_passage(
        self, opened: OpenedEmbedder
    ) -> None:
        [passage] = await opened.embedder.embed_passages(TEXTS[:1])

        assert same(passage, await opened.embedder.embed_question(TEXTS[0]))

    async def test_tokens_cover_the_words_of_a_text(self, opened: OpenedEmbedder) -> None:
        text = TEXTS[0]

        spans = opened.tokenizer.spans(text)

        covered = {place for start, end in spans for place in range(start, end)}
        assert {place for place, letter in enumerate(text) if not letter.isspace()} <= covered
