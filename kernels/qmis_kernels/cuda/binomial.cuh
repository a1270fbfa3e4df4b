// Binomial numbers by inversion of one uniform, searching outwards from the mode.
#pragma once
#include "elementary.cuh"

namespace qmis {

// log n! - (n log n - n + log(2 pi n) / 2), n >= 1.
__device__ inline double stirling_error(long long n) {
    if (n < 16) {
        return STIRLING_TABLE[n];
    }
    const double x = (double)n;
    const double square = x * x;
    const double(&s)[5] = STIRLING_SERIES;
    return (s[0] - (s[1] - (s[2] - (s[3] - s[4] / square) / square) / square) / square) / x;
}

// x log(x / mean) + mean - x, without cancellation where x is close to the mean.
__device__ inline double deviance(double x, double mean) {
    const double v = (x - mean) / (x + mean);
    if (fabs(v) >= 0.1) {
        return x * log(x / mean) + mean - x;
    }
    double total = (x - mean) * v;
    double term = 2.0 * x * v;
    const double square = v * v;
    for (int j = 1; j < 9; ++j) {
        term *= square;
        total += term / (2 * j + 1);
    }
    return total;
}

// P(X = x), X ~ Binomial(n, p), q = 1 - p, for 0 < p < 1 (C. Loader).
__device__ inline double binomial_probability(long long n, long long x, double p, double q) {
    const double trials = (double)n;
    if (x == 0) {
        return exp(trials * log1p(-p));
    }
    if (x == n) {
        return exp(trials * log(p));
    }
    const double successes = (double)x;
    const double failures = (double)(n - x);
    double exponent = stirling_error(n) - stirling_error(x) - stirling_error(n - x);
    exponent = exponent - deviance(successes, trials * p) - deviance(failures, trials * q);
    const double root = sqrt(trials / (TWO_PI * successes * failures));
    return exp(exponent) * root;
}

// The Binomial(n, p) number that the uniform u selects; 0 < p < 1, q = 1 - p, n >= 1. The values are laid side
// by side in the order mode, mode + 1, mode - 1, mode + 2, ...
__device__ inline long long binomial(long long n, double p, double q, double u) {
    const bool reflected = p > q;
    if (reflected) {
        const double other = p;
        p = q;
        q = other;
    }
    long long mode = (long long)((double)(n + 1) * p);
    mode = n < mode ? n : mode;
    const double odds = p / q;
    const double at_mode = binomial_probability(n, mode, p, q);
    const long long both = mode < n - mode ? mode : n - mode;
    long long value = mode;
    double total = at_mode, above = mode < n ? at_mode : 0.0, below = mode > 0 ? at_mode : 0.0;
    for (long long step = 1; u >= total && (above > NEGLIGIBLE || below > NEGLIGIBLE); ++step) {
        if (step > 2 * both) {
            value = mode < n - mode ? mode + step - both : mode - step + both;
        } else {
            value = step % 2 ? mode + (step + 1) / 2 : mode - step / 2;
        }
        if (value > mode) {
            above *= odds * (double)(n - value + 1) / (double)value;
            total += above;
            above = value < n ? above : 0.0;
        } else {
            below *= (double)(value + 1) / (odds * (double)(n - value));
            total += below;
            below = value > 0 ? below : 0.0;
        }
    }
    value = u < total ? value : mode;
    return reflected ? n - value : value;
}

}  // namespace qmis
