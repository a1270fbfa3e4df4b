// Logistic regressions: one thread simulates a point, one thread fits a data set. Entry i of everything of replicate r
// lies at [i * rows + r].
#include "grid.cuh"
#include "logistic.cuh"
#include "normal.cuh"
#include "uniform.cuh"

namespace qmis {

// Designs, column after column, and the signs of their responses. Point j has d / 2 + 1 blocks: normals of its
// coordinates, then the uniform of its response.
extern "C" __global__ void logistic_points(double* x, double* signs, long long rows, long long n, long long d,
                                           const double* coefficients, const double* factor, unsigned seed,
                                           unsigned experiment, unsigned stream, unsigned long long first) {
    FOR_EACH(item, n * rows) {
        const long long j = item / rows;
        const Strided<double> point = {x + item, n * rows};
        for (long long i = 0; i < d; ++i) {
            point[i] = 0.0;
        }
        double choice = 0.0;
        for (long long k = 0; k <= d; k += 2) {
            const Pair u = uniform_pair({seed, experiment, stream}, first + (item - j * rows),
                                        (unsigned)(j * (d / 2 + 1) + k / 2));
            choice = k == d ? u.first : u.second;
            const double z0 = k < d ? normal(u.first) : 0.0;
            const double z1 = k + 1 < d ? normal(u.second) : 0.0;
            for (long long i = 0; i < d; ++i) {
                double total = point[i];
                if (k < d) {
                    total += factor[i * d + k] * z0;
                }
                if (k + 1 < d) {
                    total += factor[i * d + k + 1] * z1;
                }
                point[i] = total;
            }
        }
        double predictor = 0.0;
        for (long long i = 0; i < d; ++i) {
            predictor += coefficients[i] * point[i];
        }
        const Chances p = chances(fabs(predictor));
        signs[item] = choice < (predictor >= 0.0 ? p.larger : p.smaller) ? 1.0 : -1.0;
    }
}

// Estimates (rows x d), NaN unless the iteration converged, and statuses. work holds 3 n + d (d + 1) / 2 + 2 d numbers
// for each row. Left alone the compiler spends up to 176 registers, most on addresses; the bounds keep four
// blocks of 128 threads on a multiprocessor.
extern "C" __global__ void __launch_bounds__(128, 4) logistic_rows(double* estimates, long long* status,
                                                                   long long rows, long long n, long long d,
                                                                   double tolerance, long long iterations,
                                                                   const double* x, const double* signs,
                                                                   double* work) {
    FOR_EACH(r, rows) {
        const Strided<double> own = {work + r, rows};
        const Strided<double> matrix = {&own[3 * n], rows};
        const Strided<double> step = {&matrix[d * (d + 1) / 2], rows};
        const Strided<double> estimate = {&step[d], rows};
        const LogisticFit fit = {n,
                                 d,
                                 {x + r, rows},
                                 {signs + r, rows},
                                 own,
                                 {&own[n], rows},
                                 {&own[2 * n], rows},
                                 {matrix},
                                 step,
                                 estimate};
        status[r] = fit.newton(tolerance, iterations);
        for (long long i = 0; i < d; ++i) {
            estimates[r * d + i] = status[r] == CONVERGED ? estimate[i] : not_a_number();
        }
    }
}

}  // namespace qmis
