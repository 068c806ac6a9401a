"""What is published, as the read path asks for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ingestion.documents import DocumentRecords, RecordsUnavailable
from retrieval.index import Scope
from retrieval.search import CatalogUnavailable


class RecordsCatalog:
    """`Catalog` over the document records."""

    def __init__(self, records: DocumentRecords) -> None:
        self._records = records

    async def live(self, scope: Scope, document_ids: Collection[str]) -> Mapping[str, int]:
        try:
            return await self._records.live(scope, tuple(document_ids))
        except RecordsUnavailable as error:
            raise CatalogUnavailable(str(error)) from error
