"""Goldens of the block-quantized dtypes, made by the Python package gguf: golden/blocks.safetensors.

    python test/weights/make-blocks-golden.py

For each dtype D: `D.blocks` (u8 [blocks, bytes], random, with extremes) and `D.values` (f32), what they decode to;
`D.quantized` (u8) is made of the rows of `input` (f32 [rows, 32]) or, for the K blocks, of `wide` (f32 [rows, 256]). The
package has no quantizer for the latter, so they come from ggml itself. Made with gguf 0.19.0, llama_cpp_python 0.3.36.
"""

import ctypes
from pathlib import Path

import llama_cpp

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


def wide_rows(rng):
    """Rows of 256: normal and heavy-tailed, one-sided, constant, half zero."""
    rows = rng.standard_normal((20, 256)) * 10.0 ** rng.integers(-4, 2, (20, 1))
    special = np.zeros((4, 256))
    special[1], special[2], special[3, 128:] = 1.0, -0.25, rng.standard_normal(128)
    one_sided = np.abs(rng.standard_normal((4, 256))) * [[1], [-1], [0.01], [-0.01]]
    return np.concatenate([rows, rng.standard_t(2, (8, 256)), one_sided, special]).astype(np.float32)


def ggml_quantize(rows, kind):
    """ggml_quantize_chunk of the ggml that llama_cpp carries."""
    ggml = ctypes.CDLL(str(Path(llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + 3 * [ctypes.c_int64] + [ctypes.c_void_p]
    out = np.zeros((len(rows), GGML_QUANT_SIZES[kind][1]), np.uint8)
    ggml.ggml_quantize_chunk(int(kind), rows.ctypes.data, out.ctypes.data, 0, len(rows), 256, None)
    return out


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
    tensors["wide"] = wide_rows(rng)
    for dtype in ("q4_K", "q6_K"):
        tensors[f"{dtype}.quantized"] = ggml_quantize(tensors["wide"], GGMLQuantizationType[dtype.upper()])
    save_file(tensors, Path(__file__).parent / "golden" / "blocks.safetensors")


if __name__ == "__main__":
    main()
