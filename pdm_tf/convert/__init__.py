"""Weights of other programs, as ours."""
