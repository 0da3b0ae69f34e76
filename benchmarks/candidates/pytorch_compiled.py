"""The same network in PyTorch, compiled by its inductor."""

import pytorch
import torch
from serving import serve


def make(order: dict):
    """The work of a case."""
    return pytorch.make(order, torch.compile)


if __name__ == "__main__":
    serve(make, pytorch.peak)
