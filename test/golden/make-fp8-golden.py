"""Makes fp8.safetensors: 8-bit floats with scales for blocks of 128 x 128, and what PyTorch makes of them in f32.

    python test/golden/make-fp8-golden.py

All 256 patterns in shapes whose last blocks are not whole: 130 rows have 2 blocks, 576 columns have 5.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

torch.manual_seed(30)
tensors = {}
for name, rows, columns in (("tall", 130, 16), ("wide", 2, 576)):
    bits = torch.arange(rows * columns).remainder(256).to(torch.uint8).reshape(rows, columns)
    weight = bits.view(torch.float8_e4m3fn)
    scales = torch.rand(-(-rows // 128), -(-columns // 128)) * 1e-3 + 1e-5
    each = scales.repeat_interleave(128, 0)[:rows].repeat_interleave(128, 1)[:, :columns]
    tensors |= {f"{name}.weight": weight, f"{name}.weight_scale_inv": scales, f"{name}.expected": weight.float() * each}
save_file(tensors, Path(__file__).parent / "fp8.safetensors")
