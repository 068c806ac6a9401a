"""Support by words: what the sources say passes, what they do not say does not."""

from __future__ import annotations

from time import perf_counter

import pytest

from retrieval.ground import OverlapGrounder

PASSAGES = [
    "Everyone has 28 days of leave a year. Unused leave expires on 31 March. "
    "Interns have no claim to leave in August.",
    "The Wren 40 shows E-017 when its pressure sensor drifts. Jonas Ferrant heads support.",
]


@pytest.mark.parametrize(
    "claim",
    [
        "Everyone has 28 days of leave a year [1].",
        "You have 28 days of leave each year, and unused leave expires on 31 March [1].",
        "Support is headed by Jonas Ferrant.",
        "E-017 means that the pressure sensor of the Wren 40 drifts.",
        "Interns have no claim to leave in August.",
    ],
)
async def test_what_the_passages_say_is_supported(claim: str) -> None:
    support = await OverlapGrounder().support(claim, PASSAGES)

    assert support.supported, support


@pytest.mark.parametrize(
    ("claim", "signal"),
    [
        ("Everyone has 35 days of leave a year.", "numbers"),
        ("The Wren 40 shows E-018 when its pressure sensor drifts.", "numbers"),
        ("Support is headed by Maria Ferrant.", "names"),
        ("Everyone does not have 28 days of leave a year.", "negation"),
        ('It says "everyone must work in August without leave".', "quotations"),
        ("Pilots pay for their uniforms and meals.", "coverage"),
    ],
)
async def test_what_they_do_not_say_is_noticed_and_the_reason_named(
    claim: str, signal: str
) -> None:
    support = await OverlapGrounder().support(claim, PASSAGES)

    assert not support.supported or signal == "names"
    assert support.signals[signal] < 1


async def test_nothing_is_supported_by_nothing() -> None:
    assert not (await OverlapGrounder().support("Everyone has leave.", [])).supported


async def test_a_stricter_threshold_supports_less() -> None:
    claim = "You can have 28 days of paid leave in a normal year."

    strict = await OverlapGrounder(threshold=0.95).support(claim, PASSAGES)
    mild = await OverlapGrounder(threshold=0.3).support(claim, PASSAGES)

    assert strict.score == mild.score
    assert (strict.supported, mild.supported) == (False, True)


async def test_a_sentence_is_checked_against_eight_long_passages_in_a_few_milliseconds() -> None:
    passages = [" ".join(PASSAGES) * 5] * 8
    grounder = OverlapGrounder()
    await grounder.support("Warm up, everyone.", passages)

    started = perf_counter()
    for _ in range(10):
        await grounder.support("Everyone has 29 days of leave in a year.", passages)

    # 5 ms each is the goal; this only catches another order of growth on a busy machine.
    assert (perf_counter() - started) / 10 < 0.1
