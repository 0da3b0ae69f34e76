"""The device's limit: a product of matrices at the case's precision, by PyTorch."""

import torch
from pytorch import device_of
from serving import serve

SIDE = 2048


def make(order: dict):
    """So many products, and their end."""
    low = order["network"]["precision"] != "float32"
    kind = torch.bfloat16 if low else torch.float32
    a, b = (torch.randn(SIDE, SIDE, dtype=kind, device=device_of(order)) for _ in "ab")

    def work():
        for _ in range(order["products"]):
            out = a @ b
        return float(out[0, 0])

    return work


if __name__ == "__main__":
    serve(make)
