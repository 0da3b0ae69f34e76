"""The same network in PyTorch."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from serving import serve
from torch_transformer import JiT
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
    """One step of Adam on the same two losses, the decoder's term at t = 0 left out."""
    network = network.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4, fused=True)
    x, _, labels = inputs(order)
    steps = [table.to(x.device) for table in schedule()]

    def step():
        t = torch.randint(1, 1000, [order["batch"]], device=x.device)
        alpha, log_beta, log_tilde, of_x = (
            table[t][:, None, None, None] for table in steps
        )
        z = alpha.sqrt() * x + (1 - alpha).sqrt() * torch.randn_like(x)
        denoised, variance = network(z, t, labels)
        weight = (alpha / (1 - alpha)).sqrt()
        simple = (weight * (denoised - x).square()).mean()
        # KL of two normal distributions whose means differ by what estimate and x do.
        log_p = variance * log_tilde + (1 - variance) * log_beta
        error = (of_x * (denoised.detach() - x)).square() * torch.exp(-log_p)
        ratio = log_tilde - log_p
        vlb = 0.5 / math.log(2) * (torch.expm1(ratio) - ratio + error).mean()
        optimiser.zero_grad()
        (simple + vlb).backward()
        optimiser.step()
        return float(simple)

    return step


def make_sampling(network, order: dict):
    """Steps of DDIM from noise to pictures."""
    network = network.eval().to(memory_format=torch.channels_last)
    z, _, labels = inputs(order)
    alpha = schedule()[0].to(z.device)
    times = torch.linspace(999, 0, order["steps"] + 1, device=z.device).long()

    def draw():
        x = z
        with torch.inference_mode():
            for now, then in pairwise(times):
                denoised = network(x, now[None], labels)[0]
                eps = (x - alpha[now].sqrt() * denoised) / (1 - alpha[now]).sqrt()
                x = alpha[then].sqrt() * denoised + (1 - alpha[then]).sqrt() * eps
            return x.float().cpu().numpy()

    return draw


def schedule() -> tuple[torch.Tensor, ...]:
    """alpha_t, the two log variances, and x's part of the posterior mean, [1000]."""
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha = (1 - betas).cumprod(0)
    before = torch.cat([torch.ones(1), alpha[:-1]])
    tilde = betas * (1 - before) / (1 - alpha)
    of_x = before.sqrt() * betas / (1 - alpha)
    tables = alpha, betas.log(), tilde.clamp(min=tilde[1]).log(), of_x
    return tuple(table.float() for table in tables)


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


def build(order: dict) -> torch.nn.Module:
    """The network of a case."""
    if order["network"]["architecture"] == "jit":
        return JiT(order["network"], order["transformer"])
    return PatchedUNet(order["network"])


def make(order: dict, compiled: Callable = lambda network: network):
    """The work of a case, its network compiled where a compiler is given."""
    torch.backends.cuda.matmul.allow_tf32 = True  # as XLA does, and convolutions here
    network = compiled(build(order).to(device_of(order)))
    makers = {"call": make_call, "train": make_training, "sample": make_sampling}
    return lowered(makers[order["work"]](network, order), order)


def peak() -> float:
    """MiB of the device at most; 0 on a processor."""
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0


if __name__ == "__main__":
    serve(make, peak)
