// Proximal points and the law of a member's read-out, operation for operation as in exposure.py.
#pragma once
#include "elementary.cuh"

namespace qmis {

struct Slopes {
    double first, second;
};

// One point: loss, mean and standard deviation of the value that a non-member has, leverage, target.
struct ExposedPoint {
    long long loss;
    double a, s, q, y;
};

struct ProximalMoments {
    double mean, cross, square;
};

__device__ inline double smaller(double a, double b) { return b < a ? b : a; }

__device__ inline double larger(double a, double b) { return b > a ? b : a; }

__device__ inline double exponential(double v) {
    return v <= 0.0 ? exp(v) : 1.0 / exp(-smaller(v, LARGEST_EXPONENT));
}

__device__ inline Slopes derivatives(long long loss, double y, double v) {
    if (loss == 0) {
        return {v - y, 1.0};
    }
    if (loss == 1) {
        const double t = exp(v < 0.0 ? v : -v);
        const double p = v >= 0.0 ? 1.0 / (1.0 + t) : t / (1.0 + t);
        return {p - y, t / ((1.0 + t) * (1.0 + t))};
    }
    const double mean = exponential(v);
    return {mean - y, mean};
}

__device__ inline double proximal(long long loss, double u, double q, double y) {
    if (q <= 0.0) {
        return u;
    }
    if (loss == 0) {
        return (u + q * y) / (1.0 + q);
    }
    double low = u - q, high = u + q, v = u;
    if (loss == 2) {
        const double top = u + q * y;
        high = top;
        if (top > 0.0) {
            high = smaller(top, larger(0.0, log(top / q)));
        }
        low = smaller(u, high);
        const double slope = derivatives(loss, y, low).first;
        if (slope > 0.0) {
            low = low - q * slope;
        }
        v = high;
    }
    double moved = high - low;
    for (long long step = 0; step < NEWTON_STEPS; ++step) {
        const Slopes slopes = derivatives(loss, y, v);
        const double missed = v - u + q * slopes.first;
        if (missed > 0.0) {
            high = v;
        } else {
            low = v;
        }
        double following = v - missed / (1.0 + q * slopes.second);
        if (!(low <= following && following <= high) || 2.0 * fabs(following - v) > moved) {
            following = 0.5 * (low + high);
        }
        moved = fabs(following - v);
        v = following;
        if (moved <= PROXIMAL_TOLERANCE * (1.0 + fabs(v))) {
            break;
        }
    }
    return v;
}

__device__ inline ProximalMoments moments_of(const ExposedPoint& p) {
    double mean = 0.0, cross = 0.0, square = 0.0;
    for (long long k = 0; k < HERMITE; ++k) {
        const double u = p.a + p.s * HERMITE_NODES[k];
        const double d = (proximal(p.loss, u, p.q, p.y) - u) / p.s;
        mean += HERMITE_WEIGHTS[k] * d;
        cross += HERMITE_WEIGHTS[k] * HERMITE_NODES[k] * d;
        square += HERMITE_WEIGHTS[k] * d * d;
    }
    return {mean, cross, larger(square - mean * mean, 0.0)};
}

__device__ inline bool nearly_linear(const ExposedPoint& p, double mean) {
    if (p.loss == 0) {
        return true;
    }
    const double here = derivatives(p.loss, p.y, p.a + p.s * mean).second;
    const double above = derivatives(p.loss, p.y, p.a + p.s * (mean + 1.0)).second;
    const double below = derivatives(p.loss, p.y, p.a + p.s * (mean - 1.0)).second;
    return p.q * (fabs(above - here) + fabs(here - below)) < BENT * (1.0 + p.q * here);
}

__device__ inline double normal_height(double w, double centre, double variance) {
    return -0.5 * (w - centre) * (w - centre) / variance - 0.5 * log(variance);
}

__device__ inline double member_height(double w, const ExposedPoint& p, const ProximalMoments& d, double c, double e) {
    const double noise = 1.0 - c * c;
    const double scale = p.q / p.s;
    const double sharpness = 1.0 / noise;
    const double variance = larger(1.0 + 2.0 * d.cross + d.square, 1e-14);
    double b = (c - e) * ((1.0 + d.cross) / variance) + e;
    double m = d.mean + variance * b / (b * b * variance + noise) * (w - e * d.mean);
    double t = 0.0, rise = 0.0, missed = 0.0;
    for (long long step = 0; step <= CENTRE_STEPS; ++step) {
        const Slopes slopes = derivatives(p.loss, p.y, p.a + p.s * m);
        t = m + scale * slopes.first;
        rise = 1.0 + p.q * slopes.second;
        b = (c - e) * rise + e;
        missed = w - c * t - e * (m - t);
        if (step < CENTRE_STEPS) {
            m += (b * missed * sharpness - t * rise) / (rise * rise + b * b * sharpness);
        }
    }
    const double precision = rise * rise + b * b * sharpness;
    const double height = -0.5 * t * t - 0.5 * missed * missed * sharpness;
    const double deviation = 1.0 / sqrt(precision);
    double total = 0.0;
    for (long long k = 0; k < HERMITE; ++k) {
        const double z = HERMITE_NODES[k];
        const double x = m + deviation * z;
        const Slopes slopes = derivatives(p.loss, p.y, p.a + p.s * x);
        t = x + scale * slopes.first;
        missed = w - c * t - e * (x - t);
        const double exponent = 0.5 * z * z - 0.5 * t * t - 0.5 * missed * missed * sharpness - height;
        total += HERMITE_WEIGHTS[k] * (1.0 + p.q * slopes.second) * exp(smaller(exponent - EXPONENT_SHIFT, 0.0));
    }
    return log(larger(total, 1e-300)) + EXPONENT_SHIFT + height - 0.5 * log(precision * noise);
}

__device__ inline double member_variance(const ProximalMoments& d, double c, double e) {
    return larger(1.0 + 2.0 * c * e * d.cross + e * e * d.square, LEAST_VARIANCE);
}

__device__ inline double read_out_height(double w, const ExposedPoint& p, const ProximalMoments& d, bool normal,
                                         double c, double e) {
    return normal ? normal_height(w, e * d.mean, member_variance(d, c, e)) : member_height(w, p, d, c, e);
}

// A pair of read-outs, the second one f D and noise of variance one.
__device__ inline double pair_height(double w, double v, const ExposedPoint& p, const ProximalMoments& d, double c,
                                     double e, double f) {
    const double noise = 1.0 - c * c;
    const double scale = p.q / p.s;
    const double sharpness = 1.0 / noise;
    const double variance = larger(1.0 + 2.0 * d.cross + d.square, 1e-14);
    const double along = (1.0 + d.cross) / variance;
    double b = (c - e) * along + e;
    double g = f * (1.0 - along);
    double m = d.mean + variance * (b * (w - e * d.mean) + noise * g * (v - f * d.mean)) /
                            (b * b * variance + noise * (1.0 + variance * g * g));
    double t = 0.0, rise = 0.0, missed = 0.0, beside = 0.0;
    for (long long step = 0; step <= CENTRE_STEPS; ++step) {
        const Slopes slopes = derivatives(p.loss, p.y, p.a + p.s * m);
        t = m + scale * slopes.first;
        rise = 1.0 + p.q * slopes.second;
        b = (c - e) * rise + e;
        g = f * (1.0 - rise);
        missed = w - c * t - e * (m - t);
        beside = v - f * (m - t);
        if (step < CENTRE_STEPS) {
            m += (b * missed * sharpness + g * beside - t * rise) / (rise * rise + b * b * sharpness + g * g);
        }
    }
    const double precision = rise * rise + b * b * sharpness + g * g;
    const double height = -0.5 * t * t - 0.5 * missed * missed * sharpness - 0.5 * beside * beside;
    const double deviation = 1.0 / sqrt(precision);
    double total = 0.0;
    for (long long k = 0; k < HERMITE; ++k) {
        const double z = HERMITE_NODES[k];
        const double x = m + deviation * z;
        const Slopes slopes = derivatives(p.loss, p.y, p.a + p.s * x);
        t = x + scale * slopes.first;
        missed = w - c * t - e * (x - t);
        beside = v - f * (x - t);
        const double exponent =
            0.5 * z * z - 0.5 * t * t - 0.5 * missed * missed * sharpness - 0.5 * beside * beside - height;
        total += HERMITE_WEIGHTS[k] * (1.0 + p.q * slopes.second) * exp(smaller(exponent - EXPONENT_SHIFT, 0.0));
    }
    return log(larger(total, 1e-300)) + EXPONENT_SHIFT + height - 0.5 * log(precision * noise);
}

__device__ inline long long ratio_bin(double ratio) {
    const double x = fabs(ratio) / RATIO_UNIT;
    const double size = log(x + sqrt(x * x + 1.0));
    const double place = ratio >= 0.0 ? RATIO_REACH + size : RATIO_REACH - size;
    const long long number = (long long)floor(place * ((double)RATIO_BINS / (2.0 * RATIO_REACH)));
    return number < 0 ? 0 : number > RATIO_BINS - 1 ? RATIO_BINS - 1 : number;
}

__device__ inline unsigned long long counted(double mass) {
    return (unsigned long long)(long long)floor(mass * MASS_UNIT + 0.5);
}

}  // namespace qmis
