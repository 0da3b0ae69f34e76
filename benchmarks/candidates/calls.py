"""What sampling must cost at least: its calls of the denoiser, and nothing besides."""

from ours import network_config
from served import make_calls
from serving import serve


def make(order: dict):
    """The work of a case."""
    return make_calls(network_config(order["network"]), order["batch"], order["steps"])


if __name__ == "__main__":
    serve(make)
