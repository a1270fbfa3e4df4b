// Chi-square and gamma numbers, one thread for each.
#include "chi_square.cuh"
#include "grid.cuh"

namespace qmis {

// Row r of `out` (rows x m) gets chi-square numbers with dof[i] degrees of freedom; attempt a at entry i uses the
// block `block + i + a * stride` of replicate first + r.
extern "C" __global__ void chi_square_rows(double* out, long long rows, long long m, const long long* dof,
                                           unsigned seed, unsigned experiment, unsigned stream,
                                           unsigned long long first, unsigned block, unsigned stride) {
    FOR_EACH(item, rows * m) {
        const long long r = item / m;
        const long long i = item - r * m;
        out[item] = chi_square((double)dof[i], {seed, experiment, stream}, first + r, block + (unsigned)i, stride);
    }
}

// Row r of `out` (rows x m) gets the gamma numbers of replicate first + r.
extern "C" __global__ void gamma_rows(double* out, long long rows, long long m, const double* shape, unsigned seed,
                                      unsigned experiment, unsigned stream, unsigned long long first) {
    FOR_EACH(item, rows * m) {
        const long long r = item / m;
        const long long i = item - r * m;
        out[item] = gamma(shape[i], {seed, experiment, stream}, first + r, (unsigned)i, (unsigned)m);
    }
}

}  // namespace qmis
