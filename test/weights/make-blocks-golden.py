"""Goldens of the block-quantized dtypes, made by the Python package gguf: golden/blocks.safetensors.

    python test/weights/make-blocks-golden.py

For each dtype D: `D.blocks` (u8 [blocks, bytes], random, with extremes) and `D.values` (f32), what they decode to; for
those with a quantizer there `D.quantized` (u8), made of the rows of `input` (f32 [rows, 32]). Made with gguf 0.19.0.
"""

from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

BLOCKS = 24
# Where each dtype keeps its f16 numbers.
HALVES = {"q8_0": [0], "q4_0": [0], "q4_1": [0, 2], "q4_K": [0, 2], "q6_K": [208]}
EXTREMES = [0.0, -0.0, 65504.0, -65504.0, 2.0**-24, -(2.0**-24), np.inf, np.nan]


def random_blocks(rng, dtype):
    """Random bytes with sane scales; then blocks of extreme scales, and blocks of all zeros and all ones."""
    size = GGML_QUANT_SIZES[GGMLQuantizationType[dtype.upper()]][1]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    blocks[-1, :], blocks[-2, :] = 255, 0
    for at in HALVES[dtype]:
        scales = rng.standard_normal(BLOCKS).astype(np.float16)
        scales[: len(EXTREMES)] = EXTREMES
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
    return blocks


def rows_to_quantize(rng):
    """Normal values of several magnitudes, ties, zeros, constants, one-sided rows and numbers beneath f16."""
    rows = [rng.standard_normal((40, 32)) * 10.0 ** rng.integers(-6, 4, (40, 1))]
    for top in (127.0, -127.0, 8.0, -8.0, 15.0, 7.5, -3.0):
        ties = rng.integers(-14, 15, (2, 32)) / 2
        ties[:, 5] = top
        rows.append(ties)
    rows.append(np.abs(rng.standard_normal((4, 32))))
    rows.append(-np.abs(rng.standard_normal((4, 32))))
    rows.append(np.stack([np.full(32, value) for value in (0.0, 1.0, -0.1, 3e-5, 1e-8, 1e-30)]))
    return np.concatenate(rows).astype(np.float32)


def main():
    rng = np.random.default_rng(7)
    tensors = {"input": rows_to_quantize(rng)}
    for dtype in HALVES:
        kind = GGMLQuantizationType[dtype.upper()]
        tensors[f"{dtype}.blocks"] = random_blocks(rng, dtype)
        with np.errstate(all="ignore"):
            tensors[f"{dtype}.values"] = dequantize(tensors[f"{dtype}.blocks"], kind)
        if dtype in ("q8_0", "q4_0", "q4_1"):
            tensors[f"{dtype}.quantized"] = quantize(tensors["input"], kind)
    save_file(tensors, Path(__file__).parent / "golden" / "blocks.safetensors")


if __name__ == "__main__":
    main()
