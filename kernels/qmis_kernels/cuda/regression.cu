// Least squares from sufficient statistics. A replicate has the triangle A with F A A' F' = X'X (its normals below the
// diagonal, row by row, and its squared diagonal) and normals z, which follow the entries of A.
#include "grid.cuh"
#include "triangle.cuh"

namespace qmis {

struct Bartlett {
    const double* entries;  // below the diagonal, row by row
    const double* squares;  // of the diagonal
    __device__ double diagonal(long long i) const { return sqrt(squares[i]); }
    __device__ double below(long long i, long long k) const { return entries[i * (i - 1) / 2 + k]; }
};

// z becomes A^-T z in each row of `draws`, one thread for each; a row of `squares` has `width` numbers.
extern "C" __global__ void regression_solutions(double* draws, long long rows, long long d, long long width,
                                                const double* squares) {
    const long long entries = d * (d - 1) / 2;
    FOR_EACH(r, rows) {
        double* own = draws + r * (entries + d);
        solve_upper(own + entries, Bartlett{own, squares + r * width}, d);
    }
}

// Row r of `out` (rows x d) gets coefficients + noise F^-T A^-T z, one thread for each entry; columns is the transpose
// of F^-T.
extern "C" __global__ void regression_estimates(double* out, long long rows, long long d, double noise,
                                                const double* coefficients, const double* columns,
                                                const double* draws) {
    const long long entries = d * (d - 1) / 2;
    FOR_EACH(item, rows * d) {
        const long long r = item / d;
        const long long i = item - r * d;
        const double* z = draws + r * (entries + d) + entries;
        double total = 0.0;
        for (long long k = 0; k < d; ++k) {
            total += columns[k * d + i] * z[k];
        }
        out[item] = coefficients[i] + noise * total;
    }
}

// Residual sums of squares: squares[r, d] scaled, 0 without that column.
extern "C" __global__ void regression_residuals(double* out, long long rows, long long d, long long width,
                                                double noise, const double* squares) {
    FOR_EACH(r, rows) {
        out[r] = noise * noise * (width > d ? squares[r * width + d] : 0.0);
    }
}

// The triangles A as square matrices, one thread for each entry.
extern "C" __global__ void regression_triangles(double* out, long long rows, long long d, long long width,
                                                const double* draws, const double* squares) {
    FOR_EACH(item, rows * d * d) {
        const long long r = item / (d * d);
        const long long i = (item - r * d * d) / d;
        const long long k = item % d;
        const Bartlett own = {draws + r * (d * (d + 1) / 2), squares + r * width};
        out[item] = k > i ? 0.0 : k == i ? own.diagonal(i) : own.below(i, k);
    }
}

}  // namespace qmis
