// eprop_adjoint.py's rules in C++. History is kept sample by sample, so that one sample's backward
// pass reads memory in order, with all per-neuron state in the nearest cache.
#include <cstring>
#include <vector>

using brianlearn::FlushTinyToZero;

// Note the spikes of this step: when they arrive, and from whom, in the list of their sample.
static void note_spikes(int64_t step, int64_t steps, size_t samples, const Array<int32_t>& spikes,
                        const Array<int64_t>& first, const Array<int64_t>& sources,
                        const Array<int64_t>& lag, const Array<int32_t>& arrivals,
                        const Array<int32_t>& origins, const Array<int64_t>& counts)
{
    if (step == 0) std::memset(counts.data, 0, counts.size * sizeof(int64_t));
    const int64_t arrival = step + lag[0], n = sources[0];
    if (arrival >= steps) return;  // no spike crosses a trial's end
    const size_t capacity = arrivals.size / samples;
    for (int32_t s = 0; s < spikes[spikes.size - 1]; s++) {
        const int64_t source = spikes[s] - first[0], sample = source / n;
        if (source < 0 || sample >= (int64_t)samples) continue;
        const size_t k = sample * capacity + counts[sample]++;
        arrivals[k] = (int32_t)arrival;
        origins[k] = (int32_t)(source - sample * n);
    }
}

static void keep(double* history, const Array<double>& now, size_t samples, int64_t step,
                 int64_t steps)
{
    const size_t n = now.size / samples;
    for (size_t b = 0; b < samples; b++)
        std::memcpy(history + (b * steps + step) * n, now.data + b * n, n * sizeof(double));
}

// The spikes of one connection, from the last on: each adds the row of sensitivities `H` of its step
// to the gradient of its source's row.
struct Events {
    const int32_t *arrivals, *origins, *rows, *columns;  // rows: null if every target has a place
    double* gradient;
    int64_t left;

    void add(int32_t t, const double* __restrict H, size_t n)
    {
        for (; left > 0 && arrivals[left - 1] == t; left--) {
            const int32_t i = origins[left - 1];
            if (rows) {
                for (int32_t k = rows[i]; k < rows[i + 1]; k++) gradient[k] += H[columns[k]];
            } else {
                double* __restrict row = gradient + i * n;
                for (size_t j = 0; j < n; j++) row[j] += H[j];
            }
        }
    }
};

static std::vector<Events> events_of(size_t sample, size_t samples, const Arrays<int32_t>& arrivals,
                                     const Arrays<int32_t>& origins, const Arrays<int64_t>& counts,
                                     const Arrays<int32_t>& rows, const Arrays<int32_t>& columns,
                                     const Arrays<double>& gradient)
{
    std::vector<Events> all;
    for (size_t p = 0; p < gradient.size; p++) {
        const size_t first = sample * (arrivals[p].size / samples);
        all.push_back({arrivals[p].data + first, origins[p].data + first,
                       rows[p].size > 1 ? rows[p].data : nullptr, columns[p].data,
                       gradient[p].data, counts[p][sample]});
    }
    return all;
}

static double element(const Array<double>& values, size_t i) { return values[i % values.size]; }

// Per-neuron constants and running sensitivities of one sample.
struct Neurons {
    size_t n;
    std::vector<double> alpha, zeta, rho, beta, reg, q, lambda, H;

    explicit Neurons(size_t n)
        : n(n), alpha(n), zeta(n), rho(n), beta(n), reg(n), q(n), lambda(n), H(n) {}

    // One step back in time; `L` is the learning signal, null where it is zero.
    template <bool ADAPTS>
    void back(const double* __restrict psi, const double* __restrict L, double kappa)
    {
        double *__restrict q_ = q.data(), *__restrict l_ = lambda.data(), *__restrict h_ = H.data();
        const double *__restrict a_ = alpha.data(), *__restrict z_ = zeta.data(),
                     *__restrict r_ = rho.data(), *__restrict b_ = beta.data(),
                     *__restrict reg_ = reg.data();
        const double take = 1 - kappa;
        if (L)
            for (size_t j = 0; j < n; j++) q_[j] = kappa * q_[j] + L[j];
        else
            for (size_t j = 0; j < n; j++) q_[j] = kappa * q_[j];
        for (size_t j = 0; j < n; j++) {
            const double c = take * q_[j] + reg_[j];
            double g;
            if (ADAPTS) {
                g = psi[j] * (c + l_[j]);
                l_[j] = r_[j] * l_[j] - b_[j] * g;
            } else {
                g = psi[j] * c;
            }
            h_[j] = a_[j] * h_[j] + z_[j] * g;
        }
    }
};

static void learning_signal_of(const double* error, const Array<double>& feedback, size_t n,
                               size_t readouts, double* L)
{
    for (size_t j = 0; j < n; j++) {
        double sum = 0;
        for (size_t k = 0; k < readouts; k++) sum += feedback[j * readouts + k] * error[k];
        L[j] = sum;
    }
}

int adjoint(Array<int64_t> step, Array<int64_t> steps, Array<double> interval,
            Array<int64_t> window, Array<char> learning, Array<char> recording,
            Array<int64_t> samples, Array<double> psi, Array<int32_t> spiking, Array<double> error,
            Array<double> feedback, Array<double> learning_signal, Array<double> tau_m,
            Array<double> spread, Array<double> beta, Array<double> tau_adapt,
            Array<double> tau_out, Array<double> c_reg, Array<double> rate,
            Array<double> psi_history, Array<double> error_history, Array<int64_t> spike_counts,
            Arrays<int32_t> spikes, Arrays<int64_t> first, Arrays<int64_t> sources,
            Arrays<int64_t> lag, Arrays<int32_t> rows, Arrays<int32_t> columns,
            Arrays<int32_t> arrivals, Arrays<int32_t> origins, Arrays<int64_t> counts,
            Arrays<double> gradient)
{
    const int64_t T = steps[0], s = step[0];
    const size_t B = samples[0], n = psi.size / B, readouts = error.size / B;
    if (recording[0])
        for (size_t b = 0; b < B; b++)
            learning_signal_of(error.data + b * readouts, feedback, n, readouts,
                               learning_signal.data + b * n);
    if (!learning[0]) return 0;
    if (s == 0) std::memset(spike_counts.data, 0, spike_counts.size * sizeof(int64_t));
    for (int32_t k = 0; k < spiking[spiking.size - 1]; k++) spike_counts[spiking[k]]++;
    keep(psi_history.data, psi, B, s, T);
    keep(error_history.data, error, B, s, T);
    for (size_t p = 0; p < gradient.size; p++)
        note_spikes(s, T, B, spikes[p], first[p], sources[p], lag[p], arrivals[p], origins[p],
                    counts[p]);
    if (s < T - 1) return 0;

    const FlushTinyToZero scope;
    const double kappa = std::exp(-interval[0] / tau_out[0]);
    std::vector<double> L(n);
    for (size_t b = 0; b < B; b++) {
        Neurons neurons(n);
        bool adapts = false;
        for (size_t j = 0; j < n; j++) {
            const size_t i = b * n + j;
            neurons.alpha[j] = std::exp(-interval[0] / element(tau_m, i));
            neurons.zeta[j] = 1 - element(spread, i) * neurons.alpha[j];
            neurons.rho[j] = std::exp(-interval[0] / element(tau_adapt, i));
            neurons.beta[j] = element(beta, i);
            adapts |= neurons.beta[j] != 0;
            const double deviation = (double)spike_counts[i] / T - rate[0] * interval[0];
            neurons.reg[j] = c_reg[0] * deviation / T;
        }
        auto events = events_of(b, B, arrivals, origins, counts, rows, columns, gradient);
        for (int64_t t = T - 1; t >= 0; t--) {
            const bool open = t >= T - window[0];
            if (open)
                learning_signal_of(error_history.data + (b * T + t) * readouts, feedback, n,
                                   readouts, L.data());
            const double* now = psi_history.data + (b * T + t) * n;
            if (adapts)
                neurons.back<true>(now, open ? L.data() : nullptr, kappa);
            else
                neurons.back<false>(now, open ? L.data() : nullptr, kappa);
            for (Events& connection : events) connection.add((int32_t)t, neurons.H.data(), n);
        }
    }
    return 0;
}

int adjoint_readout(Array<int64_t> step, Array<int64_t> steps, Array<double> interval,
                    Array<int64_t> window, Array<char> learning, Array<int64_t> samples,
                    Array<double> error, Array<double> tau_m, Array<double> spread,
                    Array<double> error_history, Arrays<int32_t> spikes, Arrays<int64_t> first,
                    Arrays<int64_t> sources, Arrays<int64_t> lag, Arrays<int32_t> rows,
                    Arrays<int32_t> columns, Arrays<int32_t> arrivals, Arrays<int32_t> origins,
                    Arrays<int64_t> counts, Arrays<double> gradient)
{
    if (!learning[0]) return 0;
    const int64_t T = steps[0], s = step[0];
    const size_t B = samples[0], n = error.size / B;
    keep(error_history.data, error, B, s, T);
    for (size_t p = 0; p < gradient.size; p++)
        note_spikes(s, T, B, spikes[p], first[p], sources[p], lag[p], arrivals[p], origins[p],
                    counts[p]);
    if (s < T - 1) return 0;

    const FlushTinyToZero scope;
    const double kappa = std::exp(-interval[0] / tau_m[0]), zeta = 1 - spread[0] * kappa;
    std::vector<double> H(n);
    for (size_t b = 0; b < B; b++) {
        std::fill(H.begin(), H.end(), 0.0);
        auto events = events_of(b, B, arrivals, origins, counts, rows, columns, gradient);
        for (int64_t t = T - 1; t >= 0; t--) {
            const double* now = error_history.data + (b * T + t) * n;
            for (size_t k = 0; k < n; k++) H[k] = kappa * H[k] + zeta * now[k];
            for (Events& connection : events) connection.add((int32_t)t, H.data(), n);
        }
    }
    return 0;
}
