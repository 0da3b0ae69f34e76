"""Teaches a network: objective, optimiser, averaged weights, loop, checkpoints."""
