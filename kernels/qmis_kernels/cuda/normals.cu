// Standard normal numbers, one thread for the two draws of a block.
#include "grid.cuh"
#include "normal.cuh"
#include "uniform.cuh"

namespace qmis {

// Row r of `out` gets the normals of the draws 2 block, 2 block + 1, ... of replicate first + r.
extern "C" __global__ void normal_rows(double* out, long long rows, long long draws, unsigned seed,
                                       unsigned experiment, unsigned stream, unsigned long long first,
                                       unsigned block) {
    const long long pairs = (draws + 1) / 2;
    FOR_EACH(item, rows * pairs) {
        const long long r = item / pairs;
        const long long pair = item - r * pairs;
        const Pair u = uniform_pair({seed, experiment, stream}, first + r, block + (unsigned)pair);
        double* own = out + r * draws + 2 * pair;
        own[0] = normal(u.first);
        if (2 * pair + 1 < draws) {
            own[1] = normal(u.second);
        }
    }
}

}  // namespace qmis
