// Updates of many regressions by points of their own, one thread for each point.
#include "grid.cuh"
#include "rank_one.cuh"

namespace qmis {

// Item t is point begin + t of the points of all regressions, `points` for each; work holds d x items numbers.
extern "C" __global__ void rank_one_rows(double* updated, double* leverage, long long* solvable, long long items,
                                         long long begin, long long points, long long d, double sign,
                                         const double* factors, const double* estimates, const double* design,
                                         const double* response, double* work) {
    FOR_EACH(item, items) {
        const long long r = (begin + item) / points;
        const Strided<double> w = {work + item, items};
        const double* estimate = estimates + r * d;
        const Update update =
            rank_one_update(w, design + item * d, response[item], sign, Square{factors + r * d * d, d}, estimate);
        leverage[item] = update.leverage;
        solvable[item] = update.solvable;
        for (long long i = 0; i < d; ++i) {
            updated[item * d + i] =
                update.solvable ? estimate[i] + sign * (w[i] * update.step) : not_a_number();
        }
    }
}

}  // namespace qmis
