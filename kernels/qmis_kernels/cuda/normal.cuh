// Standard normal numbers by the inverse distribution function of one uniform (AS 241).
#pragma once
#include "elementary.cuh"

namespace qmis {

__device__ inline double polynomial(double x, const double (&c)[8]) {
    double y = c[6] + x * c[7];
    y = c[5] + x * y;
    y = c[4] + x * y;
    y = c[3] + x * y;
    y = c[2] + x * y;
    y = c[1] + x * y;
    return c[0] + x * y;
}

// The quantile at u, |u - 1/2| > 0.425.
__device__ inline double normal_tail(double u) {
    const double r = sqrt(-log(1.0 - u < u ? 1.0 - u : u));
    const double x = r <= 5.0 ? polynomial(r - 1.6, TAIL_NUMERATOR) / polynomial(r - 1.6, TAIL_DENOMINATOR)
                              : polynomial(r - 5.0, FAR_NUMERATOR) / polynomial(r - 5.0, FAR_DENOMINATOR);
    return u < 0.5 ? -x : x;
}

// The standard normal quantile at the uniform u.
__device__ inline double normal(double u) {
    const double q = u - 0.5;
    if (fabs(q) > 0.425) {
        return normal_tail(u);
    }
    const double r = 0.180625 - q * q;
    return q * (polynomial(r, CENTRAL_NUMERATOR) / polynomial(r, CENTRAL_DENOMINATOR));
}

}  // namespace qmis
