"""The same races on an accelerator, where TensorFlow itself may be missing.

`python -m benchmarks.accelerator.prepare` writes our graphs as StableHLO, here;
`python -m benchmarks.accelerator` races them there, compiled by the XLA that comes with
JAX, against PyTorch. It needs jax and torch alone.
"""
