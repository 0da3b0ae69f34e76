"""The same network in PyTorch."""

import torch
from serving import serve
from torch_unet import PatchedUNet

torch.set_num_threads(torch.get_num_threads())


def make_call(network, order: dict):
    """One evaluation, channels-last, without gradients."""
    network = network.eval().to(memory_format=torch.channels_last)
    z, t, labels = inputs(order)

    def call():
        with torch.inference_mode():
            return [out.float().cpu().numpy() for out in network(z, t, labels)]

    return call


def make_training(network, order: dict):
    """One step of Adam on the same two losses: belief against x, variance by itself.

    The variational bound is replaced by a loss of the same shape that costs less, so
    that PyTorch is not charged for our formula.
    """
    network = network.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4, fused=True)
    x, t, labels = inputs(order)
    signal = torch.rand(order["batch"], 1, 1, 1, device=x.device)

    def step():
        eps = torch.randn_like(x)
        z = signal.sqrt() * x + (1 - signal).sqrt() * eps
        out, variance = network(z, t.expand(order["batch"]), labels)
        loss = (out - x).square().mean() + (variance - x).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def inputs(order: dict):
    """Noise, a timestep, and labels where there are classes."""
    height, width, colours = order["network"]["image_shape"]
    device = device_of(order)
    z = torch.randn(order["batch"], colours, height, width, device=device)
    z = z.to(memory_format=torch.channels_last)
    classes = order["network"]["num_classes"]
    labels = torch.arange(order["batch"], device=device) % classes if classes else None
    return z, torch.tensor([500], device=device), labels


def device_of(order: dict) -> torch.device:
    """Where a case is computed."""
    return torch.device({"cpu": "cpu", "gpu": "cuda"}[order["device"]])


def lowered(work, order: dict):
    """The same work at the precision of the case, by autocast."""
    if order["network"]["precision"] == "float32":
        return work

    def run():
        with torch.autocast(device_of(order).type, torch.bfloat16):
            return work()

    return run


def make(order: dict):
    """The work of a case."""
    network = PatchedUNet(order["network"]).to(device_of(order))
    work = {"call": make_call, "train": make_training}[order["work"]](network, order)
    return lowered(work, order)


if __name__ == "__main__":
    serve(make)
