// Exact log likelihood ratios of a product quantizer: one thread for each cell, then one for each coordinate of
// each replicate; add_blocks adds the coordinates in order.
#include "grid.cuh"
#include "normal_cell.cuh"

namespace qmis {

// How many of edges[low:high], in increasing order, are at most x.
__device__ inline long long find_cell(const double* edges, long long low, long long high, double x) {
    const long long start = low;
    while (low < high) {
        const long long middle = (low + high) / 2;
        if (edges[middle] <= x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - start;
}

// log P(shift + G / scale in the cell), G standard normal; cell c lies above c of the edges.
__device__ inline double log_cell(const double* edges, long long low, long long high, long long cell, double shift,
                                  double scale) {
    const double a = cell == 0 ? -infinity() : (edges[low + cell - 1] - shift) * scale;
    const double b = cell == high - low ? infinity() : (edges[low + cell] - shift) * scale;
    return log_normal_interval(a, b);
}

// log P(cell) of every cell; the cells of coordinate i start at offsets[i] + i.
extern "C" __global__ void log_marginals(double* marginal, long long coordinates, long long n, const double* edges,
                                         const long long* offsets) {
    FOR_EACH(item, offsets[coordinates] + coordinates) {
        long long i = 0, end = coordinates;
        while (i + 1 < end) {
            const long long middle = (i + end) / 2;
            if (offsets[middle] + middle <= item) {
                i = middle;
            } else {
                end = middle;
            }
        }
        marginal[item] = log_cell(edges, offsets[i], offsets[i + 1], item - offsets[i] - i, 0.0, sqrt((double)n));
    }
}

// terms[coordinate, replicate] gets the two terms of the coordinate, under the product and under the joint law,
// from the 3 coordinates normals of each replicate.
extern "C" __global__ void log_ratio_terms(double* terms, long long rows, long long coordinates, long long n,
                                           const double* edges, const long long* offsets, const double* marginal,
                                           const double* z) {
    const double size = (double)n;
    const double root = sqrt(size);
    const double spread = sqrt(size - 1.0) / size;
    const double sharpness = size / sqrt(size - 1.0);
    FOR_EACH(item, coordinates * rows) {
        const long long i = item / rows;
        const double* own = z + (item - i * rows) * 3 * coordinates;
        const long long low = offsets[i], high = offsets[i + 1];
        const double shift = own[2 * i] / size;
        for (int law = 0; law < 2; ++law) {
            const double mean = law == 0 ? own[2 * coordinates + i] / root : shift + spread * own[2 * i + 1];
            const long long cell = find_cell(edges, low, high, mean);
            terms[2 * item + law] = log_cell(edges, low, high, cell, shift, sharpness) - marginal[low + i + cell];
        }
    }
}

}  // namespace qmis
