// Wishart matrices W = B B', B = F A, A the lower trapezoid (q x width) of Bartlett's decomposition: three
// kernels, one thread for each entry of the diagonal of A, of B and of W.
#include "chi_square.cuh"
#include "grid.cuh"

namespace qmis {

// A[i, i] of each replicate: root of a chi-square number with dof - i degrees of freedom.
extern "C" __global__ void wishart_diagonal(double* diagonal, long long rows, long long width, long long dof,
                                            unsigned seed, unsigned experiment, unsigned stream,
                                            unsigned long long first, unsigned block) {
    FOR_EACH(item, rows * width) {
        const long long r = item / width;
        const long long i = item - r * width;
        diagonal[item] = sqrt(chi_square((double)(dof - i), {seed, experiment, stream}, first + r,
                                         block + (unsigned)i, (unsigned)width));
    }
}

// B[i, j] = sum over k >= j of columns[k, i] A[k, j]; z holds the entries of A below its diagonal, row by row.
extern "C" __global__ void wishart_factor(double* b, long long rows, long long q, long long width, long long normals,
                                          const double* columns, const double* z, const double* diagonal) {
    FOR_EACH(item, rows * q * width) {
        const long long r = item / (q * width);
        const long long i = (item - r * q * width) / width;
        const long long j = item % width;
        double total = 0.0;
        total += columns[j * q + i] * diagonal[r * width + j];
        const double* entry = z + r * normals + j * (j + 1) / 2 + j;  // A[j + 1, j]
        for (long long k = j + 1; k < q; ++k) {
            total += columns[k * q + i] * *entry;
            entry += k < width ? k : width;
        }
        b[item] = total;
    }
}

// W[i, j] = sum over k of B[i, k] B[j, k].
extern "C" __global__ void wishart_product(double* out, long long rows, long long q, long long width, const double* b) {
    FOR_EACH(item, rows * q * q) {
        const long long r = item / (q * q);
        const long long i = (item - r * q * q) / q;
        const long long j = item % q;
        const double* left = b + (r * q + i) * width;
        const double* right = b + (r * q + j) * width;
        double total = 0.0;
        for (long long k = 0; k < width; ++k) {
            total += left[k] * right[k];
        }
        out[item] = total;
    }
}

}  // namespace qmis
