// Multinomial counts, one thread for each replicate: binomials given the counts before.
#include "binomial.cuh"
#include "grid.cuh"
#include "uniform.cuh"

namespace qmis {

// tails[k] is p[k] + p[k + 1] + ...; the last category with positive probability takes what is left.
extern "C" __global__ void multinomial_rows(long long* out, long long rows, long long categories, long long trials,
                                            const double* p, const double* tails, unsigned seed, unsigned experiment,
                                            unsigned stream, unsigned long long first) {
    FOR_EACH(r, rows) {
        long long* own = out + r * categories;
        long long rest = trials;
        Pair u = {0.0, 0.0};
        for (long long k = 0; k < categories; ++k) {
            if (k % 2 == 0) {
                u = uniform_pair({seed, experiment, stream}, first + r, (unsigned)(k / 2));
            }
            long long count = 0;
            if (rest > 0 && p[k] != 0.0) {
                count = tails[k + 1] == 0.0
                            ? rest
                            : binomial(rest, p[k] / tails[k], tails[k + 1] / tails[k], k % 2 ? u.second : u.first);
            }
            own[k] = count;
            rest -= count;
        }
    }
}

}  // namespace qmis
