// Uniform numbers: addressed by (key, stream, replicate, draw), strictly between 0 and 1.
#pragma once
#include "philox.cuh"

namespace qmis {

// What all replicates of a call share.
struct Source {
    unsigned seed, experiment, stream;
};

struct Pair {
    double first, second;
};

// ((word >> 11) | 1) 2^-53 of the word low + 2^32 high: its upper 52 bits become the fraction of a number in
// [1, 2), from which 1 - 2^-53 is taken away.
__device__ inline double uniform(unsigned low, unsigned high) {
    const unsigned long long word = low | ((unsigned long long)high << 32);
    return __longlong_as_double((long long)((word >> 12) | 0x3FF0000000000000ULL)) - (1.0 - 0x1p-53);
}

// The draws 2 block and 2 block + 1 of the replicate.
__device__ inline Pair uniform_pair(Source source, unsigned long long replicate, unsigned block) {
    const Words counter = {(unsigned)replicate, (unsigned)(replicate >> 32), block, source.stream};
    const Words w = philox(counter, source.seed, source.experiment);
    return {uniform(w.w0, w.w1), uniform(w.w2, w.w3)};
}

}  // namespace qmis
