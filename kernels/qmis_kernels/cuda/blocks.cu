// The last step of every sum in blocks: partial sums are added in the order of the blocks.
#include "grid.cuh"

namespace qmis {

// out[i] becomes out[i] (0 when fresh) + partial[0, i] + partial[1, i] + ..., partial blocks x items.
extern "C" __global__ void add_blocks(double* out, long long items, long long blocks, const double* partial,
                                      long long fresh) {
    FOR_EACH(i, items) {
        double total = fresh ? 0.0 : out[i];
        for (long long b = 0; b < blocks; ++b) {
            total += partial[b * items + i];
        }
        out[i] = total;
    }
}

}  // namespace qmis
