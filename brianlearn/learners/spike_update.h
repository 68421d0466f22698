// spike_update.py's rule in C++. A row is a presynaptic neuron's synapses, which lie side by side.
#include <vector>

using brianlearn::FlushTinyToZero;
using brianlearn::integers;
using brianlearn::lanes;
using brianlearn::LANES;

enum { NEVER = -9 };

// Synapses, one at a time or a vector of them: `at` is a quantity of theirs, `of` one of their
// targets.
struct One {
    static double of(const double* p, int64_t j) { return p[j]; }
    static double at(const double* p) { return *p; }
    static void put(double* p, double x) { *p = x; }
    static double within(double x, double lower, double upper)
    {
        return x < lower ? lower : x > upper ? upper : x;
    }
    static double where(const char* exists, double x, double other) { return *exists ? x : other; }
};

struct Several {
    static lanes of(const double* p, int64_t j) { return brianlearn::load(p + j); }
    static lanes at(const double* p) { return brianlearn::load(p); }
    static void put(double* p, lanes x) { brianlearn::store(p, x); }
    static lanes within(lanes x, double lower, double upper)
    {
        x = x < lower ? brianlearn::all(lower) : x;
        return x > upper ? brianlearn::all(upper) : x;
    }
    static lanes where(const char* exists, lanes x, lanes other)
    {
        return brianlearn::set(exists) ? x : other;
    }
};

struct Listed : Several {  // whose targets do not lie side by side
    const int32_t* targets;
    explicit Listed(const int32_t* targets) : targets(targets) {}
    lanes of(const double* p, int64_t) const { return brianlearn::gather(p, targets); }
};

struct Some : Listed {  // fewer than a vector: the others, of the next row, stay
    const integers chosen;
    Some(const int32_t* targets, int64_t count) : Listed(targets), chosen(brianlearn::before(count))
    {
    }
    void put(double* p, lanes x) const { brianlearn::store(p, chosen ? x : brianlearn::load(p)); }
};

// What is done to a synapse (k) with quantities of its target (j); `direct` where the eligibility
// trace is the presynaptic one.

// Add to `g` what was collected in the block.
struct Collect {
    const double *a, *P, *Q;
    double sign, c, *g;
    bool direct;
    template <typename By>
    void operator()(By by, int64_t k, int64_t j) const
    {
        const auto p = by.of(P, j);
        const auto sum = direct ? c * p : sign * (by.at(a + k) * p) + c * by.of(Q, j);
        by.put(g + k, by.at(g + k) + sum);
    }
};

// Add a quantity of the targets.
struct Add {
    const double* of_target;
    double factor, *x;
    template <typename By>
    void operator()(By by, int64_t k, int64_t j) const
    {
        by.put(x + k, by.at(x + k) + factor * by.of(of_target, j));
    }
};

struct Enter {
    const double* phi;
    double kappa, c, *a;
    template <typename By>
    void operator()(By by, int64_t k, int64_t j) const
    {
        by.put(a + k, by.at(a + k) / kappa - c * by.of(phi, j));
    }
};

struct Leave {
    const double *P, *Q, *phi;
    double kappa, c, *a, *pending;
    template <typename By>
    void operator()(By by, int64_t k, int64_t j) const
    {
        const auto kept = by.at(a + k), collected = kept * by.of(P, j) + c * by.of(Q, j);
        by.put(pending + k, by.at(pending + k) + collected);
        by.put(a + k, kappa * (kept + c * by.of(phi, j)));
    }
};

// One step of the traces; `second` where the regularization has a filter of its own.
template <bool ADAPTS>
struct Filter {
    const double *psi, *signal, *second, *beta;
    double zbar, rho, kappa, kappa_2, *eb, *eb_2, *eps, *pending;
    template <typename By>
    void operator()(By by, int64_t k, int64_t j) const
    {
        auto eligibility = by.of(psi, j) * zbar;
        if (ADAPTS) {
            const auto adaptation = by.at(eps + k);
            eligibility = by.of(psi, j) * (zbar - by.of(beta, j) * adaptation);
            by.put(eps + k, rho * adaptation + eligibility);
        }
        const auto filtered = kappa * by.at(eb + k) + eligibility;
        auto gradient = by.of(signal, j) * filtered;
        by.put(eb + k, filtered);
        if (second) {
            const auto again = kappa_2 * by.at(eb_2 + k) + eligibility;
            gradient += by.of(second, j) * again;
            by.put(eb_2 + k, again);
        }
        by.put(pending + k, by.at(pending + k) + gradient);
    }
};

struct Received {
    const double *P, *Q, *phi, *ahead;
    double c, own, factor, rate, lower, upper, *a, *weights, *pending;
    const char* connected;
};

// In one go, what was collected changes the weight, and a spike is taken up. WAKES: the row was not
// live, so that all is pending, and its trace decays by a `factor` until it is live.
template <bool DIRECT, bool WAKES>
struct Receive : Received {
    explicit Receive(const Received& all) : Received(all) {}
    template <typename By>
    void operator()(By by, int64_t k, int64_t j) const
    {
        const auto p = by.of(P, j), later = own * by.of(ahead, j);
        auto collected = by.at(pending + k), rest = (c + own) * p + later;
        if (DIRECT) {
            if (!WAKES) collected += c * p;
        } else {
            const auto q = by.of(Q, j), before = by.at(a + k);
            auto kept = before - later;
            if (WAKES)
                kept = factor * before - c * by.of(phi, j) - later;
            else
                collected += before * p + c * q;
            rest = kept * p + (c + own) * q;
            by.put(a + k, kept);
        }
        const auto before = by.at(weights + k);
        const auto after = by.within(before - rate * collected, lower, upper);
        by.put(pending + k, -rest);
        by.put(weights + k, connected ? by.where(connected + k, after, before) : after);
    }
};

// How weights follow a gradient.
struct Rule {
    double lower, upper, beta_1, beta_2, epsilon;
    bool adam, each_step;
};

struct Rows {
    Rule rule;
    int64_t sources, n, filters, block, complete_step, cutoff;
    const double *complete, *coming, *sums, *powers, *kappas, *beta;
    std::vector<double>& ahead;
    double own;  // what a spike that arrives adds to its row's trace
    double alpha, rho;
    bool adapts, direct;
    const int32_t *rows, *columns;  // rows: null if every target has a place in each row
    const char* connected;          // null if every source reaches each of a row's targets
    double* weights;
    int64_t *block_begin, *arrived, *live, *due;
    double *trace, *rates, *traces, *adaptation, *pending;
    size_t size;  // of all rows together
    int64_t* counts;
    double *power_1, *power_2, *m, *v;

    int64_t begin(int64_t i) const { return rows ? rows[i] : i * n; }
    int64_t end(int64_t i) const { return rows ? rows[i + 1] : (i + 1) * n; }
    int64_t tau() const { return complete_step - block_begin[0] + 1; }
    double power(int64_t of, int64_t exponent) const { return powers[of * (block + 2) + exponent]; }

    // Do something for each synapse of a row (k) and its target (j); by vectors where they lie so.
    template <typename Action>
    void each(int64_t i, const Action& action) const
    {
        int64_t k = begin(i);
        const int64_t last = end(i);
        if (rows) {
#pragma GCC unroll 1  // rows are short
            for (; k + LANES <= last; k += LANES) action(Listed(columns + k), k, 0);
            if (k < last && k + LANES <= (int64_t)size)
                return action(Some(columns + k, last - k), k, 0);
            for (; k < last; k++) action(One(), k, columns[k]);
        } else {
            int64_t j = 0;
            for (; j + LANES <= n; j += LANES) action(Several(), k + j, j);
            for (; j < n; j++) action(One(), k + j, j);
        }
    }

    // -- by sums ------------------------------------------------------------------------------

    const double* sums_of(int64_t f) const
    {
        static std::vector<double> zeros;  // where a block begins
        if (zeros.size() < (size_t)(3 * n)) zeros.assign(3 * n, 0.0);
        return tau() == 0 ? zeros.data() : sums + f * (direct ? 1 : 3) * n;
    }

    // Add to what is pending what a live row has collected in its block, times a sign.
    void collect(int64_t i, double sign) const
    {
        for (int64_t f = 0; f < filters; f++) {
            const double* P = sums_of(f);
            each(i, Collect{traces + f * size, P, P + n, sign, sign * trace[i], pending, direct});
        }
    }

    // Spikes act from the step after the next on, by what is known of the next one.
    void look_ahead()
    {
        own = 1 / power(0, tau() + 2);
        ahead.resize(filters * n);
        for (int64_t f = 0; f < filters; f++) {
            const double* __restrict now = sums_of(f) + (direct ? 0 : 2 * n);
            const double* __restrict next = coming;
            double* __restrict phi = ahead.data() + f * n;
            const double factor = power(0, tau() + 1) / (direct ? 1 : power(1 + f, tau() + 1));
            for (int64_t j = 0; j < n; j++) phi[j] = (direct ? 0 : now[j]) + factor * next[j];
        }
    }

    // Let a spike that arrives begin to act when it does.
    void take_up(int64_t i) const
    {
        trace[i] += own;
        for (int64_t f = 0; f < filters; f++)
            each(i, Add{ahead.data() + f * n, -own, direct ? pending : traces + f * size});
        collect(i, -1);
    }

    // Keep a row relative to the present block.
    void enter(int64_t i) const
    {
        trace[i] /= power(0, tau());
        for (int64_t f = 0; f < filters && !direct; f++)
            each(i, Enter{sums_of(f) + 2 * n, power(1 + f, tau()), trace[i], traces + f * size});
    }

    // The opposite.
    void leave(int64_t i) const
    {
        if (direct) collect(i, 1);
        for (int64_t f = 0; f < filters && !direct; f++) {
            const double* P = sums_of(f);
            each(i, Leave{P, P + n, P + 2 * n, power(1 + f, tau()), trace[i], traces + f * size,
                          pending});
        }
        trace[i] *= power(0, tau());
    }

    // At the end of a block, go over to the next one, whose sums are 0.
    void cross() const
    {
        for (int64_t i = 0; i < sources; i++)
            if (live[i]) leave(i);
        block_begin[0] = complete_step + 1;
    }

    // Rows that have had no spike for so long are live no more.
    void fall_asleep() const
    {
        const int64_t when = complete_step + 2 - cutoff;
        int64_t i = 0;
        for (; i + LANES <= sources; i += LANES) {
            const integers ending = *(const integers*)(arrived + i) == when;
            for (unsigned bits = brianlearn::bits(ending); bits; bits &= bits - 1)
                rest(i + __builtin_ctz(bits));
        }
        for (; i < sources; i++)
            if (arrived[i] == when) rest(i);
    }

    void rest(int64_t i) const
    {
        if (live[i] && block) leave(i);
        live[i] = 0;
    }

    // -- step by step -------------------------------------------------------------------------

    // One step of the eligibility traces of a live row.
    void step(int64_t i) const
    {
        due[i] >>= 1;
        const double zbar = trace[i] = alpha * trace[i] + (due[i] & 1);
        if (direct)
            each(i, Collect{nullptr, complete, nullptr, 1, zbar, pending, true});
        else if (adapts)
            each(i, filter<true>(zbar));
        else
            each(i, filter<false>(zbar));
        if (rule.each_step) optimize(i, complete_step + 4);
    }

    template <bool ADAPTS>
    Filter<ADAPTS> filter(double zbar) const
    {
        const bool two = filters > 1;
        return {complete,  complete + n, two ? complete + 2 * n : nullptr, beta, zbar, rho,
                kappas[0], two ? kappas[1] : 0, traces, traces + size, adaptation, pending};
    }

    // -- at a spike ---------------------------------------------------------------------------

    // How much less is left of a trace since a row was live.
    double slept(int64_t i, int64_t of) const
    {
        const int64_t steps = complete_step - (arrived[i] - 2 + cutoff);
        return steps < block + 2 ? power(of, steps) : std::pow(of ? kappas[of - 1] : alpha, steps);
    }

    // Let the traces of a row that was not live decay until now.
    void decay(int64_t i) const
    {
        trace[i] *= slept(i, 0);
        for (int64_t f = 0; f < filters && !direct; f++)
            scale(i, traces + f * size, slept(i, 1 + f));
        const double steps = complete_step - (arrived[i] - 2 + cutoff);
        if (adapts) scale(i, adaptation, std::pow(rho, steps));
    }

    void scale(int64_t i, double* x, double factor) const
    {
        for (int64_t k = begin(i); k < end(i); k++) x[k] *= factor;
    }

    // Change a row's weights by what is pending; Adam counts its steps by time.
    void optimize(int64_t i, int64_t until) const
    {
        const int64_t first = begin(i), count = end(i) - first;
        if (!rule.adam)
            return connected ? descend<false>(first, count, rates[i])
                             : descend<true>(first, count, rates[i]);
        for (int64_t k = first; k < first + count && connected; k++)
            pending[k] = connected[k] ? pending[k] : 0;
        for (; counts[i] < until; counts[i]++) adam(i, first, count);
        connected ? descend<false>(first, count, 0) : descend<true>(first, count, 0);
    }

    // A step down the gradient within the bounds.
    template <bool ALL>
    void descend(int64_t first, int64_t count, double rate) const
    {
        const char* __restrict exists = connected + (ALL ? 0 : first);
        double *__restrict w = weights + first, *__restrict g = pending + first;
        const double lower = rule.lower, upper = rule.upper;
        for (int64_t k = 0; k < count; k++) {
            double changed = w[k] - rate * g[k];
            changed = changed < lower ? lower : changed;
            changed = changed > upper ? upper : changed;
            w[k] = ALL || exists[k] ? changed : w[k];
            g[k] = 0;
        }
    }

    void adam(int64_t i, int64_t first, int64_t count) const
    {
        power_1[i] *= rule.beta_1;
        power_2[i] *= rule.beta_2;
        const double length = rates[i] * std::sqrt(1 - power_2[i]) / (1 - power_1[i]);
        double *__restrict w = weights + first, *__restrict g = pending + first;
        double *__restrict m_ = m + first, *__restrict v_ = v + first;
        for (int64_t k = 0; k < count; k++) {
            m_[k] = rule.beta_1 * m_[k] + (1 - rule.beta_1) * g[k];
            v_[k] = rule.beta_2 * v_[k] + (1 - rule.beta_2) * g[k] * g[k];
            w[k] -= length * m_[k] / (std::sqrt(v_[k]) + rule.epsilon);
            g[k] = 0;
        }
    }

    // Let Adam's steps begin with the first spike that has one before it, be it at once.
    void count(int64_t i) const
    {
        if (rule.adam && !rule.each_step && counts[i] < complete_step + 4)
            optimize(i, complete_step + 4);
    }

    // What a row has collected becomes a change of its weights, and a spike is taken up; in one go.
    template <bool DIRECT>
    void learn_at_once(int64_t i) const
    {
        const double* P = sums_of(0);
        if (!live[i]) trace[i] *= slept(i, 0) / power(0, tau());
        const double factor = DIRECT || live[i] ? 1 : slept(i, 1) / power(1, tau());
        const Received all{P, P + n, P + 2 * n, ahead.data(), trace[i], own, factor, rates[i],
                           rule.lower, rule.upper, traces, weights, pending,
                           connected};
        if (live[i])
            each(i, Receive<DIRECT, false>(all));
        else
            each(i, Receive<DIRECT, true>(all));
        trace[i] += own;
    }

    // The same in steps.
    __attribute__((noinline)) void learn_in_steps(int64_t i) const
    {
        const bool known = arrived[i] != NEVER;
        if (live[i] && block) collect(i, 1);
        if (!live[i] && known) decay(i);
        if (known && !rule.each_step) optimize(i, complete_step + 4);
        if (!live[i] && known && block) enter(i);
        if (block) take_up(i);
    }

    // What a spike that arrives makes a row learn.
    void receive(int64_t i, int64_t arrival, double rate) const
    {
        if (!block || rule.adam || filters > 1 || arrived[i] == NEVER)
            learn_in_steps(i);
        else
            direct ? learn_at_once<true>(i) : learn_at_once<false>(i);
        live[i] = 1;
        arrived[i] = arrival;
        if (!block) due[i] |= 4;  // two steps from now
        rates[i] = rate;
    }
};

int learn_at_spikes(
    Array<int64_t> now, Array<int32_t> spikes, Array<int64_t> first, Array<int64_t> sources,
    Array<int64_t> targets, Array<int32_t> rows, Array<int32_t> columns, Array<char> connected,
    Array<double> weights, Array<double> complete, Array<double> coming, Array<double> sums,
    Array<int64_t> block, Array<double> powers, Array<double> alpha, Array<double> kappas,
    Array<int64_t> adapts, Array<double> beta, Array<double> rho, Array<int64_t> direct,
    Array<int64_t> cutoff, Array<char> learning, Array<double> learning_rate,
    Array<double> lower, Array<double> upper, Array<int64_t> adam, Array<int64_t> each_step,
    Array<double> beta_1, Array<double> beta_2, Array<double> epsilon, Array<int64_t> begin,
    Array<int64_t> done, Array<int64_t> arrived, Array<int64_t> live, Array<int64_t> due,
    Array<double> trace, Array<double> rates, Array<double> traces, Array<double> adaptation,
    Array<double> pending, Array<int64_t> counts, Array<double> power_1, Array<double> power_2,
    Array<double> m, Array<double> v)
{
    const FlushTinyToZero here;
    const int64_t arrival = now[0] + 1, complete_step = now[0] - 1;
    const Rule rule{lower[0], upper[0], beta_1[0], beta_2[0], epsilon[0], adam[0] != 0,
                    each_step[0] != 0};
    static std::vector<double> ahead;
    Rows all{rule, sources[0], targets[0], (int64_t)kappas.size, block[0], complete_step,
             cutoff[0], complete.data, coming.data, sums.data, powers.data, kappas.data,
             beta.data, ahead, 0, alpha[0], rho[0], adapts[0] != 0, direct[0] != 0, rows.size > 1
             ? rows.data : nullptr, columns.data, connected.size > 1 ? connected.data : nullptr,
             weights.data, begin.data, arrived.data, live.data, due.data, trace.data, rates.data,
             traces.data, adaptation.data, pending.data, weights.size, counts.data, power_1.data,
             power_2.data, m.data, v.data};
    if (block[0]) {
        if (all.tau() == block[0]) all.cross();
    } else if (done[0] < complete_step) {
        for (int64_t i = 0; i < sources[0]; i++)
            if (live[i]) all.step(i);
    }
    done[0] = complete_step;
    all.fall_asleep();
    const double rate = learning[0] ? learning_rate[0] : 0;
    const int32_t count = spikes[spikes.size - 1];
    if (block[0] && count) all.look_ahead();
    for (int32_t k = 0; k < count; k++) {
        const int64_t i = spikes[k] - first[0];
        if (i < 0 || i >= sources[0]) continue;
        if (arrived[i] == arrival)
            all.count(i);  // several are one
        else
            all.receive(i, arrival, rate);
    }
    return 0;
}
