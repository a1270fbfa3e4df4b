// Exact log likelihood ratios of a product quantizer: two kernels make the polynomials of the
// cells, then one thread takes each coordinate of each replicate; add_blocks adds the coordinates in order.
#include "find_cell.cuh"
#include "grid.cuh"
#include "normal_cell.cuh"

namespace qmis {

// log P(shift + G / scale in the cell), G standard normal; cell c lies above c of the edges.
__device__ inline double log_cell(const double* edges, long long low, long long high, long long cell, double shift,
                                  double scale) {
    const double a = cell == 0 ? -infinity() : (edges[low + cell - 1] - shift) * scale;
    const double b = cell == high - low ? infinity() : (edges[low + cell] - shift) * scale;
    return log_normal_interval(a, b);
}

// g(w) = log P(cell | w) - log P(cell) at the nodes of each piece of each cell, one thread for each.  The cells of
// coordinate i start at offsets[i] + i.
extern "C" __global__ void cell_values(double* values, long long coordinates, long long pieces, long long n,
                                       const double* edges, const long long* offsets, const double* nodes) {
    const double size = (double)n;
    const double sharpness = size / sqrt(size - 1.0);
    const double half = REACH / (double)pieces;
    FOR_EACH(item, (offsets[coordinates] + coordinates) * pieces * (DEGREE + 1)) {
        const long long part = item / (DEGREE + 1);
        const long long place = part / pieces;
        long long i = 0, end = coordinates;
        while (i + 1 < end) {
            const long long middle = (i + end) / 2;
            if (offsets[middle] + middle <= place) {
                i = middle;
            } else {
                end = middle;
            }
        }
        const long long low = offsets[i], high = offsets[i + 1], cell = place - low - i;
        const double middle = (double)(2 * (part - place * pieces) + 1) * half - REACH;
        const double w = middle + half * nodes[item - part * (DEGREE + 1)];
        values[item] = log_cell(edges, low, high, cell, w / size, sharpness) -
                       log_cell(edges, low, high, cell, 0.0, sqrt(size));
    }
}

// From values at the nodes to coefficients, lowest degree first, one thread for each; the tables are those of the
// interpolation.
extern "C" __global__ void cell_polynomials(double* out, long long polynomials, const double* values,
                                            const double* to_chebyshev, const double* powers) {
    FOR_EACH(item, polynomials * (DEGREE + 1)) {
        const long long part = item / (DEGREE + 1);
        const long long power = item - part * (DEGREE + 1);
        const double* own = values + part * (DEGREE + 1);
        double total = 0.0;
        for (long long k = power; k <= DEGREE; ++k) {
            double coefficient = 0.0;
            for (int j = 0; j <= DEGREE; ++j) {
                coefficient += to_chebyshev[k * (DEGREE + 1) + j] * own[j];
            }
            total += coefficient * powers[k * (DEGREE + 1) + power];
        }
        out[item] = total;
    }
}

// terms[coordinate, replicate] gets the two terms of the coordinate, under the product and under the joint law,
// from the 3 coordinates normals of each replicate.
extern "C" __global__ void log_ratio_terms(double* terms, long long rows, long long coordinates, long long pieces,
                                           long long n, const double* edges, const long long* offsets,
                                           const double* polynomials, const double* z) {
    const double size = (double)n;
    const double root = sqrt(size);
    const double spread = sqrt(size - 1.0) / size;
    const double parts = (double)pieces;
    const double inverse = parts / REACH;
    FOR_EACH(item, coordinates * rows) {
        const long long i = item / rows;
        const double* own = z + (item - i * rows) * 3 * coordinates;
        const long long low = offsets[i], high = offsets[i + 1];
        const double w = own[2 * i];
        const double u = w * inverse;
        long long piece = (long long)(0.5 * (u + parts));
        if (piece > pieces - 1) {
            piece = pieces - 1;
        }
        const double t = u - (double)(2 * piece + 1 - pieces);
        for (int law = 0; law < 2; ++law) {
            const double mean = law == 0 ? own[2 * coordinates + i] / root : w / size + spread * own[2 * i + 1];
            const long long cell = find_cell(edges, low, high, mean);
            const double* polynomial = polynomials + ((low + i + cell) * pieces + piece) * (DEGREE + 1);
            double value = polynomial[DEGREE];
            for (int k = DEGREE - 1; k >= 0; --k) {
                value = value * t + polynomial[k];
            }
            terms[2 * item + law] = value;
        }
    }
}

}  // namespace qmis
