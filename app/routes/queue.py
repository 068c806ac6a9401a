"""The queue as a whole: what waits, what is worked on, what failed, and how long it will take."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from app.auth import Reader
from app.container import Platform
from app.starting import platform_of
from app.wire.queue import QueueOut

router = APIRouter(prefix="/v1/queue", tags=["documents"])
Here = Annotated[Platform, Depends(platform_of)]


@router.get("")
async def show_queue(caller: Reader, here: Here) -> QueueOut:
    """How much waits, how fast it goes, and whether the queue answers."""
    return QueueOut.of(await here.lookout.backlog(caller.scope))
