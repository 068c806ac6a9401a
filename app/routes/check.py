"""Whether records, index and files agree, and the repair of what does not."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Depends

from app.auth import Admin, Caller, Engineer
from app.container import Platform
from app.starting import platform_of
from app.wire.strict import Strict
from ingestion.findings import FAULTS, Finding, Report

router = APIRouter(prefix="/v1/check", tags=["service"])
Here = Annotated[Platform, Depends(platform_of)]


class FindingOut(Strict):
    """One thing that is not as it should be."""

    fault: str
    tenant: str
    document_id: str | None
    version: int | None
    file: str | None
    detail: str
    mendable: bool

    @classmethod
    def of(cls, finding: Finding) -> FindingOut:
        return cls(
            fault=finding.fault,
            tenant=finding.tenant,
            document_id=finding.document_id or None,
            version=finding.version or None,
            file=finding.file or None,
            detail=finding.detail,
            mendable=finding.mendable,
        )


class ReportOut(Strict):
    """What was compared, over all tenants, and what was found."""

    clean: bool
    live: int
    points: int
    files: int
    counts: dict[str, int]
    """Findings by fault, over all tenants."""
    findings: list[FindingOut]
    """In full those of the caller's tenant; of all, on the machine itself without a key."""

    @classmethod
    def of(cls, report: Report, caller: Caller) -> ReportOut:
        found = Counter(finding.fault for finding in report.findings)
        return cls(
            clean=report.clean,
            live=report.live,
            points=report.points,
            files=report.files,
            counts={fault: found[fault] for fault in FAULTS},
            findings=[
                FindingOut.of(finding)
                for finding in report.findings
                if caller.key is None or finding.tenant == caller.scope.tenant
            ],
        )


class RepairedOut(Strict):
    """What was done about it."""

    points_removed: int
    files_removed: int
    sent_back: int
    """Versions that are ingested anew, from their originals."""
    beyond_repair: int
    """Originals that are gone: only another upload helps."""


class RepairOut(Strict):
    """What was found, and what was done about it."""

    found: ReportOut
    repaired: RepairedOut


@router.get("")
async def check(caller: Engineer, here: Here) -> ReportOut:
    """Compares all records, points and files. Versions in work are never found wanting."""
    return ReportOut.of(await here.check.look(), caller)


@router.post("/repair")
async def repair(caller: Admin, here: Here) -> RepairOut:
    """Removes what no record wants; what is not whole is ingested anew and answers meanwhile."""
    done = await here.check.repair()
    here.sweep.hurry()
    return RepairOut(
        found=ReportOut.of(done.report, caller),
        repaired=RepairedOut(
            points_removed=done.points,
            files_removed=done.files,
            sent_back=done.sent_back,
            beyond_repair=sum(not finding.mendable for finding in done.report.findings),
        ),
    )
