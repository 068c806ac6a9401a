"""One pass of a sync: look at the source and at the documents, plan, upload, remove."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import Progress

from app.client import Failed, Service
from app.commands.documents import all_documents
from app.commands.ingest import Given, at_once, progress_bars, reason_of, until_settled, upload
from app.commands.running import say
from infra.sources.remembered import Remembered
from ingestion.parse import Unreadable
from ingestion.sniff import sniff
from ingestion.sync import (
    Gone,
    Held,
    Item,
    ItemGone,
    ItemUnavailable,
    Known,
    Listing,
    Plan,
    Seen,
    Source,
    SourceUnavailable,
    Wanted,
    plan,
    to_look_at,
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person wants it done."""

    wanted: Wanted
    dry_run: bool = False
    force: bool = False
    adopt: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What was planned, and what came of it."""

    plan: Plan
    done: bool
    """False: nothing was changed, because that was asked for, or to be on the safe side."""
    left: tuple[Held, ...] = ()
    """What of the plan could not be done."""

    @property
    def held(self) -> tuple[Held, ...]:
        return (*self.plan.held, *self.left)

    @property
    def acts(self) -> Mapping[str, Sequence[str]]:
        """Names, without the prefix, by what was done with them, or is planned."""
        left = {one.name for one in self.left}
        todo = self.plan
        planned: Mapping[str, Sequence[Item | Gone]] = {
            "add": todo.add,
            "update": todo.update,
            "remove": todo.remove,
        }
        return {
            act: [one.name for one in items if one.name not in left]
            for act, items in planned.items()
        }


class Syncing:
    """One source and one service. Nothing is kept between two passes but hashes."""

    def __init__(
        self, service: Service, source: Source, remembered: Remembered, manner: Manner
    ) -> None:
        self._service = service
        self._source = source
        self._remembered = remembered
        self._manner = manner
        self._wanted = manner.wanted
        self._refused: dict[Item, str] = {}

    async def once(self) -> Report:
        """A whole pass. Raises `Failed`."""
        try:
            return await self._pass()
        except SourceUnavailable as error:
            raise Failed(str(error)) from error
        finally:
            self._save()

    async def _pass(self) -> Report:
        wanted, manner = self._wanted, self._manner
        listing = await self._source.list()
        self._remembered.keep({item.key for item in listing.items})
        documents = await self._documents()
        looked = await self._look(listing, documents)
        todo = plan(listing, looked, documents, wanted, adopt=manner.adopt)
        if manner.dry_run or (todo.drastic and not manner.force):
            return Report(todo, done=False)
        return Report(todo, done=True, left=tuple(await self._do(todo)) if todo.work else ())

    async def _do(self, todo: Plan) -> list[Held]:
        """What could not be done."""
        with progress_bars() as bars:
            left = await self._upload([*todo.add, *todo.update], bars)
            # After the new ones answer questions: a renamed file is never missing.
            return left + await self._remove(todo.remove, bars)

    async def _documents(self) -> list[Known]:
        prefix = self._wanted.prefix
        found = await all_documents(self._service, name=prefix or None)
        return [_known(one) for one in found if one["name"].startswith(prefix)]

    async def _look(
        self, listing: Listing, documents: Sequence[Known]
    ) -> Mapping[str, Seen | Held | None]:
        """By the cache, and where it does not tell, by reading."""
        looked: dict[str, Seen | Held | None] = {}
        for item in listing.items:
            seen = self._remembered.still(item)
            if item.stamp and item in self._refused:
                looked[item.name] = Held(item.name, self._refused[item])
            elif seen is not None:
                looked[item.name] = _unless_refused(item, seen)
        asked = to_look_at(listing, documents, self._wanted.prefix)
        unknown = [item for item in asked if item.name not in looked]
        if unknown:
            with progress_bars() as bars:
                found = await at_once(bars, "Comparing", unknown, self._look_at)
            looked |= {item.name: one for item, one in zip(unknown, found, strict=True)}
        return looked

    async def _look_at(self, item: Item) -> Seen | Held | None:
        try:
            seen = await self._source.look(item, self._remembered.of(item))
        except ItemGone:
            return None
        except ItemUnavailable as error:
            return Held(item.name, str(error))
        self._remembered.note(item, seen)
        return _unless_refused(item, seen)

    async def _upload(self, items: Sequence[Item], bars: Progress) -> list[Held]:
        """What could not be taken in."""
        if not items:
            return []
        outcomes = await at_once(bars, "Uploading", items, self._put)
        ids = [one["id"] for one in outcomes if isinstance(one, dict)]
        failed = await until_settled(self._service, ids, bars) if ids else []
        start = len(self._wanted.prefix)
        return [
            *(one for one in outcomes if isinstance(one, Held)),
            *(Held(one["name"][start:], reason_of(one)) for one in failed),
        ]

    async def _put(self, item: Item) -> dict[str, Any] | Held:
        """The document, or why there is none."""
        name = self._wanted.prefix + item.name
        labels = json.dumps(self._wanted.labels, ensure_ascii=False)
        options = {"groups": sorted(self._wanted.groups), "metadata": labels}
        try:
            async with self._source.copy(item) as copy:
                if refusal := await asyncio.to_thread(_refusal, copy.path, name):
                    self._remembered.note(item, Seen(copy.stamp, "", refusal))
                    return Held(item.name, refusal, fault=False)
                outcome = await upload(self._service, Given(copy.path, name), options)
        except ItemGone as error:
            return Held(item.name, str(error), fault=False)
        except ItemUnavailable as error:
            return Held(item.name, str(error))
        if "problem" in outcome:
            return self._refuse(item, outcome["problem"])
        document: dict[str, Any] = outcome["document"]
        self._remembered.note(item, Seen(copy.stamp, document["sha256"]))
        return document

    def _refuse(self, item: Item, problem: Mapping[str, Any]) -> Held:
        """What the service refuses it will refuse again: a watcher does not send it each time."""
        reason = str(problem.get("detail") or problem.get("title"))
        if 400 <= problem.get("status", 500) < 500:
            self._refused[item] = reason
        return Held(item.name, reason)

    async def _remove(self, documents: Sequence[Gone], bars: Progress) -> list[Held]:
        """What could not be removed."""
        if not documents:
            return []
        outcomes = await at_once(bars, "Removing", documents, self._remove_one)
        return [one for one in outcomes if one is not None]

    async def _remove_one(self, document: Gone) -> Held | None:
        path = f"/v1/documents/{document.id}"
        try:
            # Once more: meanwhile somebody may have put a file of their own in its place.
            if self._wanted.owns(_known(await self._service.call("GET", path))):
                await self._service.call("DELETE", path)
        except Failed as error:
            gone = error.problem.get("status") == 404
            return None if gone else Held(document.name, str(error))
        return None

    def _save(self) -> None:
        try:
            self._remembered.save()
        except OSError as error:
            say(f"The cache of hashes cannot be written: {error}. The next run reads all again.")


def _known(document: Mapping[str, Any]) -> Known:
    return Known(
        id=document["id"],
        name=document["name"],
        sha256=document["sha256"],
        groups=frozenset(document["groups"]),
        metadata=document["metadata"],
    )


def _unless_refused(item: Item, seen: Seen) -> Seen | Held:
    return Held(item.name, seen.refusal, fault=False) if seen.refusal else seen


def _refusal(path: Path, name: str) -> str:
    """Why Cairn does not read the file, found out before it is sent; empty: it may well."""
    try:
        with path.open("rb") as file:
            sniff(file, name)
    except Unreadable as error:
        return str(error)
    return ""
