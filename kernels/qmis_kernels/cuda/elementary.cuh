// Logarithm and exponential made only of IEEE-exact operations and bit moves: the same bits on every device.
// The coefficients are those of qmis_kernels/_constants.py, written in front of every compilation.
#pragma once

namespace qmis {

__device__ inline double infinity() { return __longlong_as_double(0x7FF0000000000000LL); }

__device__ inline double not_a_number() { return __longlong_as_double(0x7FF8000000000000LL); }

// log x for a positive normal x.
__device__ inline double log(double x) {
    const unsigned long long bits = (unsigned long long)__double_as_longlong(x);
    const long long exponent = (long long)(bits - (unsigned long long)LOG_SPLIT) >> 52;
    const double f = __longlong_as_double((long long)(bits - ((unsigned long long)exponent << 52))) - 1.0;
    const double k = (double)exponent;
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double w = z * z;
    const double remainder = z * (LOG_ODD[0] + w * (LOG_ODD[1] + w * (LOG_ODD[2] + w * LOG_ODD[3]))) +
                             w * (LOG_EVEN[0] + w * (LOG_EVEN[1] + w * LOG_EVEN[2]));
    const double half_square = 0.5 * f * f;
    return s * (half_square + remainder) + k * LN2_LOW - half_square + f + k * LN2_HIGH;
}

// log(1 + x) for -1 < x <= 1.
__device__ inline double log1p(double x) {
    const double u = 1.0 + x;
    return log(u) + (x - (u - 1.0)) / u;
}

// e^x for x <= 0; 0 below the normal numbers.
__device__ inline double exp(double x) {
    if (x < -708.0) {
        return 0.0;
    }
    const double k = floor(x * INVERSE_LN2 + 0.5);
    const double high = x - k * LN2_HIGH;
    const double low = k * LN2_LOW;
    const double r = high - low;
    const double t = r * r;
    const double c = r - t * (EXP[0] + t * (EXP[1] + t * (EXP[2] + t * (EXP[3] + t * EXP[4]))));
    const double y = 1.0 - ((low - (r * c) / (2.0 - c)) - high);
    return y * __longlong_as_double((long long)((unsigned long long)((long long)k + 1023) << 52));
}

}  // namespace qmis
