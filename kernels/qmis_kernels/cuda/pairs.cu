// All pairs of sums and points: the cell of smallest total score. One thread takes one point (or sum) and one
// block of PAIR_BLOCK sums (or points); the partial sums of the blocks are added by add_blocks.
#include "grid.cuh"

namespace qmis {

// Rows that one thread scores at once, so that each of its own scores is loaded once for all of them.
constexpr int TOGETHER = 4;

// cell[t] becomes the first j at which columns[j * stride] + rows[t, j] is smallest; there are fewer than 2^31.
template <int count>
__device__ inline void smallest(int (&cell)[count], const double* columns, long long stride, const double* rows,
                                long long cells) {
    double best[count];
    for (int t = 0; t < count; ++t) {
        best[t] = columns[0] + rows[t * cells];
        cell[t] = 0;
    }
    for (int j = 1; j < (int)cells; ++j) {
        const double own = columns[j * stride];
        for (int t = 0; t < count; ++t) {
            const double score = own + rows[t * cells + j];
            const bool closer = score < best[t];
            best[t] = closer ? score : best[t];
            cell[t] = closer ? j : cell[t];
        }
    }
}

// partial[block, cell, point] gets the weights of the sums of the block with which the cell wins.
// columns: cells x points; scores: sums x cells.
extern "C" __global__ void pair_wins(double* partial, long long points, long long sums, long long cells,
                                     const double* columns, const double* scores, const double* weights) {
    const long long blocks = (sums + PAIR_BLOCK - 1) / PAIR_BLOCK;
    FOR_EACH(item, blocks * points) {
        const long long block = item / points;
        const long long m = item - block * points;
        double* own = partial + block * cells * points + m;
        for (long long k = 0; k < cells; ++k) {
            own[k * points] = 0.0;
        }
        long long r = block * PAIR_BLOCK;
        const long long end = r + PAIR_BLOCK < sums ? r + PAIR_BLOCK : sums;
        for (; r + TOGETHER <= end; r += TOGETHER) {
            int cell[TOGETHER];
            smallest(cell, columns + m, points, scores + r * cells, cells);
            for (int t = 0; t < TOGETHER; ++t) {
                own[cell[t] * points] += weights[r + t];
            }
        }
        for (; r < end; ++r) {
            int cell[1];
            smallest(cell, columns + m, points, scores + r * cells, cells);
            own[cell[0] * points] += weights[r];
        }
    }
}

// partial[block, sum] gets the coefficients of the cells that win at the points of the block.
// columns: cells x sums; scores and coefficients: points x cells.
extern "C" __global__ void pair_rows(double* partial, long long sums, long long points, long long cells,
                                     const double* columns, const double* scores, const double* coefficients) {
    const long long blocks = (points + PAIR_BLOCK - 1) / PAIR_BLOCK;
    FOR_EACH(item, blocks * sums) {
        const long long block = item / sums;
        const long long r = item - block * sums;
        double total = 0.0;
        long long m = block * PAIR_BLOCK;
        const long long end = m + PAIR_BLOCK < points ? m + PAIR_BLOCK : points;
        for (; m + TOGETHER <= end; m += TOGETHER) {
            int cell[TOGETHER];
            smallest(cell, columns + r, sums, scores + m * cells, cells);
            for (int t = 0; t < TOGETHER; ++t) {
                total += coefficients[(m + t) * cells + cell[t]];
            }
        }
        for (; m < end; ++m) {
            int cell[1];
            smallest(cell, columns + r, sums, scores + m * cells, cells);
            total += coefficients[m * cells + cell[0]];
        }
        partial[item] = total;
    }
}

}  // namespace qmis
