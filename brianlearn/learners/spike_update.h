// spike_update.py's rule in C++. A row is a presynaptic neuron's synapses, which lie side by side.
#include <algorithm>
#include <vector>

using brianlearn::FlushTinyToZero;
using brianlearn::v8;

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

struct One {
    static double at(const double* p) { return *p; }
    static void put(double* p, double x) { *p = x; }
};

struct Eight {
    static v8 at(const double* p) { return brianlearn::load(p); }
    static void put(double* p, v8 x) { brianlearn::store(p, x); }
};

// Many steps of the eligibility traces of a neuron (or of eight) at once, by sums at three times:
// the step before, the first step, after which a spike may have been taken up, and the last.
template <bool JUMPS>
struct Leap {
    const double *P0, *Q0, *phi0, *PJ, *P1;
    int64_t n;
    double earlier, power, zbar, own;

    template <typename Many>
    void take(int64_t j, double* eb, double* g) const
    {
        const auto then = earlier * Many::at(eb), P = Many::at(P1 + j), dP = P - Many::at(P0 + j);
        const auto Q = Many::at(P1 + n + j), phi = Many::at(P1 + 2 * n + j);
        const auto before = Many::at(phi0 + j);
        auto gradient = then * dP + zbar * ((Q - Many::at(Q0 + j)) - before * dP);
        auto filtered = then + zbar * (phi - before);
        if (JUMPS) {
            const auto jumped = Many::at(PJ + 2 * n + j), rest = P - Many::at(PJ + j);
            gradient += own * ((Q - Many::at(PJ + n + j)) - jumped * rest);
            filtered += own * (phi - jumped);
        }
        Many::put(g, Many::at(g) + gradient);
        Many::put(eb, power * filtered);
    }
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

    int64_t block_end(int64_t e, int64_t last) const
    {
        return past.block ? std::min(last, e - e % past.block + past.block - 1) : e;
    }

    // Bring traces of a row up to a step, as far as the cutoff allows, and add its gradients to `g`.
    void advance(int64_t i, int64_t until, double* g) const
    {
        const int64_t last = std::min(until, arrived[i] - 2 + cutoff);
        while (advanced[i] < last) {
            const int64_t e = advanced[i] + 1;
            const int64_t end = block_end(e, last);
            const bool fresh = advanced[i] == arrived[i] - 2;
            if (past.block && fresh && end >= arrived[i] && e >= 0 && e % past.block) {
                rows ? leap<true, true>(i, e, end, g) : leap<false, true>(i, e, end, g);
                advanced[i] = end;
            } else if (past.block && e > arrived[i]) {
                rows ? leap<true, false>(i, e, end, g) : leap<false, false>(i, e, end, g);
                advanced[i] = end;
            } else {
                rows ? step<true>(i, e, g) : step<false>(i, e, g);
                advanced[i] = e;
                if (rule.each_step) optimize(i, e + 4, g);
            }
        }
    }

    // One step of the eligibility traces.
    template <bool LISTED>
    void step(int64_t i, int64_t e, double* __restrict g) const
    {
        const bool jump = e == arrived[i] || (e == arrived[i] - 1 && twice[i]);
        const double zbar = trace[i] = alpha * trace[i] + jump;
        if (e < 0) return;  // before the first step
        const int64_t first = begin(i), count = end(i) - first;
        const int32_t* column = columns + (LISTED ? first : 0);
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

    // The steps from `from` to `to`, within a block, by the targets' sums. If it JUMPS, a spike is
    // taken up at the second of them: a trace of its own, as if it had begun in the first.
    template <bool LISTED, bool JUMPS>
    void leap(int64_t i, int64_t from, int64_t to, double* __restrict g) const
    {
        const int64_t before = from % past.block, after = to % past.block + 1;
        const double first = JUMPS && twice[i] ? 1 / alpha : 0, second = JUMPS ? 1 / alpha : 0;
        const double zbar = (trace[i] + first) / past.power(0, before);
        const double own = JUMPS ? second / past.power(0, before + 1) : 0;
        for (int64_t f = 0; f < past.filters; f++) {
            const double* P0 = before ? past.sum(from - 1, f) : nothing();
            const double *P1 = past.sum(to, f), *PJ = past.sum(from, f);
            if (direct)
                collect<LISTED, JUMPS>(i, P0, PJ, P1, zbar, own, g);
            else
                filter<LISTED, JUMPS>(i, f, P0, PJ, P1, past.power(1 + f, before),
                                      past.power(1 + f, after), zbar, own, g, before > 0);
        }
        trace[i] = (zbar + own) * past.power(0, after);
    }

    // Of readouts, whose eligibility trace is the presynaptic one.
    template <bool LISTED, bool JUMPS>
    void collect(int64_t i, const double* __restrict P0, const double* __restrict PJ,
                 const double* __restrict P1, double zbar, double own, double* __restrict g) const
    {
        const int64_t first = begin(i), count = end(i) - first;
        const int32_t* __restrict column = columns + (LISTED ? first : 0);
        for (int64_t k = 0; k < count; k++) {
            const int64_t j = LISTED ? column[k] : k;
            g[k] += zbar * (P1[j] - P0[j]) + (JUMPS ? own * (P1[j] - PJ[j]) : 0);
        }
    }

    template <bool LISTED, bool JUMPS>
    void filter(int64_t i, int64_t f, const double* P0, const double* PJ, const double* P1,
                double power_0, double power_1, double zbar, double own, double* g, bool begun) const
    {
        const int64_t first = begin(i), count = end(i) - first, n = begun ? past.n : 0;
        const Leap<JUMPS> one{P0, P0 + n, P0 + 2 * n, PJ, P1, past.n, 1 / power_0, power_1, zbar, own};
        double* const eb = traces + f * size + first;
        int64_t k = 0;
        for (; !LISTED && k + 8 <= count; k += 8) one.template take<Eight>(k, eb + k, g + k);
        for (; k < count; k++) one.template take<One>(LISTED ? columns[first + k] : k, eb + k, g + k);
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

    // Change a row's weights by the gradients `g`; Adam counts its steps by time.
    void optimize(int64_t i, int64_t until, double* __restrict g) const
    {
        const int64_t first = begin(i), count = end(i) - first;
        if (!rule.adam) {
            rows ? descend<true>(first, count, rates[i], g) : descend<false>(first, count, rates[i], g);
            return;
        }
        for (int64_t k = 0; k < count && !rows; k++) g[k] = connected[first + k] ? g[k] : 0;
        for (; counts[i] < until; counts[i]++) adam(i, first, count, g);
        rows ? descend<true>(first, count, 0, g) : descend<false>(first, count, 0, g);
    }

    // A step down the gradient within the bounds.
    template <bool LISTED>
    void descend(int64_t first, int64_t count, double rate, double* __restrict g) const
    {
        const char* __restrict exists = connected + (LISTED ? 0 : first);
        double* __restrict w = weights + first;
        const double lower = rule.lower, upper = rule.upper;
        for (int64_t k = 0; k < count; k++) {
            double changed = w[k] - rate * g[k];
            changed = changed < lower ? lower : changed;
            changed = changed > upper ? upper : changed;
            w[k] = LISTED || exists[k] ? changed : w[k];
            g[k] = 0;
        }
    }

    void adam(int64_t i, int64_t first, int64_t count, double* __restrict g) const
    {
        power_1[i] *= rule.beta_1;
        power_2[i] *= rule.beta_2;
        const double length = rates[i] * std::sqrt(1 - power_2[i]) / (1 - power_1[i]);
        double *__restrict w = weights + first, *__restrict m_ = m + first, *__restrict v_ = v + first;
        for (int64_t k = 0; k < count; k++) {
            m_[k] = rule.beta_1 * m_[k] + (1 - rule.beta_1) * g[k];
            v_[k] = rule.beta_2 * v_[k] + (1 - rule.beta_2) * g[k] * g[k];
            w[k] -= length * m_[k] / (std::sqrt(v_[k]) + rule.epsilon);
            g[k] = 0;
        }
    }

    // Bring a row up to date for a spike that arrives at a step; `g` is room for a row, of zeros.
    void receive(int64_t i, int64_t arrival, double rate, double* g) const
    {
        if (arrived[i] != NEVER) {
            if (advanced[i] > arrived[i] - 2) {  // in the meantime
                const int64_t first = begin(i), count = end(i) - first;
                std::copy_n(pending + first, count, g);
                std::fill_n(pending + first, count, 0.0);
            }
            advance(i, arrival - 2, g);
            decay(i, arrival - 2);
            if (!rule.each_step) optimize(i, arrival + 2, g);
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
            if (arrived[i] != NEVER) all.advance(i, now[0] - 1, pending.data + all.begin(i));
    const double rate = learning[0] ? learning_rate[0] : 0;
    static std::vector<double> row;
    row.resize(n);
    for (int32_t k = 0; k < spikes[spikes.size - 1]; k++) {
        const int64_t i = spikes[k] - first[0];
        if (i < 0 || i >= sources[0] || arrived[i] == arrival) continue;  // several count as one
        all.receive(i, arrival, rate, row.data());
    }
    return 0;
}
