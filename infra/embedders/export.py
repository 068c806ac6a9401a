"""A checkpoint turned into an OpenVINO model with int8 weights, checked against its original.

Run as `python -m infra.embedders.export CHECKPOINT FOLDER`, so that torch is loaded in a process
of its own. Lines on standard output that begin with `PROGRESS` say in words what is being done.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from infra.embedders.artefact import META_FILE, PROGRESS
from infra.embedders.check_texts import CHECK_TEXTS
from infra.embedders.checkpoint import Checkpoint, read_checkpoint
from infra.embedders.openvino import MODEL_FILE, TOKENIZER_FILE, open_runner
from retrieval.index import Vector


def main(arguments: list[str]) -> None:
    """Fills the folder. What goes wrong goes wrong loudly: the caller reads standard error."""
    name, target = arguments
    started = time.monotonic()
    checkpoint, folder = read_checkpoint(name), Path(target)
    _say("Loading the original model")
    encoder = _encoder(checkpoint)
    shutil.copyfile(checkpoint.tokenizer, folder / TOKENIZER_FILE)
    _say("Converting it to OpenVINO with int8 weights")
    _convert(encoder, folder / MODEL_FILE)
    _say(f"Comparing both on {len(CHECK_TEXTS)} texts")
    cosines = _cosines(encoder, checkpoint, folder)
    meta = {
        "checkpoint": {**asdict(checkpoint), "folder": str(checkpoint.folder)},
        "cosine_mean": float(cosines.mean()),
        "cosine_min": float(cosines.min()),
        "seconds": round(time.monotonic() - started, 1),
    }
    (folder / META_FILE).write_text(json.dumps(meta, indent=2))


def _say(words: str) -> None:
    sys.stdout.write(PROGRESS + words + "\n")
    sys.stdout.flush()


def _encoder(checkpoint: Checkpoint) -> Any:
    """A torch module from (input_ids, attention_mask) to vectors of unit length, in fp32."""
    import torch
    from transformers import AutoModel

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = AutoModel.from_pretrained(
                checkpoint.folder, local_files_only=True, dtype=torch.float32
            )

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states = self.transformer(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            pooled = states[:, 0]
            if checkpoint.pooling == "mean":
                weights = attention_mask.unsqueeze(-1).to(states.dtype)
                pooled = (states * weights).sum(1) / weights.sum(1)
            return torch.nn.functional.normalize(pooled, dim=1)

    return Encoder().eval()


def _convert(encoder: Any, file: Path) -> None:
    import nncf
    import openvino
    import torch

    example = torch.ones((2, 8), dtype=torch.int64)
    with torch.no_grad():
        model = openvino.convert_model(
            encoder, example_input={"input_ids": example, "attention_mask": example}
        )
    model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    openvino.save_model(model, file)


def _cosines(encoder: Any, checkpoint: Checkpoint, folder: Path) -> Vector:
    """Per text: the cosine between the original's vector and the exported model's."""
    import torch

    runner = open_runner(folder, checkpoint.window_tokens, streams=1)
    ids = runner.token_ids(CHECK_TEXTS)
    request = runner.new_request()
    exported = np.concatenate([runner.infer([row], request) for row in ids])
    with torch.no_grad():
        original = np.concatenate(
            [encoder(row, torch.ones_like(row)).numpy() for row in map(_row, ids)]
        )
    cosines: Vector = (original * exported).sum(axis=1)
    return cosines


def _row(ids: list[int]) -> Any:
    import torch

    return torch.tensor([ids], dtype=torch.int64)


if __name__ == "__main__":
    main(sys.argv[1:])
