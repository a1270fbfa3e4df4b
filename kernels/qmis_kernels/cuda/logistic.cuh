// Logistic regression by Newton's method. Points beyond the last one, with which Numba fills its vectors, add zeros to
// sums that start at +0: they are left out here.
#pragma once
#include "elementary.cuh"
#include "lanes.cuh"
#include "triangle.cuh"

namespace qmis {

struct Chances {
    double larger, smaller;
};

// 1 / (1 + e^-size) and 1 / (1 + e^size), size >= 0, with one division: see exp.
__device__ inline Chances chances(double size) {
    const double(&p)[5] = EXP;
    const double x = size > LARGEST_PREDICTOR ? -LARGEST_PREDICTOR : -size;
    const double shifted = x * INVERSE_LN2 + TO_INTEGER;
    const double k = shifted - TO_INTEGER;
    const double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    const double t = r * r;
    const double g = 2.0 - (r - t * (p[0] + t * (p[1] + t * (p[2] + t * (p[3] + t * p[4])))));
    const double power = __longlong_as_double(
        (long long)((unsigned long long)(__double_as_longlong(shifted) + 1023) << 52));
    const double h = (g + 2.0 * r) * power;
    const double inverse = 1.0 / (g + h);
    return {g * inverse, h * inverse};
}

// The fit of one data set; its vectors over points have n entries, those over columns d.
struct LogisticFit {
    long long n, d;
    Strided<const double> x;      // column after column
    Strided<const double> signs;  // 2 y - 1
    Strided<double> predictors, weights, residuals;
    Packed<double> matrix;
    Strided<double> step, estimate;

    // The linear predictor of point j for the direction v.
    __device__ double combine(const Strided<double>& v, long long j) const {
        double total = 0.0;
        for (long long i = 0; i < d; ++i) {
            total += v[i] * x[i * n + j];
        }
        return total;
    }

    // Whether all moves are at most the limit in size; a NaN is not.
    __device__ bool within(const Strided<double>& moves, double limit) const {
        for (long long j = 0; j < n; ++j) {
            if (!(fabs(moves[j]) <= limit)) {
                return false;
            }
        }
        return true;
    }

    // Whether the direction v, with its linear predictors, separates all points beyond rounding.
    __device__ bool separates(const Strided<double>& v, const Strided<double>& along) const {
        for (long long j = 0; j < n; ++j) {
            if (!(signs[j] * along[j] > 0.0)) {
                return false;
            }
        }
        const double scale = (double)(d + 1) * ROUNDING;
        for (long long j = 0; j < n; ++j) {
            double size = 0.0;
            for (long long i = 0; i < d; ++i) {
                size += fabs(v[i]) * fabs(x[i * n + j]);
            }
            if (!(signs[j] * along[j] > scale * size + SMALLEST_MARGIN)) {
                return false;
            }
        }
        return true;
    }

    // Whether a step improves a point by at least 1 and worsens none by more than SLACK.
    __device__ bool recedes(const Strided<double>& moves) const {
        bool improved = false;
        for (long long j = 0; j < n; ++j) {
            const double gain = signs[j] * moves[j];
            if (!(gain >= -SLACK)) {
                return false;
            }
            improved |= gain >= 1.0;
        }
        return improved;
    }

    // p (1 - p) and y - p of each point, p the probability of a 1.
    __device__ void weigh() const {
        for (long long j = 0; j < n; ++j) {
            const Chances p = chances(fabs(predictors[j]));
            weights[j] = p.larger * p.smaller;
            residuals[j] = signs[j] * (signs[j] * predictors[j] > 0.0 ? p.smaller : p.larger);
        }
    }

    // The lower triangle of X' W X, and X' (y - p) in the place of the step.
    __device__ void information() const {
        for (long long i = 0; i < d; ++i) {
            const Strided<const double> left = {&x[i * n], x.stride};
            for (long long k = 0; k <= i; ++k) {
                const Strided<const double> right = {&x[k * n], x.stride};
                matrix.below(i, k) = lanes_sum(n, [&](long long j) { return weights[j] * left[j] * right[j]; });
            }
            step[i] = lanes_sum(n, [&](long long j) { return residuals[j] * left[j]; });
        }
    }

    // Replace the matrix by its Cholesky factor; false when a pivot nearly vanishes.
    __device__ bool cholesky() const {
        for (long long i = 0; i < d; ++i) {
            for (long long k = 0; k < i; ++k) {
                double total = matrix.below(i, k);
                for (long long m = 0; m < k; ++m) {
                    total -= matrix.below(i, m) * matrix.below(k, m);
                }
                matrix.below(i, k) = total / matrix.diagonal(k);
            }
            double pivot = matrix.diagonal(i);
            for (long long m = 0; m < i; ++m) {
                pivot -= matrix.below(i, m) * matrix.below(i, m);
            }
            if (!(pivot > SMALLEST_PIVOT * matrix.diagonal(i))) {
                return false;
            }
            matrix.diagonal(i) = sqrt(pivot);
        }
        return true;
    }

    // Minus the log likelihood at predictors + size moves; its terms take the place of the residuals.
    __device__ double losses(const Strided<double>& moves, double size) const {
        for (long long j = 0; j < n; ++j) {
            const double margin = signs[j] * (predictors[j] + size * moves[j]);
            residuals[j] = (0.0 > -margin ? 0.0 : -margin) + log1p(exp(-fabs(margin)));
        }
        return lanes_sum(n, [&](long long j) { return residuals[j]; });
    }

    // The first of 1, 1/2, 1/4, ... at which the likelihood does not fall.
    __device__ double step_size(const Strided<double>& moves) const {
        double size = 1.0;
        if (within(moves, SAFE_MOVE)) {
            return size;
        }
        const double before = losses(moves, 0.0);
        while (size > SMALLEST_STEP && !within(moves, SAFE_MOVE / size) && !(losses(moves, size) <= before)) {
            size *= 0.5;
        }
        return size;
    }

    // Maximise the likelihood from 0 and return a status.
    __device__ long long newton(double tolerance, long long iterations) const {
        for (long long i = 0; i < d; ++i) {
            estimate[i] = 0.0;
        }
        if (n < d) {
            return SINGULAR;
        }
        const Strided<double> moves = weights;  // which are not needed any more when there are moves
        for (long long iteration = 0; iteration < iterations; ++iteration) {
            for (long long j = 0; j < n; ++j) {
                predictors[j] = combine(estimate, j);
            }
            if (separates(estimate, predictors)) {
                return SEPARABLE;
            }
            weigh();
            information();
            if (!cholesky()) {
                return iteration == 0 ? SINGULAR : DIVERGING;
            }
            solve_lower(step, matrix, d);
            solve_upper(step, matrix, d);
            for (long long j = 0; j < n; ++j) {
                moves[j] = combine(step, j);
            }
            const bool converged = within(moves, tolerance);
            if (!converged) {
                if (separates(step, moves)) {
                    return SEPARABLE;
                }
                if (iteration > 0 && recedes(moves)) {
                    return DIVERGING;
                }
            }
            const double size = converged || iteration == 0 ? 1.0 : step_size(moves);
            for (long long i = 0; i < d; ++i) {
                estimate[i] += size * step[i];
            }
            if (converged) {
                return CONVERGED;
            }
        }
        return ITERATIONS;
    }
};

}  // namespace qmis
