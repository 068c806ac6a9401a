"""A tiny Llama with random weights, made on the spot: a real model for a real server, saying nothing.

Greedy decoding gives the same meaningless words every time, and never the end-of-text token, so an
answer is exactly as long as `max_tokens` allows and a stream can be as long as a test needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

CONTEXT_TOKENS = 8192
END = "<|end|>"
ROLES = ("system", "user", "assistant")
TEXT = (
    "You have twenty eight days of leave a year. Invoices are payable within thirty days of "
    "receipt. Answer from the numbered sources only, and cite each one that you use. The tea is "
    "kept in the second cupboard on the left, beside the kettle. "
)
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    + END
    + "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIALS = (END, *(f"<|{role}|>" for role in ROLES))
HIDDEN, INNER, LAYERS, HEADS, KV_HEADS = 128, 256, 2, 4, 2

Weights = dict[str, NDArray[np.float32]]


def write_tiny_model(folder: Path) -> Path:
    """Writes config, weights (float32, about 0.5 MB) and tokenizer; answers the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _train_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config())
    _write_json(folder / "config.json", _config(tokenizer))
    save_file(_weights(tokenizer), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _train_tokenizer() -> Tokenizer:
    """Byte-level BPE: no text is unknown to it, whatever a test asks."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(SPECIALS),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT] * 4, trainer)
    return tokenizer


def _tokenizer_config() -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "chat_template": TEMPLATE,
        "model_max_length": CONTEXT_TOKENS,
        "clean_up_tokenization_spaces": False,
    }


def _config(tokenizer: Tokenizer) -> dict[str, object]:
    end = tokenizer.token_to_id(END)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HIDDEN // HEADS,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": CONTEXT_TOKENS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "eos_token_id": end,
        "bos_token_id": end,
        "pad_token_id": end,
        "torch_dtype": "float32",
    }


def _weights(tokenizer: Tokenizer) -> Weights:
    rng = np.random.default_rng(20_24)
    tokens = tokenizer.get_vocab_size()
    weights = {
        "model.embed_tokens.weight": _normal(rng, tokens, HIDDEN, scale=1.0),
        "model.norm.weight": np.ones(HIDDEN, np.float32),
        "lm_head.weight": _head(rng, tokenizer),
    }
    for layer in range(LAYERS):
        for name, weight in _layer(rng):
            weights[f"model.layers.{layer}.{name}.weight"] = weight
    return weights


def _head(rng: np.random.Generator, tokenizer: Tokenizer) -> NDArray[np.float32]:
    """A row of zeros is never the likeliest token: only whole words from `TEXT` are said."""
    head = np.zeros((tokenizer.get_vocab_size(), HIDDEN), np.float32)
    words = [token for text, token in tokenizer.get_vocab().items() if text[0] == "Ġ" and text[1:]]
    head[sorted(words)] = _normal(rng, len(words), HIDDEN, scale=1.0)
    return head


def _layer(rng: np.random.Generator) -> Iterator[tuple[str, NDArray[np.float32]]]:
    shared = HIDDEN // HEADS * KV_HEADS
    shapes = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (shared, HIDDEN),
        "self_attn.v_proj": (shared, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (INNER, HIDDEN),
        "mlp.up_proj": (INNER, HIDDEN),
        "mlp.down_proj": (HIDDEN, INNER),
    }
    for name, (rows, columns) in shapes.items():
        yield name, _normal(rng, rows, columns, scale=columns**-0.5)
    yield "input_layernorm", np.ones(HIDDEN, np.float32)
    yield "post_attention_layernorm", np.ones(HIDDEN, np.float32)


def _normal(
    rng: np.random.Generator, rows: int, columns: int, *, scale: float
) -> NDArray[np.float32]:
    return (rng.standard_normal((rows, columns)) * scale).astype(np.float32)


def _write_json(path: Path, value: dict[str, object]) -> None:
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")
