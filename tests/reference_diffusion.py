"""Naive float64 versions of section 2.1: alpha is only ever a running product."""

import math

import numpy as np
from scipy.special import ndtr


def alphas(betas):
    """alpha_t, the product of 1 - beta up to t, and alpha_{t-1} (1 before t = 0)."""
    alpha, running = [], 1.0
    for beta in betas:
        running *= 1.0 - beta
        alpha.append(running)
    return np.array(alpha), np.array([1.0, *alpha[:-1]])


def bayes(z, x, alpha, alpha_to):
    """Mean and variance of q(z_s | z_t, x) from prior, likelihood and Bayes' rule.

    Prior z_s ~ N(sqrt(alpha_s) x, 1 - alpha_s); likelihood
    z_t ~ N(sqrt(ratio) z_s, 1 - ratio), where ratio is alpha_t / alpha_s.
    """
    ratio = alpha / alpha_to
    precision = 1.0 / (1.0 - alpha_to) + ratio / (1.0 - ratio)
    prior = math.sqrt(alpha_to) * x / (1.0 - alpha_to)
    likelihood = math.sqrt(ratio) * z / (1.0 - ratio)
    return (prior + likelihood) / precision, 1.0 / precision


def pixel_likelihood(x, mean, deviation):
    """Probability of the bin of x among 256, the outermost reaching to infinity."""
    upper = math.inf if x > 0.999 else x + 1 / 255
    lower = -math.inf if x < -0.999 else x - 1 / 255
    a, b = (lower - mean) / deviation, (upper - mean) / deviation
    return ndtr(b) - ndtr(a) if a < 0 else ndtr(-a) - ndtr(-b)


def bound(betas, t, z, x, denoised, share):
    """One picture's term of the variational bound [bits per dimension]."""
    alpha, before = alphas(betas)
    log_beta = math.log(betas[t])
    first = max(t, 1)  # beta-tilde of t = 0 is that of t = 1
    log_tilde = math.log(bayes(0.0, 0.0, alpha[first], before[first])[1])
    total = 0.0
    for place in np.ndindex(x.shape):
        log_variance = share[place] * log_tilde + (1 - share[place]) * log_beta
        if t == 0:
            deviation = math.exp(0.5 * log_variance)
            likelihood = pixel_likelihood(x[place], denoised[place], deviation)
            total -= math.log(max(likelihood, 1e-12))
            continue
        q, _ = bayes(z[place], x[place], alpha[t], before[t])
        p, _ = bayes(z[place], denoised[place], alpha[t], before[t])
        ratio = math.exp(log_tilde - log_variance)
        squared = (q - p) ** 2 / math.exp(log_variance)
        total += 0.5 * (ratio - 1.0 - math.log(ratio) + squared)
    return total / x.size / math.log(2.0)


def respaced(timesteps, sections):
    """ADM's timesteps for a list of counts: float strides summed up, then rounded."""
    chosen, start = [], 0
    for i, count in enumerate(sections):
        size = timesteps // len(sections) + (i < timesteps % len(sections))
        stride = 1.0 if count <= 1 else (size - 1) / (count - 1)
        total = 0.0
        for _ in range(count):
            chosen.append(start + round(total))
            total += stride
        start += size
    return sorted(set(chosen))
