// eprop_adjoint.py's rules in C++. The history is kept step by step, all samples side by side, and
// read backwards: memory is the limit, so both passes go through it in long runs.
#include <cstring>
#include <thread>
#include <vector>

using brianlearn::FlushTinyToZero;

enum { WORTH_A_THREAD = 100000 };  // steps times neurons: a thread takes 20 microseconds to begin

// Spikes in the order of their arrival, so far in the trial: when, and from whom (sample by sample).
struct Heard {
    const Array<int32_t>&arrivals, &origins;
    const Array<int64_t>& count;

    void note(int64_t step, int64_t steps, size_t samples, const Array<int32_t>& spikes,
              int64_t first, int64_t sources, int64_t lag) const
    {
        if (step == 0) count[0] = 0;
        if (step + lag >= steps) return;  // no spike crosses a trial's end
        for (int32_t s = 0; s < spikes[spikes.size - 1]; s++) {
            const int64_t source = spikes[s] - first;
            if (source < 0 || source >= sources * (int64_t)samples) continue;
            arrivals[count[0]] = (int32_t)(step + lag);
            origins[count[0]++] = (int32_t)source;
        }
    }
};

// The spikes of one connection, from the last on: each adds its sample's row of sensitivities `H` of
// its step to the gradient of its source's row.
struct Events {
    const int32_t *arrivals, *origins, *rows, *columns;  // rows: null if every target has a place
    double* gradient;
    int64_t left, sources;

    // Those of samples from `begin` to before `end`.
    void add(int32_t t, const double* H, size_t n, int64_t begin, int64_t end)
    {
        for (; left > 0 && arrivals[left - 1] == t; left--) {
            const int64_t sample = origins[left - 1] / sources;
            if (sample < begin || sample >= end) continue;
            const int64_t i = origins[left - 1] - sample * sources;
            const double* __restrict from = H + sample * n;
            if (rows) {
                for (int32_t k = rows[i]; k < rows[i + 1]; k++) gradient[k] += from[columns[k]];
            } else {
                double* __restrict row = gradient + i * n;
                for (size_t j = 0; j < n; j++) row[j] += from[j];
            }
        }
    }
};

// What a trial's spikes do to the gradients of all connections onto a group.
struct Connections {
    const Arrays<int64_t>& sources;
    const Arrays<int32_t>&rows, &columns, &arrivals, &origins;
    const Arrays<int64_t>& counts;
    const Arrays<double>& gradient;

    std::vector<Events> events() const
    {
        std::vector<Events> all;
        for (size_t p = 0; p < gradient.size; p++)
            all.push_back({arrivals[p].data, origins[p].data,
                           rows[p].size > 1 ? rows[p].data : nullptr, columns[p].data,
                           gradient[p].data, counts[p][0], sources[p][0]});
        return all;
    }

    // Go through the samples in two halves, side by side if it is worth it. The halves are added in
    // one order, so that the numbers do not depend on how many processors there are.
    template <typename Backward>
    void both_halves(size_t samples, bool worth, const Backward& backward) const
    {
        auto first = events();
        if (samples < 2) return backward(0, samples, first);
        auto second = events();
        std::vector<std::vector<double>> sums;
        for (size_t p = 0; p < gradient.size; p++) sums.emplace_back(gradient[p].size, 0.0);
        for (size_t p = 0; p < gradient.size; p++) second[p].gradient = sums[p].data();
        const size_t half = samples / 2;
        if (worth) {
            std::thread other([&] { backward(half, samples, second); });
            backward(0, half, first);
            other.join();
        } else {
            backward(0, half, first);
            backward(half, samples, second);
        }
        for (size_t p = 0; p < gradient.size; p++)
            for (size_t k = 0; k < gradient[p].size; k++) gradient[p][k] += sums[p][k];
    }
};

static double element(const Array<double>& values, size_t i) { return values[i % values.size]; }

// Constants of the neurons, and what runs backwards.
struct Neurons {
    size_t n;
    std::vector<double> alpha, zeta, rho, beta, reg, q, lambda, H;

    explicit Neurons(size_t count, size_t n)
        : n(n), alpha(count), zeta(count), rho(count), beta(count), reg(count), q(count),
          lambda(count), H(count)
    {
    }

    // One step back in time for one sample, whose neurons begin at `at`, and their constants at
    // `same`; `L` is the learning signal.
    template <bool ADAPTS, bool OPEN>
    void back(size_t at, size_t same, const double* __restrict psi, const double* __restrict L,
              double kappa)
    {
        for (size_t j = 0; j < n; j += 8) __builtin_prefetch(psi - H.size() + j);
        double *__restrict q_ = q.data() + at, *__restrict l_ = lambda.data() + at,
                           *__restrict h_ = H.data() + at;
        const double *__restrict a_ = alpha.data() + same, *__restrict z_ = zeta.data() + same,
                     *__restrict r_ = rho.data() + same, *__restrict b_ = beta.data() + same,
                     *__restrict reg_ = reg.data() + at;
        const double take = 1 - kappa;
        for (size_t j = 0; j < n; j++) {
            const double filtered = OPEN ? kappa * q_[j] + L[j] : kappa * q_[j];
            const double c = take * filtered + reg_[j];
            double g = psi[j] * c;
            if (ADAPTS) {
                g = psi[j] * (c + l_[j]);
                l_[j] = r_[j] * l_[j] - b_[j] * g;
            }
            q_[j] = filtered;
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
    const size_t B = samples[0], N = psi.size, n = N / B, readouts = error.size / B;
    if (recording[0])
        for (size_t b = 0; b < B; b++)
            learning_signal_of(error.data + b * readouts, feedback, n, readouts,
                               learning_signal.data + b * n);
    if (!learning[0]) return 0;
    if (s == 0) std::memset(spike_counts.data, 0, spike_counts.size * sizeof(int64_t));
    for (int32_t k = 0; k < spiking[spiking.size - 1]; k++) spike_counts[spiking[k]]++;
    std::memcpy(psi_history.data + s * N, psi.data, N * sizeof(double));
    std::memcpy(error_history.data + s * error.size, error.data, error.size * sizeof(double));
    for (size_t p = 0; p < gradient.size; p++)
        Heard{arrivals[p], origins[p], counts[p]}.note(s, T, B, spikes[p], first[p][0],
                                                       sources[p][0], lag[p][0]);
    if (s < T - 1) return 0;

    const double kappa = std::exp(-interval[0] / tau_out[0]);
    Neurons neurons(N, n);
    bool adapts = false, alike = true;
    for (size_t i = 0; i < N; i++) {
        neurons.alpha[i] = std::exp(-interval[0] / element(tau_m, i));
        neurons.zeta[i] = 1 - element(spread, i) * neurons.alpha[i];
        neurons.rho[i] = std::exp(-interval[0] / element(tau_adapt, i));
        neurons.beta[i] = element(beta, i);
        const double deviation = (double)spike_counts[i] / T - rate[0] * interval[0];
        neurons.reg[i] = c_reg[0] * deviation / T;
        adapts |= neurons.beta[i] != 0;
        const size_t j = i % n;  // the same neuron in the first sample
        alike &= neurons.alpha[i] == neurons.alpha[j] && neurons.zeta[i] == neurons.zeta[j] &&
                 neurons.rho[i] == neurons.rho[j] && neurons.beta[i] == neurons.beta[j];
    }
    const auto backward = [&](size_t begin, size_t end, std::vector<Events>& events) {
        const FlushTinyToZero here;
        std::vector<double> L(n);
        for (int64_t t = T - 1; t >= 0; t--) {
            for (size_t b = begin; b < end; b++) {
                const size_t at = b * n, same = alike ? 0 : at;
                const double* now = psi_history.data + t * N + at;
                const double* error_then = error_history.data + t * error.size + b * readouts;
                if (t >= T - window[0]) {
                    learning_signal_of(error_then, feedback, n, readouts, L.data());
                    adapts ? neurons.back<true, true>(at, same, now, L.data(), kappa)
                           : neurons.back<false, true>(at, same, now, L.data(), kappa);
                } else {
                    adapts ? neurons.back<true, false>(at, same, now, L.data(), kappa)
                           : neurons.back<false, false>(at, same, now, L.data(), kappa);
                }
            }
            for (Events& one : events) one.add((int32_t)t, neurons.H.data(), n, begin, end);
        }
    };
    const Connections all{sources, rows, columns, arrivals, origins, counts, gradient};
    all.both_halves(B, T * N > WORTH_A_THREAD, backward);
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
    const size_t B = samples[0], N = error.size;
    std::memcpy(error_history.data + s * N, error.data, N * sizeof(double));
    for (size_t p = 0; p < gradient.size; p++)
        Heard{arrivals[p], origins[p], counts[p]}.note(s, T, B, spikes[p], first[p][0],
                                                       sources[p][0], lag[p][0]);
    if (s < T - 1) return 0;

    const double kappa = std::exp(-interval[0] / tau_m[0]), zeta = 1 - spread[0] * kappa;
    std::vector<double> H(N);
    const auto backward = [&](size_t begin, size_t end, std::vector<Events>& events) {
        const FlushTinyToZero here;
        const size_t n = N / B;
        for (int64_t t = T - 1; t >= 0; t--) {
            const double* now = error_history.data + t * N;
            for (size_t k = begin * n; k < end * n; k++) H[k] = kappa * H[k] + zeta * now[k];
            for (Events& one : events) one.add((int32_t)t, H.data(), n, begin, end);
        }
    };
    const Connections all{sources, rows, columns, arrivals, origins, counts, gradient};
    all.both_halves(B, T * N > WORTH_A_THREAD, backward);
    return 0;
}
