// Logarithms of normal probabilities of half lines and intervals, accurate in tails and when narrow.
#pragma once
#include "elementary.cuh"

namespace qmis {

// exp(x^2) erfc(x), x >= 0 (W. J. Cody).
__device__ inline double erfcx(double x) {
    if (x <= 0.46875) {
        const double z = x * x;
        const double(&a)[5] = ERF_NUMERATOR;
        const double(&b)[4] = ERF_DENOMINATOR;
        const double top = (((a[4] * z + a[0]) * z + a[1]) * z + a[2]) * z + a[3];
        const double bottom = (((z + b[0]) * z + b[1]) * z + b[2]) * z + b[3];
        return (1.0 - x * top / bottom) / exp(-z);
    }
    if (x <= 4.0) {
        double top = ERFCX_NUMERATOR[8] * x;
        double bottom = x;
        for (int i = 0; i < 7; ++i) {
            top = (top + ERFCX_NUMERATOR[i]) * x;
            bottom = (bottom + ERFCX_DENOMINATOR[i]) * x;
        }
        return (top + ERFCX_NUMERATOR[7]) / (bottom + ERFCX_DENOMINATOR[7]);
    }
    const double z = 1.0 / (x * x);
    double top = ERFCX_FAR_NUMERATOR[5] * z;
    double bottom = z;
    for (int i = 0; i < 4; ++i) {
        top = (top + ERFCX_FAR_NUMERATOR[i]) * z;
        bottom = (bottom + ERFCX_FAR_DENOMINATOR[i]) * z;
    }
    return (INVERSE_SQRT_PI - (top + ERFCX_FAR_NUMERATOR[4]) / (bottom + ERFCX_FAR_DENOMINATOR[4]) * z) / x;
}

// Mills' ratio (1 - Phi(x)) / phi(x), x >= 0.
__device__ inline double mills(double x) { return SQRT_HALF_PI * erfcx(x * SQRT_HALF); }

// 1 - Phi(x), x >= 0.
__device__ inline double upper_tail(double x) { return exp(-0.5 * x * x) * mills(x) / SQRT_2PI; }

// log Phi(x).
__device__ inline double log_normal_cdf(double x) {
    if (x == infinity()) {
        return 0.0;
    }
    if (x > 0.0) {
        return log1p(-upper_tail(x));
    }
    return -0.5 * x * x - LOG_SQRT_2PI + log(mills(-x));
}

// log(Phi(m + h) - Phi(m - h)) for h max(1, |m|) <= 1/4, by a series about m.
__device__ inline double log_narrow(double middle, double half) {
    const double step = middle * half;
    const double square = half * half;
    double before = 1.0, term = step, total = 1.0;
    for (int k = 1; k < 16; ++k) {
        const double next = (step * term - square * before) / (k + 1);
        before = term;
        term = next;
        if (k % 2) {
            total += term / (k + 2);
        }
    }
    return log(2.0 * half * total) - 0.5 * middle * middle - LOG_SQRT_2PI;
}

// log(Phi(b) - Phi(a)), -inf <= a <= b <= inf; -inf for an empty interval.
__device__ inline double log_normal_interval(double a, double b) {
    if (a == b) {
        return -infinity();
    }
    if (a == -infinity()) {
        return log_normal_cdf(b);
    }
    if (b == infinity()) {
        return log_normal_cdf(-a);
    }
    if (a + b > 0.0) {
        const double left = -b;
        b = -a;
        a = left;
    }
    const double middle = 0.5 * (a + b);
    const double half = 0.5 * (b - a);
    if (half * (-middle > 1.0 ? -middle : 1.0) <= 0.25) {
        return log_narrow(middle, half);
    }
    if (b <= 0.0) {
        const double ratio = exp(2.0 * half * middle);  // phi(a) / phi(b)
        return log(mills(-b) - mills(-a) * ratio) - 0.5 * b * b - LOG_SQRT_2PI;
    }
    return log1p(-(upper_tail(-a) + upper_tail(b)));
}

}  // namespace qmis
