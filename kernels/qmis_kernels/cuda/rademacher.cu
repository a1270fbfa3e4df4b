// Sums with random signs, one thread for each replicate and statistic.
#include "grid.cuh"
#include "philox.cuh"

namespace qmis {

// Row r of `out` gets the sums of replicate first + r; the first sign is the first of the block. A set bit of the
// generator is a plus. columns: points x statistics.
extern "C" __global__ void rademacher_rows(double* out, long long rows, long long statistics, long long points,
                                           unsigned seed, unsigned experiment, unsigned stream,
                                           unsigned long long first, unsigned block, const double* columns) {
    FOR_EACH(item, rows * statistics) {
        const long long r = item / statistics;
        const double* own = columns + (item - r * statistics);
        const unsigned long long replicate = first + r;
        double total = 0.0, stretch = 0.0;
        for (long long begin = 0; begin < points; begin += 128) {
            const Words w = philox({(unsigned)replicate, (unsigned)(replicate >> 32), block + (unsigned)(begin / 128),
                                    stream}, seed, experiment);
            for (int word = 0; word < 4; ++word) {
                unsigned bits = word == 0 ? w.w0 : word == 1 ? w.w1 : word == 2 ? w.w2 : w.w3;
                const long long low = begin + 32 * word;
                for (long long i = low; i < low + 32 && i < points; i += SIGN_GROUP) {
                    double sum = 0.0;
                    for (int t = 0; t < SIGN_GROUP; ++t) {
                        const double value = i + t < points ? own[(i + t) * statistics] : 0.0;
                        sum += bits & 1u ? value : -value;
                        bits >>= 1;
                    }
                    stretch += sum;
                }
            }
            if ((begin + 128) % SIGN_STRETCH == 0) {
                total += stretch;
                stretch = 0.0;
            }
        }
        out[item] = total + stretch;
    }
}

}  // namespace qmis
