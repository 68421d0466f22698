// eprop_adjoint.py's rules in C++. The history is kept step by step, all samples side by side, and
// read backwards: memory is the limit, so both passes go through it in long runs.
#include <algorithm>
#include <cstring>
#include <vector>

using brianlearn::FlushTinyToZero;

enum { WORTH_A_THREAD = 50000 };  // steps times neurons: a thread takes 20 microseconds to begin
enum { WEIGHTS = 1, DELAYS = 2 };  // what a connection learns

// Samples that are gone through together: those of a part have their own memory, and threads take
// part after part.
struct Part {
    int32_t begin, end;

    Part(int32_t part, int32_t parts, int32_t samples)
        : begin(part * samples / parts), end((part + 1) * samples / parts)
    {
    }
};

// Spikes in the order of their arrival, so far in the trial: when, and from whom (sample by sample).
// Each part of the samples has room of its own.
struct Heard {
    const Array<int32_t>&arrivals, &origins;
    const Array<int64_t>& counts;

    void note(int64_t step, int64_t steps, size_t samples, const Array<int32_t>& spikes,
              int64_t first, int64_t sources, int64_t lag) const
    {
        if (step == 0) std::memset(counts.data, 0, counts.size * sizeof(int64_t));
        if (step + lag >= steps) return;  // no spike crosses a trial's end
        int32_t k = 0;
        Part part(0, counts.size, samples);
        for (int32_t s = 0; s < spikes[spikes.size - 1]; s++) {
            const int64_t source = spikes[s] - first;
            if (source < 0 || source >= sources * (int64_t)samples) continue;
            if (s > 0 && spikes[s] == spikes[s - 1]) continue;  // a trace sees several as one
            while (source >= part.end * sources) part = Part(++k, counts.size, samples);
            while (source < part.begin * sources) part = Part(--k, counts.size, samples);
            const int64_t at = steps * sources * part.begin + counts[k]++;
            arrivals[at] = (int32_t)(step + lag);
            origins[at] = (int32_t)source;
        }
    }
};

// Sensitivities of the present step and of those after it, as far as a delay reaches.
struct Later {
    std::vector<double> rows;
    int64_t slots;
    size_t width;

    Later(int64_t slots, size_t width) : rows(slots * width), slots(slots), width(width) {}

    // Keep those of step t.
    void enter(int64_t t, const double* H, size_t begin, size_t end)
    {
        std::memcpy(rows.data() + t % slots * width + begin, H + begin,
                    (end - begin) * sizeof(double));
    }
};

// The spikes of one connection and part, from the last on: each adds its sample's row of
// sensitivities `H` of its arrival to the gradient of its source's row.
struct Events {
    const int32_t *arrivals, *origins, *rows, *columns;  // rows: null if every target has a place
    const double *weights, *delays;                      // delays: null if there are none
    const int64_t* strides;
    bool between, learn_weights, learn_delays;
    double *gradient, *delay_gradient;
    int64_t left;
    int32_t sources;

    void add(int32_t t, const double* H, const Later& later, size_t n)
    {
        for (; left > 0 && arrivals[left - 1] == t; left--) {
            const int64_t sample = origins[left - 1] / sources;
            const int64_t i = origins[left - 1] - sample * sources;
            if (delays) {
                const double* row = delays + i * strides[0];
                rows ? delayed<true>(t, row, rows[i], rows[i + 1], later, sample * n, i)
                     : delayed<false>(t, row, i * n, (i + 1) * n, later, sample * n, i);
            } else if (learn_weights) {
                at_once(H + sample * n, i, n);
            }
        }
    }

    void at_once(const double* __restrict from, int64_t i, size_t n) const
    {
        if (rows) {
            for (int32_t k = rows[i]; k < rows[i + 1]; k++) gradient[k] += from[columns[k]];
        } else {
            double* __restrict row = gradient + i * n;
            for (size_t j = 0; j < n; j++) row[j] += from[j];
        }
    }

    // A row's connections from `first` to before `last`, each after its own delay.
    template <bool LISTED>
    void delayed(int32_t t, const double* delay, int64_t first, int64_t last, const Later& later,
                 size_t sample, int64_t i) const
    {
        const double* const sensitivities = later.rows.data() + sample;
        const int64_t begin = t % later.slots, slots = later.slots, width = later.width;
        double* const onto = delay_gradient + i * strides[0];
        for (int64_t k = first; k < last; k++) {
            const int64_t j = LISTED ? columns[k] : k - first, at = j * strides[1] + k * strides[2];
            const int64_t whole = (int64_t)delay[at];
            const double rest = delay[at] - whole, share = between ? rest : rest >= 0.5;
            int64_t slot = begin + whole;
            slot -= slot < slots ? 0 : slots;
            const int64_t next = slot + 1 < slots ? slot + 1 : 0;
            const double early = sensitivities[slot * width + j];
            const double late = sensitivities[next * width + j];
            if (learn_weights) gradient[k] += (1 - share) * early + share * late;
            if (learn_delays) onto[at] += weights[k] * (late - early);
        }
    }
};

// What a trial's spikes do to the gradients of all connections onto a group.
struct Connections {
    const Arrays<int64_t>& sources;
    const Arrays<int32_t>&rows, &columns;
    const Arrays<double>&weights, &delay_steps;
    const Arrays<int64_t>&strides, &interpolates, &reach, &learns;
    const Arrays<int32_t>&arrivals, &origins;
    const Arrays<int64_t>& counts;
    const Arrays<double>&gradient, &delay_gradient;

    // Time steps whose sensitivities a spike may need.
    int64_t slots() const
    {
        int64_t longest = 0;
        for (size_t p = 0; p < reach.size; p++) longest = std::max(longest, reach[p][0]);
        return longest ? longest + 1 : 0;
    }

    // What is heard in one part, onto gradients of its own if `sums` has room for them.
    std::vector<Events> events(const Part& part, size_t k, int64_t steps, double* sums) const
    {
        std::vector<Events> all;
        for (size_t p = 0; p < gradient.size; p++) {
            const int64_t room = steps * sources[p][0] * part.begin;
            double* const own = sums ? sums : gradient[p].data;
            double* const own_delays = sums ? sums + gradient[p].size : delay_gradient[p].data;
            if (sums) sums += gradient[p].size + delay_gradient[p].size;
            all.push_back({arrivals[p].data + room, origins[p].data + room,
                           rows[p].size > 1 ? rows[p].data : nullptr, columns[p].data,
                           weights[p].data, reach[p][0] ? delay_steps[p].data : nullptr,
                           strides[p].data, interpolates[p][0] != 0,
                           (learns[p][0] & WEIGHTS) != 0, (learns[p][0] & DELAYS) != 0, own,
                           own_delays, counts[p][k], (int32_t)sources[p][0]});
        }
        return all;
    }

    size_t numbers() const
    {
        size_t all = 0;
        for (size_t p = 0; p < gradient.size; p++) all += gradient[p].size + delay_gradient[p].size;
        return all;
    }

    // Add up what the parts have collected, in their order, so that it does not matter how many
    // threads there are.
    void add(const double* sums) const
    {
        for (size_t p = 0; p < gradient.size; p++) {
            for (size_t k = 0; k < gradient[p].size; k++) gradient[p][k] += *sums++;
            for (size_t k = 0; k < delay_gradient[p].size; k++) delay_gradient[p][k] += *sums++;
        }
    }

    // Go back through the trial with each part of the samples.
    template <typename Backward>
    void in_parts(size_t samples, int64_t steps, size_t threads, const Backward& backward) const
    {
        const size_t parts = counts[0].size, size = numbers();
        std::vector<double> sums((parts - 1) * size);
        brianlearn::in_parallel(parts, threads, [&](size_t k) {
            const FlushTinyToZero here;
            const Part part(k, parts, samples);
            auto heard = events(part, k, steps, k ? sums.data() + (k - 1) * size : nullptr);
            backward(part.begin, part.end, heard);
        });
        for (size_t k = 1; k < parts; k++) add(sums.data() + (k - 1) * size);
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

    // Of a rate that is regularized in every step: what its deviations of later steps ask for.
    void regularize(size_t at, const double* deviation, double kappa_reg)
    {
        for (size_t j = 0; j < n; j++)
            reg[at + j] = kappa_reg * reg[at + j] + (1 - kappa_reg) * deviation[j];
    }

    // One step back in time for one sample, whose neurons begin at `at`, and their constants at
    // `same`; `L` is the learning signal.
    template <bool ADAPTS, bool OPEN>
    void back(size_t at, size_t same, const double* __restrict psi, const double* __restrict L,
              double kappa, double gain)
    {
        for (size_t j = 0; j < n; j += 8) __builtin_prefetch(psi - H.size() + j);
        double *__restrict q_ = q.data() + at, *__restrict l_ = lambda.data() + at,
                           *__restrict h_ = H.data() + at;
        const double *__restrict a_ = alpha.data() + same, *__restrict z_ = zeta.data() + same,
                     *__restrict r_ = rho.data() + same, *__restrict b_ = beta.data() + same,
                     *__restrict reg_ = reg.data() + at;
        for (size_t j = 0; j < n; j++) {
            const double filtered = OPEN ? kappa * q_[j] + L[j] : kappa * q_[j];
            const double c = gain * filtered + reg_[j];
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
            Array<int64_t> samples, Array<double> psi, Array<int32_t> spiking,
            Array<int64_t> empties, Array<double> error, Array<double> feedback,
            Array<double> learning_signal, Array<double> tau_m, Array<double> spread,
            Array<double> beta, Array<double> tau_adapt, Array<double> kappa, Array<double> gain,
            Array<int64_t> told_later, Array<double> c_reg, Array<double> rate,
            Array<double> kappa_reg, Array<double> deviation, Array<double> rate_history,
            Array<double> psi_history, Array<double> error_history, Array<int64_t> spike_counts,
            Array<char> spike_times, Arrays<int32_t> spikes, Arrays<int64_t> first,
            Arrays<int64_t> sources, Arrays<int64_t> lag, Arrays<int32_t> rows,
            Arrays<int32_t> columns, Arrays<double> weights, Arrays<double> delay_steps,
            Arrays<int64_t> strides, Arrays<int64_t> interpolates, Arrays<int64_t> reach,
            Arrays<int64_t> learns, Arrays<int32_t> arrivals, Arrays<int32_t> origins,
            Arrays<int64_t> counts, Arrays<double> gradient, Arrays<double> delay_gradient,
            Array<int64_t> threads)
{
    const int64_t T = steps[0], s = step[0];
    const size_t B = samples[0], N = psi.size, n = N / B, readouts = error.size / B;
    if (recording[0])
        for (size_t b = 0; b < B; b++)
            learning_signal_of(error.data + b * readouts, feedback, n, readouts,
                               learning_signal.data + b * n);
    if (!learning[0]) return 0;
    if (s == 0) std::memset(spike_counts.data, 0, spike_counts.size * sizeof(int64_t));
    if (s == 0) std::memset(spike_times.data, 0, spike_times.size);
    for (int32_t k = 0; k < spiking[spiking.size - 1]; k++) {
        spike_counts[spiking[k]]++;
        if (empties[0]) spike_times[s * N + spiking[k]] = 1;
    }
    const bool stepwise = kappa_reg[0] >= 0;  // the rate is regularized in every step
    if (stepwise) std::memcpy(rate_history.data + s * N, deviation.data, N * sizeof(double));
    std::memcpy(psi_history.data + s * N, psi.data, N * sizeof(double));
    std::memcpy(error_history.data + s * error.size, error.data, error.size * sizeof(double));
    for (size_t p = 0; p < gradient.size; p++)
        Heard{arrivals[p], origins[p], counts[p]}.note(s, T, B, spikes[p], first[p][0],
                                                       sources[p][0], lag[p][0]);
    if (s < T - 1) return 0;

    const Connections all{sources, rows,    columns,  weights, delay_steps, strides,  interpolates,
                          reach,   learns, arrivals, origins, counts,      gradient, delay_gradient};
    Later later(all.slots(), N);
    Neurons neurons(N, n);
    bool adapts = false, alike = true;
    for (size_t i = 0; i < N; i++) {
        neurons.alpha[i] = std::exp(-interval[0] / element(tau_m, i));
        neurons.zeta[i] = 1 - element(spread, i) * neurons.alpha[i];
        neurons.rho[i] = std::exp(-interval[0] / element(tau_adapt, i));
        neurons.beta[i] = element(beta, i);
        const double deviation = (double)spike_counts[i] / T - rate[0] * interval[0];
        neurons.reg[i] = stepwise ? 0 : c_reg[0] * deviation / T;
        adapts |= neurons.beta[i] != 0;
        const size_t j = i % n;  // the same neuron in the first sample
        alike &= neurons.alpha[i] == neurons.alpha[j] && neurons.zeta[i] == neurons.zeta[j] &&
                 neurons.rho[i] == neurons.rho[j] && neurons.beta[i] == neurons.beta[j];
    }
    const auto backward = [&](size_t begin, size_t end, std::vector<Events>& events) {
        std::vector<double> L(n);
        for (int64_t t = T - 1; t >= 0; t--) {
            const int64_t told = t + told_later[0];  // when readouts have heard of it
            for (size_t b = begin; b < end; b++) {
                const size_t at = b * n, same = alike ? 0 : at;
                const double* now = psi_history.data + t * N + at;
                const double* error_then = error_history.data + told * error.size + b * readouts;
                if (empties[0])
                    for (size_t j = at; j < at + n; j++)
                        if (spike_times[t * N + j]) neurons.H[j] = 0;
                if (stepwise) neurons.regularize(at, rate_history.data + t * N + at, kappa_reg[0]);
                if (told >= T - window[0] && told < T) {
                    learning_signal_of(error_then, feedback, n, readouts, L.data());
                    adapts ? neurons.back<true, true>(at, same, now, L.data(), kappa[0], gain[0])
                           : neurons.back<false, true>(at, same, now, L.data(), kappa[0], gain[0]);
                } else {
                    adapts ? neurons.back<true, false>(at, same, now, L.data(), kappa[0], gain[0])
                           : neurons.back<false, false>(at, same, now, L.data(), kappa[0], gain[0]);
                }
            }
            if (later.slots) later.enter(t, neurons.H.data(), begin * n, end * n);
            for (Events& one : events) one.add((int32_t)t, neurons.H.data(), later, n);
        }
    };
    all.in_parts(B, T, std::min<size_t>(threads[0], 1 + T * N / WORTH_A_THREAD), backward);
    return 0;
}

int adjoint_readout(Array<int64_t> step, Array<int64_t> steps, Array<double> interval,
                    Array<int64_t> window, Array<char> learning, Array<int64_t> samples,
                    Array<double> error, Array<double> tau_m, Array<double> spread,
                    Array<double> error_history, Arrays<int32_t> spikes, Arrays<int64_t> first,
                    Arrays<int64_t> sources, Arrays<int64_t> lag, Arrays<int32_t> rows,
                    Arrays<int32_t> columns, Arrays<double> weights, Arrays<double> delay_steps,
                    Arrays<int64_t> strides, Arrays<int64_t> interpolates, Arrays<int64_t> reach,
                    Arrays<int64_t> learns, Arrays<int32_t> arrivals, Arrays<int32_t> origins,
                    Arrays<int64_t> counts, Arrays<double> gradient, Arrays<double> delay_gradient,
                    Array<int64_t> threads)
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
    const Connections all{sources, rows,    columns,  weights, delay_steps, strides,  interpolates,
                          reach,   learns, arrivals, origins, counts,      gradient, delay_gradient};
    Later later(all.slots(), N);
    std::vector<double> H(N);
    const auto backward = [&](size_t begin, size_t end, std::vector<Events>& events) {
        const size_t n = N / B;
        for (int64_t t = T - 1; t >= 0; t--) {
            const double* now = error_history.data + t * N;
            const double told = t >= T - window[0] ? zeta : 0;
            for (size_t k = begin * n; k < end * n; k++) H[k] = kappa * H[k] + told * now[k];
            if (later.slots) later.enter(t, H.data(), begin * n, end * n);
            for (Events& one : events) one.add((int32_t)t, H.data(), later, n);
        }
    };
    all.in_parts(B, T, std::min<size_t>(threads[0], 1 + T * N / WORTH_A_THREAD), backward);
    return 0;
}
