// Philox4x32-10: ten rounds that turn a counter and a key into four random 32-bit words.
#pragma once

namespace qmis {

struct Words {
    unsigned w0, w1, w2, w3;
};

__device__ inline Words philox(Words counter, unsigned k0, unsigned k1) {
    for (int round = 0; round < 10; ++round) {
        const unsigned long long product_0 = 0xD2511F53ULL * counter.w0;
        const unsigned long long product_1 = 0xCD9E8D57ULL * counter.w2;
        counter = {(unsigned)(product_1 >> 32) ^ counter.w1 ^ k0, (unsigned)product_1,
                   (unsigned)(product_0 >> 32) ^ counter.w3 ^ k1, (unsigned)product_0};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return counter;
}

}  // namespace qmis
