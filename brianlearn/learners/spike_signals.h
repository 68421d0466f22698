// spike_signals.py's rules in C++.
#include <cstring>

using brianlearn::FlushTinyToZero;

enum { NONE, SHARED, OWN };

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

// Go on with the running sums P, Q and Phi of one filter by one step.
static void add_up(double* __restrict sums, const double* __restrict psi,
                   const double* __restrict signal, double alpha, double kappa, size_t n)
{
    const double ratio = alpha / kappa;
    for (size_t j = 0; j < n; j++) {
        const double weighed = kappa * signal[j], phi = sums[2 * n + j] + ratio * psi[j];
        sums[j] += weighed;
        sums[n + j] += weighed * phi;
        sums[2 * n + j] = phi;
    }
}

int tell_neurons(Array<int64_t> now, Array<double> psi, Array<double> error, Array<double> feedback,
                 Array<double> learning_signal, Array<double> deviation, Array<char> learning,
                 Array<int64_t> regularized, Array<double> gain, Array<int64_t> block,
                 Array<double> powers, Array<double> complete, Array<double> coming,
                 Array<double> sums)
{
    const FlushTinyToZero here;
    const size_t n = psi.size, quantities = complete.size / n, span = block[0] + 2;
    signal_of(error, feedback, learning_signal);
    std::memcpy(complete.data, coming.data, complete.size * sizeof(double));
    for (size_t j = 0; j < n && learning[0]; j++) complete[n + j] += learning_signal[j];
    if (block[0] && now[0] >= 0) {
        const int64_t tau = now[0] % block[0] + 1;
        if (tau == 1) std::memset(sums.data, 0, sums.size * sizeof(double));
        for (size_t f = 0; f + 1 < quantities; f++)
            add_up(sums.data + 3 * f * n, complete.data, complete.data + (1 + f) * n, powers[tau],
                   powers[(1 + f) * span + tau], n);
    }
    now[0]++;
    std::memcpy(coming.data, psi.data, n * sizeof(double));
    std::memset(coming.data + n, 0, (coming.size - n) * sizeof(double));
    double* const last = coming.data + coming.size - n;
    const bool regularizes = regularized[0] != NONE && learning[0];
    for (size_t j = 0; j < n && regularizes; j++) last[j] = gain[0] * deviation[j];
    return 0;
}

int tell_readouts(Array<int64_t> now, Array<double> error, Array<char> learning,
                  Array<int64_t> block, Array<double> powers, Array<double> complete,
                  Array<double> coming, Array<double> sums)
{
    const FlushTinyToZero here;
    std::memcpy(complete.data, coming.data, complete.size * sizeof(double));
    if (block[0] && now[0] >= 0) {
        const int64_t tau = now[0] % block[0] + 1;
        for (size_t k = 0; k < sums.size; k++)
            sums[k] = (tau == 1 ? 0 : sums[k]) + powers[tau] * complete[k];
    }
    now[0]++;
    for (size_t k = 0; k < error.size; k++) coming[k] = learning[0] ? error[k] : 0;
    return 0;
}
