"""The device's limit: a product of matrices at the case's precision, by PyTorch."""

import torch
from pytorch import device_of
from serving import serve

SIDE = 2048
REPEATED = {"cpu": 1, "gpu": 64}  # products a turn: one is too short to be timed there


def make(order: dict):
    """So many products, and their end; the race counts them as one."""
    low = order["network"]["precision"] != "float32"
    kind = torch.bfloat16 if low else torch.float32
    a, b = (torch.randn(SIDE, SIDE, dtype=kind, device=device_of(order)) for _ in "ab")

    def work():
        for _ in range(REPEATED[order["device"]]):
            out = a @ b
        return float(out[0, 0])

    return work


if __name__ == "__main__":
    serve(make)
