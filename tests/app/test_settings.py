"""Settings: defaults that run, and names that nobody knows refused."""

from __future__ import annotations

import pytest

from app.settings import BadSettings, Settings, read_settings


def test_nothing_has_to_be_set() -> None:
    settings = read_settings({})

    assert settings.embedded
    assert settings.loopback


def test_a_misspelt_name_is_refused_with_the_name_that_was_meant() -> None:
    with pytest.raises(BadSettings, match="CAIRN_VECTOR is no setting.*Did you mean CAIRN_VECTORS"):
        read_settings({"CAIRN_VECTOR": "http://qdrant:6333"})


def test_every_unknown_name_is_told_at_once() -> None:
    with pytest.raises(BadSettings) as refused:
        read_settings({"CAIRN_QDRANT": "x", "CAIRN_POSTGRES": "y"})

    assert "CAIRN_QDRANT" in str(refused.value)
    assert "CAIRN_POSTGRES" in str(refused.value)


def test_names_of_others_are_nobodys_business() -> None:
    read_settings({"PATH": "/bin", "CAIRN_TEST_DATA": "/data", "CAIRN_URL": "http://cairn"})


def test_a_value_out_of_range_says_which_setting_and_which_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAIRN_PORT", "70000")

    with pytest.raises(BadSettings, match="CAIRN_PORT: .*65535, not '70000'"):
        read_settings()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_only_loopback_is_loopback(host: str, loopback: bool) -> None:
    assert Settings(host=host).loopback is loopback


def test_a_name_is_no_address_to_listen_on() -> None:
    with pytest.raises(BadSettings, match="CAIRN_HOST"):
        read_settings({}, host="my-machine")


def test_secrets_do_not_show() -> None:
    settings = read_settings({}, generator_api_key="sk-very-secret")

    assert "very-secret" not in repr(settings)
