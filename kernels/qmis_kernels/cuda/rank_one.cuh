// One point added to, or left out of, a least-squares fit.
#pragma once
#include "elementary.cuh"
#include "triangle.cuh"

namespace qmis {

struct Update {
    double leverage, step;
    bool solvable;
};

// (4 d + 8) 2^-52 times the squared length of |L'| |w|.
template <class Vector>
__device__ inline double leverage_rounding(Vector w, const Square& factor, long long d) {
    double total = 0.0;
    for (long long i = 0; i < d; ++i) {
        double row = fabs(factor.diagonal(i)) * fabs(w[i]);
        for (long long k = i + 1; k < d; ++k) {
            row += fabs(factor.below(k, i)) * fabs(w[k]);
        }
        total += row * row;
    }
    return total * ((double)(4 * d + 8) * ROUNDING);
}

// The new estimate is estimate + sign * (w * step), w = L^-T L^-1 x; sign 1 adds the point, -1 leaves it out.
template <class Vector, class Point>
__device__ inline Update rank_one_update(Vector w, Point x, double response, double sign, const Square& factor,
                                         const double* estimate) {
    const long long d = factor.d;
    double predicted = 0.0;
    for (long long i = 0; i < d; ++i) {
        w[i] = x[i];
        predicted += x[i] * estimate[i];
    }
    solve_lower(w, factor, d);
    double leverage = 0.0;
    for (long long i = 0; i < d; ++i) {
        leverage += w[i] * w[i];
    }
    solve_upper(w, factor, d);
    const double step = (response - predicted) / (1.0 + sign * leverage);
    const bool solvable =
        sign < 0.0 ? 1.0 - leverage > leverage_rounding(w, factor, d) : leverage < infinity();
    return {leverage, step, solvable};
}

}  // namespace qmis
