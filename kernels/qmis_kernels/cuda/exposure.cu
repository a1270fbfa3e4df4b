// Read-outs of quantized fits: moments, log likelihood ratios, and masses of the ratios. One thread takes each point, or
// each point of each column; masses are integers, so that the order in which they are added does not matter.
#include "exposure.cuh"
#include "grid.cuh"

namespace qmis {

// out[i] = the three moments of point i.
extern "C" __global__ void proximal_moment_rows(double* out, long long rows, long long loss, const double* a,
                                                const double* s, const double* q, const double* y) {
    FOR_EACH(i, rows) {
        const ProximalMoments found = moments_of({loss, a[i], s[i], q[i], y[i]});
        out[3 * i] = found.mean;
        out[3 * i + 1] = found.cross;
        out[3 * i + 2] = found.square;
    }
}

// out[i] = the log likelihood ratio of point i at its own read-out.
extern "C" __global__ void read_out_rows(double* out, long long rows, const double* w, long long loss, const double* a,
                                         const double* s, const double* q, const double* y, const double* moments,
                                         const double* c, const double* e) {
    FOR_EACH(i, rows) {
        const ExposedPoint point = {loss, a[i], s[i], q[i], y[i]};
        const ProximalMoments d = {moments[3 * i], moments[3 * i + 1], moments[3 * i + 2]};
        const bool normal = nearly_linear(point, d.mean);
        const double correlation = normal ? c[i] : smaller(c[i], LARGEST_CORRELATION);
        out[i] = read_out_height(w[i], point, d, normal, correlation, e[i]) + 0.5 * w[i] * w[i];
    }
}

// tv[k, i], and masses added to members[k, g, bin] and non_members[k, g, bin].
extern "C" __global__ void exposure_items(double* tv, long long* members, long long* non_members, long long rows,
                                          long long columns, long long groups, long long loss, const double* a,
                                          const double* s, const double* q, const double* y, const double* moments,
                                          const double* c, const double* e, const double* weight,
                                          const long long* group) {
    FOR_EACH(item, rows * columns) {
        const long long k = item / rows, i = item - k * rows;
        const ExposedPoint point = {loss, a[i], s[i], q[i], y[i]};
        const ProximalMoments d = {moments[3 * i], moments[3 * i + 1], moments[3 * i + 2]};
        const bool normal = nearly_linear(point, d.mean);
        const double correlation = normal ? c[item] : smaller(c[item], LARGEST_CORRELATION);
        const double width = GRID_STEP * sqrt(member_variance(d, correlation, e[item]));
        const double centre = e[item] * d.mean;
        const long long first = (k * groups + group[i]) * RATIO_BINS;
        unsigned long long* inside = (unsigned long long*)members + first;
        unsigned long long* beside = (unsigned long long*)non_members + first;
        double outside = 0.0, distance = 0.0, before = 0.0;
        for (long long j = -GRID_HALF; j <= GRID_HALF; ++j) {
            const double w = centre + width * (double)j;
            const double height = read_out_height(w, point, d, normal, correlation, e[item]);
            const double member = width * INVERSE_SQRT_2PI * exponential(height);
            const double non_member = width * INVERSE_SQRT_2PI * exp(-0.5 * w * w);
            const long long place = ratio_bin(height + 0.5 * w * w);
            atomicAdd(inside + place, counted(weight[i] * member));
            atomicAdd(beside + place, counted(weight[i] * non_member));
            outside += non_member;
            const double gap = member - non_member;
            distance += larger(gap, 0.0);
            if (before * gap < 0.0) {
                const double step = fabs(gap - before);
                distance += step / 12.0 - 0.5 * fabs(before * gap) / step;
            }
            before = gap;
        }
        atomicAdd(beside, counted(weight[i] * larger(1.0 - outside, 0.0)));
        tv[item] = smaller(larger(distance, 0.0), 1.0);
    }
}

}  // namespace qmis
