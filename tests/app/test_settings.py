"""Settings: defaults that run, and names that nobody knows refused."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

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


def test_langfuse_is_set_whole_or_not_at_all_and_the_fault_tells_no_secret() -> None:
    with pytest.raises(BadSettings) as refused:
        read_settings({}, langfuse_url="https://langfuse.example", langfuse_secret_key="sk-lf-1")

    assert str(refused.value) == (
        "CAIRN_LANGFUSE_PUBLIC_KEY: set this too, or nothing of Langfuse."
    )


def test_with_its_url_and_keys_langfuse_is_set() -> None:
    settings = read_settings(
        {},
        langfuse_url="https://langfuse.example",
        langfuse_public_key="pk-lf-1",
        langfuse_secret_key=SecretStr("sk-lf-1"),
    )

    assert settings.langfuse_secret_key.get_secret_value() == "sk-lf-1"
    assert "sk-lf-1" not in repr(settings)


@pytest.mark.parametrize("environment", ["", "Staging", "langfuse-eu", "a b", "x" * 41])
def test_an_environment_is_named_as_langfuse_wants_it(environment: str) -> None:
    with pytest.raises(BadSettings, match="CAIRN_ENVIRONMENT: .*lower case"):
        read_settings({}, environment=environment)


@pytest.mark.parametrize(
    ("name", "value"), [("LANGFUSE_TRACING_ENABLED", "False"), ("OTEL_SDK_DISABLED", "true")]
)
def test_a_variable_that_would_silence_every_trace_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=f"{name}=.* would switch off every trace"):
        read_settings({name: value})
