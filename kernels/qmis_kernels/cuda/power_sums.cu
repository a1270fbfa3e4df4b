// Sums of powers. A thread takes one lane, or two, of one block of one row; lanes of a block are added by fold_lanes,
// blocks by add_blocks.
#include "grid.cuh"
#include "lanes.cuh"
#include "uniform.cuh"

namespace qmis {

// Sums of the powers 1 to 6.
struct PowerSums {
    double s1, s2, s3, s4, s5, s6;

    __device__ void add(double x) {
        const double x2 = x * x, x3 = x2 * x, x4 = x2 * x2;
        s1 += x;
        s2 += x2;
        s3 += x3;
        s4 += x4;
        s5 += x4 * x;
        s6 += x3 * x3;
    }
};

// lanes[block, lane, r, power] of the values drawn for replicate first + r; a block of the generator gives two lanes.
extern "C" __global__ void resampled_lanes(double* lanes, long long rows, long long n, unsigned seed,
                                           unsigned experiment, unsigned stream, unsigned long long first,
                                           const double* values) {
    const long long blocks = (n + POWER_BLOCK - 1) / POWER_BLOCK;
    const double size = (double)n;
    FOR_EACH(item, blocks * (LANES / 2) * rows) {
        const long long pair = item / rows;  // of lanes, counted over all blocks
        const long long r = item - pair * rows;
        const long long begin = pair / (LANES / 2) * POWER_BLOCK;
        const long long end = begin + POWER_BLOCK < n ? begin + POWER_BLOCK : n;
        PowerSums even = {}, odd = {};
        for (long long t = begin + pair % (LANES / 2) * 2; t < end; t += LANES) {
            const Pair u = uniform_pair({seed, experiment, stream}, first + r, (unsigned)(t / 2));
            const long long i = (long long)(u.first * size), j = (long long)(u.second * size);
            even.add(values[i < n ? i : n - 1]);
            if (t + 1 < end) {
                odd.add(values[j < n ? j : n - 1]);
            }
        }
        for (int half = 0; half < 2; ++half) {
            const PowerSums& s = half ? odd : even;
            double* own = lanes + ((2 * pair + half) * rows + r) * 6;
            own[0] = s.s1;
            own[1] = s.s2;
            own[2] = s.s3;
            own[3] = s.s4;
            own[4] = s.s5;
            own[5] = s.s6;
        }
    }
}

// lanes[block, lane, k, power - 2] of the deviations (values[k, i] - reference[i]) - centres[k].
extern "C" __global__ void centred_lanes(double* lanes, long long rows, long long points, const double* values,
                                         const double* reference, const double* centres) {
    const long long blocks = (points + POWER_BLOCK - 1) / POWER_BLOCK;
    FOR_EACH(item, rows * blocks * LANES) {
        const long long k = item / (blocks * LANES);
        const long long place = item - k * blocks * LANES;
        const long long begin = place / LANES * POWER_BLOCK;
        const long long end = begin + POWER_BLOCK < points ? begin + POWER_BLOCK : points;
        PowerSums s = {};
        for (long long i = begin + place % LANES; i < end; i += LANES) {
            s.add((values[k * points + i] - reference[i]) - centres[k]);
        }
        double* own = lanes + (place * rows + k) * 5;
        own[0] = s.s2;
        own[1] = s.s3;
        own[2] = s.s4;
        own[3] = s.s5;
        own[4] = s.s6;
    }
}

// partial[block, i] gets the sum of lanes[block, 0, i], ..., lanes[block, LANES - 1, i].
extern "C" __global__ void fold_lanes(double* partial, long long items, long long blocks, const double* lanes) {
    FOR_EACH(item, blocks * items) {
        const long long block = item / items;
        const double* own = lanes + block * LANES * items + (item - block * items);
        double s[LANES];
        for (int lane = 0; lane < LANES; ++lane) {
            s[lane] = own[lane * items];
        }
        partial[item] = lanes_total(s);
    }
}

}  // namespace qmis
