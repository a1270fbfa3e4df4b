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

// Masses of one point, node by node.
struct Masses {
    unsigned long long *members, *non_members;
    double weight, outside, distance, before;

    __device__ void add(double member, double non_member, double ratio) {
        const long long place = ratio_bin(ratio);
        atomicAdd(members + place, counted(weight * member));
        atomicAdd(non_members + place, counted(weight * non_member));
        outside += non_member;
        const double gap = member - non_member;
        distance += larger(gap, 0.0);
        if (before * gap < 0.0) {
            const double step = fabs(gap - before);
            distance += step / 12.0 - 0.5 * fabs(before * gap) / step;
        }
        before = gap;
    }

    __device__ double finished() {
        atomicAdd(non_members, counted(weight * larger(1.0 - outside, 0.0)));
        return smaller(larger(distance, 0.0), 1.0);
    }
};

__device__ inline double expose(Masses found, const ExposedPoint& point, const ProximalMoments& d, bool normal,
                                double c, double e) {
    const double width = GRID_STEP * sqrt(member_variance(d, c, e));
    const double centre = e * d.mean;
    for (long long j = -GRID_HALF; j <= GRID_HALF; ++j) {
        const double w = centre + width * (double)j;
        const double height = read_out_height(w, point, d, normal, c, e);
        const double member = width * INVERSE_SQRT_2PI * exponential(height);
        const double non_member = width * INVERSE_SQRT_2PI * exp(-0.5 * w * w);
        found.add(member, non_member, height + 0.5 * w * w);
    }
    return found.finished();
}

__device__ inline double expose_pair(Masses found, const ExposedPoint& point, const ProximalMoments& d, bool normal,
                                     double c, double e, double f) {
    const double second = larger(1.0 + f * f * d.square, LEAST_VARIANCE);
    const double slope = f * (c * d.cross + e * d.square) / second;
    const double first =
        larger(1.0 + 2.0 * c * e * d.cross + e * e * d.square - slope * slope * second, LEAST_VARIANCE);
    const double across = PAIR_LINE_STEP * sqrt(second);
    const double width = PAIR_STEP * sqrt(first);
    const double area = across * width * INVERSE_SQRT_2PI * INVERSE_SQRT_2PI;
    const double top = 0.5 * log(first * second);
    for (long long i = -PAIR_LINES; i <= PAIR_LINES; ++i) {
        const double v = f * d.mean + across * (double)i;
        const double centre = e * d.mean + slope * (across * (double)i);
        const double away = PAIR_LINE_STEP * (double)i * (PAIR_LINE_STEP * (double)i);
        found.before = 0.0;
        for (long long j = -PAIR_HALF; j <= PAIR_HALF; ++j) {
            const double far = away + PAIR_STEP * (double)j * (PAIR_STEP * (double)j);
            if (far > PAIR_REACH) {
                continue;
            }
            const double w = centre + width * (double)j;
            const double height = normal ? -0.5 * far - top : pair_height(w, v, point, d, c, e, f);
            const double size = 0.5 * (w * w + v * v);
            found.add(area * exponential(height), area * exp(-size), height + size);
        }
    }
    return found.finished();
}

// tv[k, i], and masses added to members[k, g, bin] and non_members[k, g, bin]: of a pair where f is not 0.
extern "C" __global__ void exposure_items(double* tv, long long* members, long long* non_members, long long rows,
                                          long long columns, long long groups, long long loss, const double* a,
                                          const double* s, const double* q, const double* y, const double* moments,
                                          const double* c, const double* e, const double* f, const double* weight,
                                          const long long* group) {
    FOR_EACH(item, rows * columns) {
        const long long k = item / rows, i = item - k * rows;
        const ExposedPoint point = {loss, a[i], s[i], q[i], y[i]};
        const ProximalMoments d = {moments[3 * i], moments[3 * i + 1], moments[3 * i + 2]};
        const bool normal = nearly_linear(point, d.mean);
        const double correlation = normal ? c[item] : smaller(c[item], LARGEST_CORRELATION);
        const long long begin = (k * groups + group[i]) * RATIO_BINS;
        const Masses none = {(unsigned long long*)members + begin, (unsigned long long*)non_members + begin,
                             weight[i], 0.0, 0.0, 0.0};
        tv[item] = f[item] == 0.0 ? expose(none, point, d, normal, correlation, e[item])
                                  : expose_pair(none, point, d, normal, correlation, e[item], f[item]);
    }
}

}  // namespace qmis
