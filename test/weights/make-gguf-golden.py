"""Goldens of the GGUF reader, made by the Python package gguf: golden/reference.gguf, and reference-gguf.json, what its
own reader finds in there.

    python test/weights/make-gguf-golden.py
    python test/weights/make-gguf-golden.py --read FILE    prints what it finds in FILE, in the form of reference-gguf.json

Made with gguf 0.19.0.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf import GGMLQuantizationType as T
from gguf.quants import quantize

golden = Path(__file__).parent / "golden"
SCALARS = {
    "u8": (GGUFValueType.UINT8, 255),
    "i8": (GGUFValueType.INT8, -128),
    "u16": (GGUFValueType.UINT16, 65535),
    "i16": (GGUFValueType.INT16, -32768),
    "u32": (GGUFValueType.UINT32, 2**32 - 1),
    "i32": (GGUFValueType.INT32, -(2**31)),
    "f32": (GGUFValueType.FLOAT32, 0.1),
    "bool": (GGUFValueType.BOOL, True),
    "u64": (GGUFValueType.UINT64, 2**64 - 1),
    "i64": (GGUFValueType.INT64, -(2**63)),
    "f64": (GGUFValueType.FLOAT64, 0.1),
    "string": (GGUFValueType.STRING, "naïve 🤖\n\u0000 end"),
}


def write(path):
    rng = np.random.default_rng(5)
    writer = GGUFWriter(path, "llama")
    writer.add_custom_alignment(64)
    for name, (kind, value) in SCALARS.items():
        writer.add_key_value(f"test.{name}", value, kind)
        writer.add_key_value(f"test.array.{name}", [value, value], GGUFValueType.ARRAY, sub_type=kind)
    writer.add_key_value("test.empty", "", GGUFValueType.STRING)
    writer.add_key_value("__proto__", "a name of the language", GGUFValueType.STRING)

    matrix = rng.standard_normal((3, 256)).astype(np.float32)
    writer.add_tensor("f32", matrix[:, :7].copy())
    writer.add_tensor("f16", matrix[:2, :5].astype(np.float16))
    writer.add_tensor("vector", matrix[0, :3].copy())
    writer.add_tensor("cube", matrix[:, :8].reshape(3, 4, 2).copy())
    for name in ("BF16", "Q8_0", "Q4_0", "Q4_1"):
        writer.add_tensor(name.lower(), quantize(matrix, T[name]), raw_dtype=T[name])
    for name, size in (("Q4_K", 144), ("Q6_K", 210), ("Q5_K", 176)):
        writer.add_tensor(name, rng.integers(0, 256, (3, size), dtype=np.uint8), raw_dtype=T[name])
    writer.add_tensor("i8", np.arange(-3, 3, dtype=np.int8))
    writer.add_tensor("i32", np.arange(4, dtype=np.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def plain(value):
    """JSON has no integers above 2^53 and no f32: integers as text, floats as hexadecimal f64."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bool) or isinstance(value, str):
        return value
    return value.hex() if isinstance(value, float) else str(value)


def meaning(path):
    reader = GGUFReader(path)
    names = {kind: name for name, (kind, _) in SCALARS.items()} | {GGUFValueType.ARRAY: "array"}
    return {
        "metadata": [
            [field.name, [names[kind] for kind in field.types], plain(field.contents())]
            for field in reader.fields.values()
            if not field.name.startswith("GGUF.")
        ],
        "tensors": [
            [t.name, t.tensor_type.name, [int(dim) for dim in reversed(t.shape)], hashlib.sha256(t.data.tobytes()).hexdigest()]
            for t in reader.tensors
        ],
    }


def main():
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(meaning(sys.argv[2]), ensure_ascii=False))
        return
    write(golden / "reference.gguf")
    text = json.dumps(meaning(golden / "reference.gguf"), ensure_ascii=False, indent=1)
    (golden / "reference-gguf.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
