"""Every setting of Cairn, read once at the entry points from `CAIRN_*` variables."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "CAIRN_"
CLIENT_NAMES = frozenset({"CAIRN_URL", "CAIRN_KEY"})
"""Read by the command line, as the service's client."""
SILENCING = {"LANGFUSE_TRACING_ENABLED": "false", "OTEL_SDK_DISABLED": "true"}
"""With one of these, the SDK that makes the spans would make none, and not say so."""
ENVIRONMENT = re.compile(r"(?!langfuse)[a-z0-9_-]{1,40}")
"""What Langfuse allows."""


class BadSettings(Exception):
    """The settings cannot be used. The message lists every fault."""


class Settings(BaseSettings):
    """Nothing needs to be set: the defaults run everything on this machine, in one process."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data: Path = Path("data")
    """The folder that holds everything where no server is configured."""
    host: str = "127.0.0.1"
    """On another address than loopback, every request needs a key."""
    port: int = Field(8400, ge=0, le=65535)
    tenant: str = Field("local", pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")
    """Who one is on loopback without a key."""

    records: str = ""
    """`postgresql+asyncpg://user:password@host/database`; empty: SQLite in the data folder."""
    redis: str = ""
    """`redis://host:6379/0`; empty: a redis-server of our own, as a child."""
    vectors: str = ""
    """`http(s)://host:6333`, a Qdrant server; empty: Qdrant's engine in this process."""
    vectors_api_key: SecretStr = SecretStr("")
    collection: str = Field("cairn", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    files: str = ""
    """`s3://bucket/prefix?endpoint=https://…`; empty: a folder in the data folder."""

    embedder: str = "auto:"
    """`auto:`, `openvino:MODEL`, `torch:MODEL_OR_FOLDER`, or `http(s)://…/v1?model=…&dimension=…`."""
    embedder_api_key: SecretStr = SecretStr("")
    generator: str = "extractive:"
    """`extractive:`, or the URL of an OpenAI-compatible server such as vLLM, `http(s)://…/v1`."""
    model: str = ""
    """The model on that server; empty: the only one it has."""
    generator_api_key: SecretStr = SecretStr("")
    answer_deadline_s: float = Field(120.0, gt=0)

    upload_limit_mb: float = Field(200.0, gt=0)
    parse_limit_s: float = Field(120.0, gt=0)
    parse_limit_mb: int = Field(2048, ge=512)
    keep_versions: int = Field(5, ge=0)
    """Of each document, so many versions before the live one are kept, to be shown and restored."""
    delete_traces: bool = False
    """True: with a document go the traces whose passages are of it; else they stay till they expire."""
    jobs: int = Field(8, ge=1, le=64)
    """Documents that one worker has in work; of them, one per core is read at a time."""
    lease_s: float = Field(30.0, ge=1)
    """A document in work is taken over by another worker when its own was silent for so long."""
    asks: int = Field(16, ge=1)
    """Questions answered at a time; more wait `ask_wait_s`, then get 503."""
    ask_wait_s: float = Field(2.0, ge=0)

    trace_content: bool = True
    """False: traces hold no question, answer or passage, only sizes and ids."""
    trace_days: float = Field(30.0, gt=0)
    trace_limit_mb: int = Field(1024, ge=16)
    langfuse_url: str = Field("", pattern=r"^(https?://[^/]+.*)?$")
    """`https://cloud.langfuse.com`, or a server of your own: gets the traces too; needs both keys."""
    langfuse_public_key: str = ""
    langfuse_secret_key: SecretStr = SecretStr("")
    environment: str = "production"
    """Langfuse's name for where this runs, such as `staging`: lower case, digits, `-` and `_`."""
    log_level: str = Field("INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("host")
    @classmethod
    def _an_address(cls, host: str) -> str:
        if host != "localhost":
            ipaddress.ip_address(host)
        return host

    @field_validator("environment")
    @classmethod
    def _a_name_for_langfuse(cls, environment: str) -> str:
        if not ENVIRONMENT.fullmatch(environment):
            raise ValueError(
                "has 1 to 40 lower case letters, digits, `-` and `_`, and begins not with `langfuse`"
            )
        return environment

    @model_validator(mode="after")
    def _langfuse_whole_or_not_at_all(self) -> Self:
        names = ("langfuse_url", "langfuse_public_key", "langfuse_secret_key")
        missing = [name for name in names if not getattr(self, name)]
        if missing and len(missing) < len(names):
            told = " and ".join(PREFIX + name.upper() for name in missing)
            raise ValueError(f"{told}: set this too, or nothing of Langfuse")
        return self

    @property
    def embedded(self) -> bool:
        """The vector engine lives in this process, so the worker has to as well."""
        return not self.vectors

    @property
    def loopback(self) -> bool:
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback


def read_settings(environment: Mapping[str, str] = os.environ, /, **changes: object) -> Settings:
    """The settings from the environment. Raises `BadSettings`, also for a name nobody knows.

    With defaults for everything, a misspelt name would otherwise silently mean an in-process store
    in production.
    """
    _refuse_unknown(environment)
    _refuse_silence(environment)
    try:
        return Settings(**changes)  # type: ignore[arg-type]
    except ValidationError as error:
        raise BadSettings("\n".join(map(_fault, error.errors()))) from error


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | CLIENT_NAMES
    unknown = sorted(
        name
        for name in environment
        if name.startswith(PREFIX) and not name.startswith("CAIRN_TEST_") and name not in known
    )
    if unknown:
        raise BadSettings("\n".join(_unknown(name, known) for name in unknown))


def _refuse_silence(environment: Mapping[str, str]) -> None:
    silent = [
        name for name, value in SILENCING.items() if environment.get(name, "").lower() == value
    ]
    if silent:
        told = " and ".join(f"{name}={SILENCING[name]}" for name in silent)
        raise BadSettings(
            f"{told} would switch off every trace, and feedback with them. Unset it. To keep words "
            "out of the traces, set CAIRN_TRACE_CONTENT=false."
        )


def _unknown(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}?" if near else "`cairn settings` lists those there are."
    return f"{name} is no setting of Cairn. {hint}"


def _fault(error: Mapping[str, object]) -> str:
    place = error["loc"]
    if not place:  # a fault between settings; its input is all of them, secrets too
        return str(error["msg"]).removeprefix("Value error, ") + "."
    name = PREFIX + str(place[0] if isinstance(place, tuple) else place).upper()
    return f"{name}: {error['msg']}, not {error['input']!r}."
