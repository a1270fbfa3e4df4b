// Lower triangles in two layouts, and the solution of their systems. Each entry of a solution loses its terms in the
// order in which the columns are eliminated, and is divided at the end.
#pragma once
#include "strided.cuh"

namespace qmis {

// A square matrix, row by row.
struct Square {
    const double* start;
    long long d;
    __device__ double diagonal(long long i) const { return start[i * d + i]; }
    __device__ double below(long long i, long long k) const { return start[i * d + k]; }
};

// The triangle alone, row by row.
template <class Number>
struct Packed {
    Strided<Number> entries;
    __device__ Number& diagonal(long long i) const { return entries[i * (i + 1) / 2 + i]; }
    __device__ Number& below(long long i, long long k) const { return entries[i * (i + 1) / 2 + k]; }
};

// v becomes L^-1 v.
template <class Vector, class Triangle>
__device__ inline void solve_lower(Vector v, const Triangle& factor, long long d) {
    for (long long i = 0; i < d; ++i) {
        double total = v[i];
        for (long long k = 0; k < i; ++k) {
            total -= factor.below(i, k) * v[k];
        }
        v[i] = total / factor.diagonal(i);
    }
}

// w becomes L^-T w.
template <class Vector, class Triangle>
__device__ inline void solve_upper(Vector w, const Triangle& factor, long long d) {
    for (long long i = d - 1; i >= 0; --i) {
        double total = w[i];
        for (long long k = d - 1; k > i; --k) {
            total -= factor.below(k, i) * w[k];
        }
        w[i] = total / factor.diagonal(i);
    }
}

}  // namespace qmis
