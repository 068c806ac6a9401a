"""The service is killed in earnest, ten times, and nothing is lost. `make chaos` does it a hundred."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from evals.benchmarks.chaos import checked, verdict
from evals.benchmarks.killing import POINTS, Feeder, Given, Harness, Service
from tests.chaos.launcher import POINTS as LAUNCHED
from tests.ingestion.fakes import sections

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

BLOWS = [
    "after-claim",
    "after-parse",
    "mid-upsert",
    "random",
    "after-embed",
    "redis-killed",
    "during-upload",
    "after-publish",
    "during-delete",
    "before-cleanup",
]
RECOVERED_S = 30.0
"""Without taking over what an earlier process had in work, it would be a lease more than the start."""


@pytest.fixture
async def service(tmp_path: Path, models: Path) -> AsyncIterator[Service]:
    (tmp_path / "models").symlink_to(models)
    service = Service(tmp_path, tmp_path / "service.log")
    yield service
    if service.alive:
        service.kill()


def test_the_harness_and_the_launcher_know_the_same_points() -> None:
    assert POINTS == LAUNCHED


async def test_after_ten_kills_nothing_is_lost_doubled_or_left_over(service: Service) -> None:
    chance = random.Random(1)
    names = [f"birds/{number}.md" for number in range(20)]
    feeder = Feeder(service, [Given(n, sections(n, "and more").encode()) for n in names], chance)
    feeder.start()

    blows = await Harness(service, feeder, chance).deal(BLOWS)
    await feeder.stop()
    ends, wrong = await verdict(feeder)
    code, said = await checked(service)
    await feeder.http.aclose()

    assert wrong == []
    assert code == 0, said
    assert ends["ready"] == len(feeder.told.documents)
    assert max(blow.recovery_s for blow in blows) < RECOVERED_S
