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
    const bool reflected = p > 0.5;
    if (reflected) {
        const double other = p;
        p = q;
        q = other;
    }
    long long mode = (long long)((double)(n + 1) * p);
    mode = n < mode ? n : mode;
    const double odds = p / q;
    const double at_mode = binomial_probability(n, mode, p, q);
    long long value = mode, high = mode, low = mode;
    double rest = u - at_mode, above = at_mode, below = at_mode;
    bool searching = rest >= 0.0;
    while (searching) {
        searching = false;
        if (high < n && above > NEGLIGIBLE) {
            above *= odds * (double)(n - high) / (double)(high + 1);
            ++high;
            rest -= above;
            if (rest < 0.0) {
                value = high;
                break;
            }
            searching = true;
        }
        if (low > 0 && below > NEGLIGIBLE) {
            below *= (double)low / (odds * (double)(n - low + 1));
            --low;
            rest -= below;
            if (rest < 0.0) {
                value = low;
                break;
            }
            searching = true;
        }
    }
    return reflected ? n - value : value;
}

}  // namespace qmis
