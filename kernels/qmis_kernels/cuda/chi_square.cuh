// Chi-square and gamma numbers by rejection with addressed attempts.
#pragma once
#include "normal.cuh"
#include "uniform.cuh"

namespace qmis {

// One chi-square number, dof = 1 or at least 2 (Marsaglia and Tsang); attempt a uses the block `block + a * stride`.
__device__ inline double chi_square(double dof, Source source, unsigned long long replicate, unsigned block,
                                    unsigned stride) {
    if (dof == 1.0) {
        const double x = normal(uniform_pair(source, replicate, block).first);
        return x * x;
    }
    const double d = 0.5 * dof - 1.0 / 3.0;
    const double c = 1.0 / sqrt(9.0 * d);
    for (;; block += stride) {
        const Pair u = uniform_pair(source, replicate, block);
        const double x = normal(u.first);
        const double y = c * x;
        const double square = x * x;
        const double one_minus_v = -y * (3.0 + y * (3.0 + y));
        if (u.second < 1.0 - SQUEEZE * square * square ||
            (y > -1.0 && log(u.second) < 0.5 * x * x + d * (one_minus_v + 3.0 * log1p(y)))) {
            return 2.0 * d * ((1.0 + y) * (1.0 + y) * (1.0 + y));
        }
    }
}

// Entry `entry` of m gamma numbers: half a chi-square number with twice as many degrees of freedom. A shape below 1
// is raised by 1, and the number multiplied by U^(1 / shape), U the draw number `entry`.
__device__ inline double gamma(double shape, Source source, unsigned long long replicate, unsigned entry, unsigned m) {
    const bool boosted = shape < 1.0;
    const double dof = 2.0 * (boosted ? shape + 1.0 : shape);
    double number = 0.5 * chi_square(dof, source, replicate, m / 2 + m % 2 + entry, m);
    if (boosted) {
        const Pair u = uniform_pair(source, replicate, entry / 2);
        number *= exp(log(entry % 2 ? u.second : u.first) / shape);
    }
    return number;
}

}  // namespace qmis
