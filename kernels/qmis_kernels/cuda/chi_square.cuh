// Chi-square numbers with an integer number of degrees of freedom, by rejection with addressed attempts.
#pragma once
#include "normal.cuh"
#include "uniform.cuh"

namespace qmis {

// One chi-square number, dof >= 1 (Marsaglia and Tsang); attempt a uses the block `block + a * stride`.
__device__ inline double chi_square(long long dof, Source source, unsigned long long replicate, unsigned block,
                                    unsigned stride) {
    if (dof == 1) {
        const double x = normal(uniform_pair(source, replicate, block).first);
        return x * x;
    }
    const double d = 0.5 * (double)dof - 1.0 / 3.0;
    const double c = 1.0 / sqrt(9.0 * d);
    for (;; block += stride) {
        const Pair u = uniform_pair(source, replicate, block);
        const double x = normal(u.first);
        const double y = c * x;
        if (y > -1.0) {
            const double v = (1.0 + y) * (1.0 + y) * (1.0 + y);
            const double one_minus_v = -y * (3.0 + y * (3.0 + y));
            if (log(u.second) < 0.5 * x * x + d * (one_minus_v + 3.0 * log1p(y))) {
                return 2.0 * d * v;
            }
        }
    }
}

}  // namespace qmis
