"""Goldens of the weight readers, made by safetensors and PyTorch: what the reference writes, reads and refuses.

    python test/weights/make-golden.py                    writes golden/reference.* and golden/conversions.txt
    WEIGHTS_TEST_OUT=DIR npm test -- test/weights         lets the tests keep the files that they wrote and broke
    python test/weights/make-golden.py --verify DIR       the reference reads those that we wrote; it must find the same
    python test/weights/make-golden.py --judge DIR        writes golden/verdicts.txt: what it makes of the broken ones

Made with torch 2.15.0 and safetensors 0.8.0.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import safetensors
import torch
from safetensors.torch import save_file

golden = Path(__file__).parent / "golden"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def meaning(path):
    """What the reference reads from a file, one line a tensor, sorted by name; None when it refuses the file."""
    try:
        tensors = safetensors.deserialize(Path(path).read_bytes())
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError:
        return None
    lines = [[name, t["dtype"], list(t["shape"]), sha256(bytes(t["data"]))] for name, t in sorted(tensors)]
    lines.append(sorted(metadata.items()))
    return [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines]


def f32_hex(tensor):
    return tensor.float().contiguous().view(torch.int32).numpy().astype("<i4").tobytes().hex()


def reference():
    torch.manual_seed(0)
    special = torch.tensor([0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-40, 65504.0, 1 / 3])
    tensors = {
        "f64": torch.randn(3, 2, dtype=torch.float64),
        "f32": torch.randn(4, 3),
        "f32.special": special,
        "f16": torch.randn(5, dtype=torch.float16),
        "f16.special": special.half(),
        "bf16": torch.randn(2, 7, dtype=torch.bfloat16),
        "bf16.special": special.bfloat16(),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(3, 0, 2),
        "10": torch.arange(4, dtype=torch.int32),
        "2": torch.arange(3, dtype=torch.int64),
        "__proto__": torch.tensor([1, 2, 255], dtype=torch.uint8),
        "größe.重み.𝒘.\ufb01": torch.tensor([True, False, True]),
        'quote " backslash \\ tab \t bell \a': torch.tensor([-1, 1], dtype=torch.int8),
        "f8": torch.randn(3).to(torch.float8_e4m3fn),
        "i16": torch.tensor([[-2], [2]], dtype=torch.int16),
        "c64": torch.tensor([1 + 2j], dtype=torch.complex64),
    }
    path = golden / "reference.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    (golden / "reference.txt").write_text("\n".join(meaning(path)) + "\n")
    floats = {name: f32_hex(t) for name, t in tensors.items() if t.dtype in halves or t.dtype.itemsize >= 4 and t.is_floating_point()}
    (golden / "reference-f32.txt").write_text("".join(f"{name} {bits}\n" for name, bits in floats.items()))


halves = {torch.float16: ("f16", 0x7E00), torch.bfloat16: ("bf16", 0x7FC0)}


def conversions():
    """Hashes over every pattern (decoding) and every rounding boundary (encoding), each NaN as the plain quiet one."""
    lines = []
    patterns = torch.from_numpy(np.arange(65536, dtype=np.uint16).view(np.int16))
    # Each multiple of 2^12 as f32 bits, and both its neighbours: all midpoints between neighbours in f16 (subnormal ones
    # too) and in bf16 are among them.
    grid = (np.arange(2**20, dtype=np.uint32)[:, None] << 12) + np.array([-1, 0, 1]).astype(np.uint32)
    sweep = torch.from_numpy(grid.reshape(-1).view(np.int32)).view(torch.float32)
    samples = np.array(
        [0, 0x80000000, 0x3F800000, 0x3F801000, 0x3F801001, 0x3F803000, 0x3F808000, 0x3F818000, 0x477FEFFF, 0x477FF000]
        + [0x33000000, 0x33000001, 0x33800000, 0x387FC000, 0x387FE000, 0x38800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 1],
        dtype=np.uint32,
    )
    for dtype, (name, quiet) in halves.items():
        decoded = patterns.view(dtype).float()
        bits = torch.where(decoded.isnan(), torch.tensor(0x7FC00000, dtype=torch.int32), decoded.view(torch.int32))
        lines.append(f"decode {name} {sha256(bits.numpy().astype('<i4').tobytes())}")
        encoded = torch.where(sweep.isnan(), torch.tensor(quiet, dtype=torch.int16), sweep.to(dtype).view(torch.int16))
        lines.append(f"encode {name} {sha256(encoded.numpy().astype('<i2').tobytes())}")
        rounded = torch.from_numpy(samples.view(np.int32)).view(torch.float32).to(dtype).view(torch.int16).numpy()
        for bits, half in zip(samples, rounded.view(np.uint16)):
            lines.append(f"sample {name} {bits:08x} {half:04x}")
    (golden / "conversions.txt").write_text("\n".join(lines) + "\n")


def verify(directory):
    files = sorted(directory.glob("written-*.safetensors"))
    for file in files:
        expected = file.with_suffix(".txt").read_text(encoding="utf-8").split("\n")
        assert meaning(file) == expected, f"{file}: the reference reads something else"
    assert files, f"no written files in {directory}"
    print(f"{len(files)} files that we wrote: the reference reads the same")


def judge(directory):
    files = sorted(directory.glob("broken-*.safetensors"))
    verdicts = []
    for file in files:
        lines = meaning(file)
        verdicts.append("refused" if lines is None else sha256("\n".join(lines).encode())[:16])
    corpus = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
    (golden / "verdicts.txt").write_text("\n".join([corpus, *verdicts]) + "\n")
    print(f"{len(files)} broken files, {verdicts.count('refused')} refused by the reference")


if len(sys.argv) == 3 and sys.argv[1] == "--verify":
    verify(Path(sys.argv[2]))
elif len(sys.argv) == 3 and sys.argv[1] == "--judge":
    judge(Path(sys.argv[2]))
elif len(sys.argv) == 1:
    golden.mkdir(exist_ok=True)
    reference()
    conversions()
else:
    sys.exit(__doc__)
