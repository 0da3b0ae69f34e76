"""Inverse problems: operators that measure, and solvers, one file a paper.

A solver's file has `Config`, `PAPER`, `NEEDS_GRADIENT` and

    solve(denoise, problem, grid, seeds, config) -> x [N, H, W, C]

It runs through the one sampling loop, with whatever denoiser it is given.
"""
