// Sums in interleaved partial sums, which are added in a fixed tree.
#pragma once

namespace qmis {

// The sum of the lanes.
__device__ inline double lanes_total(const double (&s)[LANES]) {
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

// The sum of term(0), ..., term(n - 1) in LANES interleaved partial sums.
template <class Term>
__device__ inline double lanes_sum(long long n, const Term& term) {
    double s[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        s[lane] = 0.0;
    }
#pragma unroll 1  // eight lanes are enough loads in flight; more only take registers
    for (long long begin = 0; begin < n; begin += LANES) {
        for (int lane = 0; lane < LANES; ++lane) {
            if (begin + lane < n) {
                s[lane] += term(begin + lane);
            }
        }
    }
    return lanes_total(s);
}

}  // namespace qmis
