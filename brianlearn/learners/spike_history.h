// spike_history.py's rules in C++. All quantities of a step lie side by side.
#include <cstring>

using brianlearn::FlushTinyToZero;

enum { NONE, SHARED, OWN };

// Go on with the running sums of one filter by one step; at a block's beginning, `goes_on` is 0.
static void add_up(double goes_on, const double* __restrict last, double* __restrict next,
                   const double* __restrict psi, const double* __restrict signal, double alpha,
                   double kappa, size_t n)
{
    const double ratio = alpha / kappa;
    for (size_t j = 0; j < n; j++) {
        const double weighed = kappa * signal[j];
        const double phi = goes_on * last[2 * n + j] + ratio * psi[j];
        next[j] = goes_on * last[j] + weighed;
        next[n + j] = goes_on * last[n + j] + weighed * phi;
        next[2 * n + j] = phi;
    }
}

static void signal_of(const Array<double>& error, const Array<double>& feedback,
                      const Array<double>& signal)
{
    const size_t readouts = error.size;
    bool silent = true;
    for (size_t k = 0; k < readouts; k++) silent &= error[k] == 0;
    if (silent) return (void)std::memset(signal.data, 0, signal.size * sizeof(double));
    for (size_t j = 0; j < signal.size; j++) {
        double sum = 0;
        for (size_t k = 0; k < readouts; k++) sum += feedback[j * readouts + k] * error[k];
        signal[j] = sum;
    }
}

int note_neurons(Array<int64_t> now, Array<int64_t> length, Array<double> psi, Array<double> error,
                 Array<double> feedback, Array<double> learning_signal, Array<double> deviation,
                 Array<int64_t> regularized, Array<double> gain, Array<int64_t> block,
                 Array<double> powers, Array<double> history, Array<double> sums)
{
    const FlushTinyToZero here;
    const int64_t n = psi.size, steps = length[0], span = block[0] + 1;
    const int64_t filters = powers.size / span - 1, width = (filters + 1) * n, e = now[0]++;
    double* const present = history.data + now[0] % steps * width;
    signal_of(error, feedback, learning_signal);
    if (e >= 0) {
        double* const before = history.data + e % steps * width;
        for (int64_t j = 0; j < n; j++) before[n + j] += learning_signal[j];
        const int64_t tau = block[0] ? e % block[0] + 1 : 0;
        for (int64_t f = 0; f < filters && block[0]; f++) {
            const double* last = sums.data + ((e + steps - 1) % steps * filters + f) * 3 * n;
            add_up(tau > 1, last, sums.data + (e % steps * filters + f) * 3 * n, before,
                   before + (1 + f) * n, powers[tau], powers[(1 + f) * span + tau], n);
        }
    }
    std::memcpy(present, psi.data, n * sizeof(double));
    std::memset(present + n, 0, (width - n) * sizeof(double));
    if (regularized[0] != NONE)
        for (int64_t j = 0; j < n; j++) present[width - n + j] = gain[0] * deviation[j];
    return 0;
}

int note_readouts(Array<int64_t> now, Array<int64_t> length, Array<double> error,
                  Array<int64_t> block, Array<double> powers, Array<double> history,
                  Array<double> sums)
{
    const FlushTinyToZero here;
    const int64_t n = error.size, steps = length[0], e = ++now[0];
    std::memcpy(history.data + e % steps * n, error.data, n * sizeof(double));
    if (!block[0]) return 0;
    const int64_t tau = e % block[0] + 1;
    const double* last = sums.data + (e + steps - 1) % steps * n;
    double* next = sums.data + e % steps * n;
    for (int64_t j = 0; j < n; j++) next[j] = (tau > 1 ? last[j] : 0) + powers[tau] * error[j];
    return 0;
}
