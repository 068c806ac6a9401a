"""A folder into an index as a plain LlamaIndex script does it, for comparison.

Run as `python -m evals.benchmarks.plain FOLDER`; prints seconds, files and chunks as JSON. Its clock
starts when everything is imported and loaded. Text by PDFium, which is faster than the reader that
LlamaIndex brings; chunks by its `SentenceSplitter`, with the model's own tokenizer and a budget of
256 tokens, since with the default of 1,024 the model would not see most of the text; vectors by
`SentenceTransformer.encode` in fp32; stored in an embedded Qdrant through `QdrantClient(path=…)`.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infra.embedders.checkpoint import DEFAULT_MODEL, folder_of

CHUNK_TOKENS = 256


def texts(path: Path) -> Iterator[str]:
    """The file's text: of a PDF, page by page."""
    import pypdfium2

    if path.suffix.lower() != ".pdf":
        yield path.read_text(encoding="utf-8", errors="replace")
        return
    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError:
        return  # encrypted or damaged
    with pdf:
        for page in pdf:
            yield page.get_textpage().get_text_bounded()


def ingest(folder: Path, store: Path) -> dict[str, float]:
    """Reads, cuts, embeds, stores."""
    from llama_index.core import Document
    from llama_index.core.node_parser import SentenceSplitter
    from qdrant_client import QdrantClient, models
    from sentence_transformers import SentenceTransformer

    model: Any = SentenceTransformer(str(folder_of(DEFAULT_MODEL)), device="cpu")
    model.encode(["warm"], show_progress_bar=False)
    splitter = SentenceSplitter(
        chunk_size=CHUNK_TOKENS, chunk_overlap=0, tokenizer=model.tokenizer.tokenize
    )
    client = QdrantClient(path=str(store))
    dimension = model.get_embedding_dimension()
    client.create_collection(
        "plain",
        vectors_config=models.VectorParams(size=dimension, distance=models.Distance.COSINE),
    )
    began = time.perf_counter()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    documents = [
        Document(text=text, metadata={"name": str(path.relative_to(folder))})
        for path in files
        for text in texts(path)
    ]
    nodes = splitter.get_nodes_from_documents(documents)
    vectors = model.encode([node.get_content() for node in nodes], show_progress_bar=False)
    client.upsert(
        "plain",
        [
            models.PointStruct(
                id=str(uuid.uuid4()),
                vector=vector.tolist(),
                payload={"text": node.get_content(), **node.metadata},
            )
            for node, vector in zip(nodes, vectors, strict=True)
        ],
    )
    return {
        "seconds": time.perf_counter() - began,
        "files": len(files),
        "chunks": len(nodes),
    }


def main() -> None:
    """Prints one line."""
    # The tokenizer warns of each document that is longer than the model's window, before it is cut.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as store:
        found = ingest(Path(sys.argv[1]), Path(store))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
