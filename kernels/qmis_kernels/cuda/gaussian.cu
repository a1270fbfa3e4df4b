// Gaussian vectors from normal numbers, one thread for each coordinate.
#include "grid.cuh"

namespace qmis {

// Row r of `out` (rows x d) gets mean + sum over k of z[r, k] columns[k], columns p x d, z rows x p.
extern "C" __global__ void gaussian_rows(double* out, long long rows, long long d, long long p, const double* mean,
                                         const double* columns, const double* z) {
    FOR_EACH(item, rows * d) {
        const long long r = item / d;
        const long long i = item - r * d;
        double total = 0.0;
        for (long long k = 0; k < p; ++k) {
            total += columns[k * d + i] * z[r * p + k];
        }
        out[item] = mean[i] + total;
    }
}

}  // namespace qmis
