"""What gguf and bitsandbytes make of a few weights: writes ``data/library_vectors.json`` where both are installed."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

PLACE = Path(__file__).parent / "data" / "library_vectors.json"


def weights() -> np.ndarray:
    rng = np.random.default_rng(20)
    w = 0.2 * rng.standard_t(4, size=(6, 64))
    w[1, :32] = np.round(8.0 * w[1, :32]) / 8.0  # ties
    w[2, :40] = 0.0
    w[3] = 0.75
    w[4] = np.abs(w[4])
    w[5, 7] = -w[5].max() - 1.0
    return w.astype(np.float32)


def main() -> None:
    import bitsandbytes.functional as bnb
    import torch
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    w, released = weights(), {}
    for name in ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0"):
        kind = GGMLQuantizationType[name.upper()]
        released[name] = dequantize(quantize(w, kind), kind)
    for name in ("nf4", "fp4"):
        packed, state = bnb.quantize_4bit(torch.tensor(w), blocksize=64, quant_type=name)
        pairs = packed.numpy().reshape(-1, 1) >> np.array([4, 0]) & 15
        levels = state.code.numpy()[pairs.reshape(w.shape)]
        released[name] = levels * state.absmax.numpy()[:, None]
        packed, state = bnb.quantize_4bit(torch.tensor(w), blocksize=64, quant_type=name, compress_statistics=True)
        released[f"{name}:double"] = bnb.dequantize_4bit(packed, state).numpy()
    versions = {name: version(name) for name in ("gguf", "bitsandbytes", "torch")}
    found = {name: values.astype(float).tolist() for name, values in released.items()}
    text = json.dumps({"versions": versions, "weights": w.astype(float).tolist(), "released": found})
    PLACE.write_text(text.replace("], ", "],\n").replace("}, ", "},\n") + "\n")


if __name__ == "__main__":
    main()
