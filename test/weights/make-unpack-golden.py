"""Goldens of the block types that are unpacked as they are read, made by the Python package gguf: golden/unpack.safetensors.

    python test/weights/make-unpack-golden.py

For each type T: `T.blocks` (u8 [blocks, bytes], random, with extremes) and `T.values` (f32), what they decode to.
Made with gguf 0.19.0.
"""

from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize
from safetensors.numpy import save_file

BLOCKS = 24
# Where each type keeps its f16 numbers.
HALVES = {"Q5_0": [0], "Q5_1": [0, 2], "Q5_K": [0, 2], "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0]}
EXTREMES = [0.0, -0.0, 65504.0, -65504.0, 2.0**-24, -(2.0**-24), np.inf, np.nan]


def random_blocks(rng, kind):
    """Random bytes with sane scales; then blocks of extreme scales, and blocks of all zeros and all ones."""
    size = GGML_QUANT_SIZES[GGMLQuantizationType[kind]][1]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    blocks[-1, :], blocks[-2, :] = 255, 0
    for at in HALVES[kind]:
        scales = rng.standard_normal(BLOCKS).astype(np.float16)
        scales[: len(EXTREMES)] = EXTREMES
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
    return blocks


def main():
    rng = np.random.default_rng(11)
    tensors = {}
    for kind in HALVES:
        tensors[f"{kind}.blocks"] = random_blocks(rng, kind)
        with np.errstate(all="ignore"):
            tensors[f"{kind}.values"] = dequantize(tensors[f"{kind}.blocks"], GGMLQuantizationType[kind])
    save_file(tensors, Path(__file__).parent / "golden" / "unpack.safetensors")


if __name__ == "__main__":
    main()
