// All pairs of rows of different groups: the scale of their difference, and its extremes over pairs of groups.
#include "grid.cuh"
#include "lanes.cuh"

namespace qmis {

// inverse[i, j] gets the inverse of the root mean square of the difference of row first + i and row j, 0 if that is 0.
// columns: replicates x all rows.
extern "C" __global__ void inverse_scales(double* inverse, long long first, long long rows, long long all,
                                          long long replicates, const double* columns) {
    FOR_EACH(item, rows * all) {
        const long long i = item / all;
        const double* left = columns + first + i;
        const double* right = columns + (item - i * all);
        const double squares = lanes_sum(replicates, [&](long long b) {
            const double difference = right[b * all] - left[b * all];
            return difference * difference;
        });
        const double scale = sqrt(squares / (double)replicates);
        inverse[item] = scale > 0.0 ? 1.0 / scale : 0.0;
    }
}

// out[g, h, 0] gets the max over the rows i of group begin + g of the min over the rows j of group h of the scaled
// difference of their estimates, out[g, h, 1] the max over both; without a scale it is 0 if they are equal and else
// infinite.
extern "C" __global__ void group_statistics(double* out, long long begin, long long some, long long groups,
                                            const long long* offsets, const double* estimates,
                                            const double* inverse) {
    const double infinity = __longlong_as_double(0x7FF0000000000000LL);
    const long long first = offsets[begin], all = offsets[groups];
    FOR_EACH(item, some * groups) {
        const long long g = begin + item / groups;
        const long long h = item % groups;
        double most = -infinity, largest = -infinity;
        for (long long i = offsets[g]; i < offsets[g + 1]; ++i) {
            double least = infinity;
            for (long long j = offsets[h]; j < offsets[h + 1]; ++j) {
                const double factor = inverse[(i - first) * all + j];
                const double difference = estimates[j] - estimates[i];
                const double without_scale = difference > 0.0 ? infinity : difference < 0.0 ? -infinity : 0.0;
                const double ratio = factor > 0.0 ? difference * factor : without_scale;
                least = ratio < least ? ratio : least;
                largest = ratio > largest ? ratio : largest;
            }
            most = least > most ? least : most;
        }
        out[2 * item] = g == h ? 0.0 : most + 0.0;  // no minus zero
        out[2 * item + 1] = g == h ? 0.0 : largest + 0.0;
    }
}

// out[g, h, b] gets the max over the rows i of group begin + g and j of group h of the scaled difference of draws b.
extern "C" __global__ void group_maxima(double* out, long long begin, long long some, long long groups,
                                        const long long* offsets, long long replicates, const double* draws,
                                        const double* inverse) {
    const long long first = offsets[begin], all = offsets[groups];
    FOR_EACH(item, some * groups * replicates) {
        const long long pair = item / replicates;
        const long long b = item - pair * replicates;
        const long long g = begin + pair / groups;
        const long long h = pair % groups;
        double most = -__longlong_as_double(0x7FF0000000000000LL);
        for (long long i = offsets[g]; i < offsets[g + 1]; ++i) {
            const double own = draws[i * replicates + b];
            for (long long j = offsets[h]; j < offsets[h + 1]; ++j) {
                const double ratio = (draws[j * replicates + b] - own) * inverse[(i - first) * all + j];
                most = ratio > most ? ratio : most;
            }
        }
        out[item] = g == h ? 0.0 : most + 0.0;  // no minus zero
    }
}

}  // namespace qmis
