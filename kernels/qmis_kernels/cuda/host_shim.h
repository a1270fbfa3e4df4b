// Makes the CUDA sources compile as C++: what they use of CUDA, and a loop in place of a grid of threads.
#pragma once
#include <math.h>
#include <string.h>

#define __global__
#define __device__
#define __launch_bounds__(...)

struct GridIndex {
    unsigned x;
};
static thread_local GridIndex threadIdx, blockIdx, blockDim, gridDim;

static inline double __longlong_as_double(long long bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline long long __double_as_longlong(double x) {
    long long bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// One thread at a time: an addition that nobody can interrupt.
static inline unsigned long long atomicAdd(unsigned long long* place, unsigned long long number) {
    const unsigned long long before = *place;
    *place = before + number;
    return before;
}

// Run the body once for each thread of each block. No thread waits for another: kernels must not need it.
template <class Body>
static void over_grid(unsigned grid, unsigned block, Body body) {
    gridDim.x = grid;
    blockDim.x = block;
    for (blockIdx.x = 0; blockIdx.x < grid; ++blockIdx.x) {
        for (threadIdx.x = 0; threadIdx.x < block; ++threadIdx.x) {
            body();
        }
    }
}
