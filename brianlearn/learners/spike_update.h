// spike_update.py's rule in C++. A row is a presynaptic neuron's synapses, which lie side by side.
#include <algorithm>
#include <vector>

using brianlearn::FlushTinyToZero;

enum { NEVER = -9 };

// What is kept of the neurons that the rows lead to; see spike_history.py.
struct Past {
    const double *history, *sums, *powers;
    int64_t length, n, filters, block, quantities, kept;

    // Quantity q of step e, for all neurons.
    const double* at(int64_t e, int64_t q) const
    {
        return history + (e % length * quantities + q) * n;
    }
    const double* sum(int64_t e, int64_t f) const { return sums + (e % length * filters + f) * kept * n; }
    double power(int64_t of, int64_t exponent) const { return powers[of * (block + 1) + exponent]; }
};

// How weights follow a gradient.
struct Rule {
    double lower, upper, beta_1, beta_2, epsilon;
    bool adam, each_step;
};

struct Rows {
    Past past;
    Rule rule;
    const int32_t *rows, *columns;  // null if every target has a place in each row
    const char* connected;
    double alpha, rho;
    const double *kappas, *beta;
    size_t betas;
    bool adapts, direct;
    int64_t cutoff;
    double* weights;
    int64_t *arrived, *advanced, *twice;
    double *trace, *rates, *traces, *adaptation, *pending;
    size_t size;  // of all rows together
    int64_t* counts;
    double *power_1, *power_2, *m, *v;

    int64_t begin(int64_t i) const { return rows ? rows[i] : i * past.n; }
    int64_t end(int64_t i) const { return rows ? rows[i + 1] : (i + 1) * past.n; }

    // Bring traces and gradients of a row up to a step, as far as the cutoff allows.
    void advance(int64_t i, int64_t until) const
    {
        const int64_t last = std::min(until, arrived[i] - 2 + cutoff);
        while (advanced[i] < last) {
            const int64_t e = advanced[i] + 1;
            if (!past.block || e <= arrived[i]) {  // the trace may jump: no sum tells of that
                rows ? step<true>(i, e) : step<false>(i, e);
                advanced[i] = e;
                if (rule.each_step) optimize(i, e + 4);
            } else {
                advanced[i] = std::min(last, e - e % past.block + past.block - 1);
                rows ? leap<true>(i, e, advanced[i]) : leap<false>(i, e, advanced[i]);
            }
        }
    }

    // One step of the eligibility traces.
    template <bool LISTED>
    void step(int64_t i, int64_t e) const
    {
        const bool jump = e == arrived[i] || (e == arrived[i] - 1 && twice[i]);
        const double zbar = trace[i] = alpha * trace[i] + jump;
        const int64_t first = begin(i), count = end(i) - first;
        const int32_t* column = columns + (LISTED ? first : 0);
        double* __restrict g = pending + first;
        const double* __restrict now = past.at(e, 0);
        if (direct) {
            for (int64_t k = 0; k < count; k++) g[k] += now[LISTED ? column[k] : k] * zbar;
            return;
        }
        const double* __restrict signal = past.at(e, 1);
        double *__restrict eb = traces + first, *__restrict eps = adaptation + (adapts ? first : 0);
        const bool single = past.filters == 1;
        const double kappa = kappas[0], *second = single ? signal : past.at(e, 2);
        const double kappa_2 = single ? 0 : kappas[1];
        double* __restrict eb_2 = single ? nullptr : traces + size + first;
        for (int64_t k = 0; k < count; k++) {
            const int64_t j = LISTED ? column[k] : k;
            double eligibility = now[j] * zbar;
            if (adapts) {
                eligibility = now[j] * (zbar - beta[betas == 1 ? 0 : j] * eps[k]);
                eps[k] = rho * eps[k] + eligibility;
            }
            eb[k] = kappa * eb[k] + eligibility;
            double gradient = signal[j] * eb[k];
            if (!single) {
                eb_2[k] = kappa_2 * eb_2[k] + eligibility;
                gradient += second[j] * eb_2[k];
            }
            g[k] += gradient;
        }
    }

    // The steps from `from` to `to`, within a block and without a spike, by the targets' sums.
    template <bool LISTED>
    void leap(int64_t i, int64_t from, int64_t to) const
    {
        const int64_t first = begin(i), count = end(i) - first;
        const int32_t* column = columns + (LISTED ? first : 0);
        const int64_t before = from % past.block, after = to % past.block + 1;
        const double zbar = trace[i] / past.power(0, before);
        double* __restrict g = pending + first;
        for (int64_t f = 0; f < past.filters; f++) {
            const double *__restrict P1 = past.sum(to, f), *Q1 = P1 + past.n, *phi1 = Q1 + past.n;
            const double* __restrict P0 = before ? past.sum(from - 1, f) : nothing();
            const double *Q0 = before ? P0 + past.n : P0, *phi0 = before ? Q0 + past.n : P0;
            if (direct) {
                for (int64_t k = 0; k < count; k++) {
                    const int64_t j = LISTED ? column[k] : k;
                    g[k] += zbar * (P1[j] - P0[j]);
                }
                continue;
            }
            double* __restrict eb = traces + f * size + first;
            const double power = past.power(1 + f, after), earlier = 1 / past.power(1 + f, before);
            for (int64_t k = 0; k < count; k++) {
                const int64_t j = LISTED ? column[k] : k;
                const double dP = P1[j] - P0[j];
                g[k] += earlier * eb[k] * dP + zbar * ((Q1[j] - Q0[j]) - phi0[j] * dP);
                eb[k] = power * (earlier * eb[k] + zbar * (phi1[j] - phi0[j]));
            }
        }
        trace[i] *= past.power(0, after - before);
    }

    const double* nothing() const  // the sums at a block's beginning
    {
        static std::vector<double> zeros;
        if (zeros.size() < (size_t)past.n) zeros.assign(past.n, 0.0);
        return zeros.data();
    }

    // Let the traces of a row that learns no more decay.
    void decay(int64_t i, int64_t until) const
    {
        const int64_t steps = until - advanced[i];
        advanced[i] = until;
        if (steps <= 0) return;
        trace[i] *= std::pow(alpha, (double)steps);
        for (int64_t f = 0; f < past.filters && !direct; f++) {
            const double factor = std::pow(kappas[f], (double)steps);
            for (int64_t k = begin(i); k < end(i); k++) traces[f * size + k] *= factor;
        }
        const double factor = adapts ? std::pow(rho, (double)steps) : 0;
        for (int64_t k = begin(i); k < end(i) && adapts; k++) adaptation[k] *= factor;
    }

    // Change a row's weights by what is pending; Adam counts its steps by time.
    void optimize(int64_t i, int64_t until) const
    {
        const int64_t first = begin(i), last = end(i);
        if (!rule.adam)
            for (int64_t k = first; k < last; k++) {
                weights[k] -= exists(k) ? rates[i] * pending[k] : 0;
                pending[k] = 0;
            }
        for (; rule.adam && counts[i] < until; counts[i]++) adam(i, first, last);
        for (int64_t k = first; k < last; k++)
            if (exists(k)) weights[k] = std::min(std::max(weights[k], rule.lower), rule.upper);
    }

    bool exists(int64_t k) const { return rows || connected[k]; }

    void adam(int64_t i, int64_t first, int64_t last) const
    {
        power_1[i] *= rule.beta_1;
        power_2[i] *= rule.beta_2;
        const double length = rates[i] * std::sqrt(1 - power_2[i]) / (1 - power_1[i]);
        for (int64_t k = first; k < last; k++) {
            const double g = exists(k) ? pending[k] : 0;
            m[k] = rule.beta_1 * m[k] + (1 - rule.beta_1) * g;
            v[k] = rule.beta_2 * v[k] + (1 - rule.beta_2) * g * g;
            weights[k] -= length * m[k] / (std::sqrt(v[k]) + rule.epsilon);
            pending[k] = 0;
        }
    }

    // Bring a row up to date for a spike that arrives at a step.
    void receive(int64_t i, int64_t arrival, double rate) const
    {
        if (arrived[i] != NEVER) {
            advance(i, arrival - 2);
            decay(i, arrival - 2);
            if (!rule.each_step) optimize(i, arrival + 2);
        }
        advanced[i] = arrival - 2;
        twice[i] = arrived[i] == arrival - 1;
        arrived[i] = arrival;
        rates[i] = rate;
    }
};

int learn_at_spikes(
    Array<int64_t> now, Array<int64_t> length, Array<int32_t> spikes, Array<int64_t> first,
    Array<int64_t> sources, Array<int64_t> targets, Array<int32_t> rows, Array<int32_t> columns,
    Array<char> connected, Array<double> weights, Array<double> history, Array<double> sums,
    Array<int64_t> block, Array<double> powers, Array<double> alpha, Array<double> kappas,
    Array<int64_t> adapts, Array<double> beta, Array<double> rho, Array<int64_t> direct,
    Array<int64_t> cutoff, Array<char> learning, Array<double> learning_rate, Array<double> lower,
    Array<double> upper, Array<int64_t> adam, Array<int64_t> each_step, Array<double> beta_1,
    Array<double> beta_2, Array<double> epsilon, Array<int64_t> arrived, Array<int64_t> advanced,
    Array<int64_t> twice, Array<double> trace, Array<double> rates, Array<double> traces,
    Array<double> adaptation, Array<double> pending, Array<int64_t> counts, Array<double> power_1,
    Array<double> power_2, Array<double> m, Array<double> v)
{
    const FlushTinyToZero here;
    const int64_t n = targets[0], filters = kappas.size, arrival = now[0] + 1;
    const Past past{history.data, sums.data, powers.data, length[0], n, filters, block[0],
                    direct[0] ? 1 : 1 + filters, direct[0] ? 1 : 3};
    const Rule rule{lower[0], upper[0], beta_1[0], beta_2[0], epsilon[0], adam[0] != 0,
                    each_step[0] != 0};
    const bool listed = rows.size > 1;
    const Rows all{past, rule, listed ? rows.data : nullptr, columns.data, connected.data, alpha[0],
                   rho[0], kappas.data, beta.data, beta.size, adapts[0] != 0, direct[0] != 0,
                   cutoff[0], weights.data, arrived.data, advanced.data, twice.data, trace.data,
                   rates.data, traces.data, adaptation.data, pending.data, weights.size,
                   counts.data, power_1.data, power_2.data, m.data, v.data};
    if (arrival % (length[0] / 2) == 0)  // before the ring forgets
        for (int64_t i = 0; i < sources[0]; i++)
            if (arrived[i] != NEVER) all.advance(i, now[0] - 1);
    const double rate = learning[0] ? learning_rate[0] : 0;
    for (int32_t k = 0; k < spikes[spikes.size - 1]; k++) {
        const int64_t i = spikes[k] - first[0];
        if (i < 0 || i >= sources[0] || arrived[i] == arrival) continue;  // several count as one
        all.receive(i, arrival, rate);
    }
    return 0;
}
