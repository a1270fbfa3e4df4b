// All pairs of regressions and fresh points. One thread takes one point and one block of PAIR_BLOCK regressions; the
// partial counts of the blocks, whole numbers below 2^53, are added by add_blocks.
#include "find_cell.cuh"
#include "grid.cuh"
#include "rank_one.cuh"

namespace qmis {

// partial[block, cell, point] gets the number of regressions of the block that the point moves into the product cell.
// columns: width x points, the d = width - 1 coordinates and the response; work: width - 1 x threads.
extern "C" __global__ void add_one_counts(double* partial, long long points, long long regressions, long long width,
                                          const double* columns, const double* factors, const double* estimates,
                                          double* work, long long cells, const double* edges,
                                          const long long* offsets) {
    const long long blocks = (regressions + PAIR_BLOCK - 1) / PAIR_BLOCK;
    const long long d = width - 1;
    FOR_EACH(item, blocks * points) {
        const long long block = item / points;
        const long long m = item - block * points;
        const Strided<double> own = {partial + block * cells * points + m, points};
        const Strided<double> w = {work + item, blocks * points};
        const Strided<const double> x = {columns + m, points};
        for (long long k = 0; k < cells; ++k) {
            own[k] = 0.0;
        }
        const long long begin = block * PAIR_BLOCK;
        const long long end = begin + PAIR_BLOCK < regressions ? begin + PAIR_BLOCK : regressions;
        for (long long r = begin; r < end; ++r) {
            const double* estimate = estimates + r * d;
            const Update update = rank_one_update(w, x, x[d], 1.0, Square{factors + r * d * d, d}, estimate);
            if (update.solvable) {
                long long cell = 0;
                for (long long i = 0; i < d; ++i) {
                    const double moved = estimate[i] + w[i] * update.step;
                    const long long low = offsets[i], high = offsets[i + 1];
                    cell = cell * (high - low + 1) + find_cell(edges, low, high, moved);
                }
                own[cell] += 1.0;
            }
        }
    }
}

}  // namespace qmis
