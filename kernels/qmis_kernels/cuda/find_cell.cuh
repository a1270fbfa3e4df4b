// Cells of the real line between edges.
#pragma once

namespace qmis {

// How many of edges[low:high], in increasing order, are at most x.
__device__ inline long long find_cell(const double* edges, long long low, long long high, double x) {
    const long long start = low;
    while (low < high) {
        const long long middle = (low + high) / 2;
        if (edges[middle] <= x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - start;
}

}  // namespace qmis
