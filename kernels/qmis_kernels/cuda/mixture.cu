// Sums of draws of a Gaussian mixture given the counts of its components, one thread for each coordinate.
#include "grid.cuh"

namespace qmis {

// Row r of `out` (rows x d) gets the sum over c of N_c mean_c + sqrt(N_c) F_c z_c. The normals of component c
// start at z[r, c * stride]; columns holds the transposed factors.
extern "C" __global__ void mixture_rows(double* out, long long rows, long long d, long long components,
                                        long long stride, const double* means, const double* columns,
                                        const long long* counts, const double* z) {
    FOR_EACH(item, rows * d) {
        const long long r = item / d;
        const long long i = item - r * d;
        double total = 0.0;
        for (long long c = 0; c < components; ++c) {
            const long long count = counts[r * components + c];
            if (count == 0) {
                continue;
            }
            const double size = (double)count;
            const double root = sqrt(size);
            const double* own = z + (r * components + c) * stride;
            total += size * means[c * d + i];
            for (long long k = 0; k < d; ++k) {
                total += columns[(c * d + k) * d + i] * (own[k] * root);
            }
        }
        out[item] = total;
    }
}

}  // namespace qmis
