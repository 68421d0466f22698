// delays.py's rule in C++. A row's connections have distinct targets, so that all of a row can be
// added side by side. What is due at a target that does not hear is lost; `hears` may be a single 1.

enum { OUT_OF_RANGE = 1 };

// Where what is under way to one sample's targets lies: a slot for each time step from now on.
struct Ring {
    double* data;     // of the sample's first target, in slot 0
    int64_t now, slots, step;  // step: from slot to slot
    double longest;   // delay in steps that it can hold

    // The place of a target's input that arrives `whole` steps from now.
    double& at(int64_t whole, int64_t target) const
    {
        const int64_t slot = now + whole;
        return data[(slot < slots ? slot : slot - slots) * step + target];
    }

    bool holds(double delay) const { return delay >= 0 && delay <= longest; }

    // All of a row with one delay: `row` targets side by side.
    void add_row(double delay, bool interpolates, const double* __restrict weight, int64_t row) const
    {
        const int64_t whole = (int64_t)delay;
        const double rest = delay - whole, later = interpolates ? rest : rest >= 0.5;
        double* __restrict first = &at(whole, 0);
        double* __restrict second = &at(whole + (later > 0), 0);
        if (later == 0 || later == 1) {
            double* __restrict all = later ? second : first;
            for (int64_t j = 0; j < row; j++) all[j] += weight[j];
            return;
        }
        for (int64_t j = 0; j < row; j++) {  // once through the weights
            first[j] += weight[j] * (1 - later);
            second[j] += weight[j] * later;
        }
    }

    // The same for those targets that `column` names.
    void add_list(double delay, bool interpolates, const int32_t* __restrict column,
                  const double* __restrict weight, int64_t row) const
    {
        const int64_t whole = (int64_t)delay;
        const double rest = delay - whole, later = interpolates ? rest : rest >= 0.5;
        double* const first = &at(whole, 0);
        double* const second = &at(whole + (later > 0), 0);
        for (int64_t k = 0; k < row; k++) {
            if (later < 1) first[column[k]] += weight[k] * (1 - later);
            if (later > 0) second[column[k]] += weight[k] * later;
        }
    }

    // A row of `row` targets (or those that `column` names), each with a delay of its own: that of
    // the connection, or, shared by all sources, that of the target.
    template <bool INTERPOLATES, bool LISTED, bool BY_TARGET>
    bool add(const double* __restrict delay, const int32_t* __restrict column,
             const double* __restrict weight, int64_t row) const
    {
        const double top = longest;
        const int64_t begin = now, end = slots, width = step;
        double* const to = data;
        int good = 1;
        for (int64_t k = 0; k < row; k++) {
            const double steps = delay[BY_TARGET ? column[k] : k];
            good &= steps >= 0 && steps <= top;
        }
        if (!good) return false;
#pragma GCC ivdep
        for (int64_t k = 0; k < row; k++) {
            const int64_t target = LISTED ? column[k] : k;
            const double steps = delay[BY_TARGET ? target : k];
            const int64_t whole = (int64_t)steps;
            const double rest = steps - whole;
            int64_t slot = begin + whole + (!INTERPOLATES && rest >= 0.5);
            slot -= slot < end ? 0 : end;
            if (!INTERPOLATES) {
                to[slot * width + target] += weight[k];
            } else {
                const int64_t next = slot + 1 < end ? slot + 1 : 0;
                to[slot * width + target] += weight[k] * (1 - rest);
                to[next * width + target] += weight[k] * rest;
            }
        }
        return true;
    }
};

int propagate_delayed(Array<int32_t> spikes, Array<int64_t> first, Array<int64_t> samples,
                      Array<int64_t> targets, Array<int32_t> rows, Array<int32_t> columns,
                      Array<double> weights, Array<double> delay_steps, Array<int64_t> strides,
                      Array<int64_t> interpolates, Array<int64_t> slots, Array<int64_t> now,
                      Array<double> under_way, Array<char> hears, Array<double> fed)
{
    const bool dense = rows.size == 1, between = interpolates[0];
    const int64_t n = targets[0], sources = dense ? weights.size / n : rows.size - 1;
    const double longest = (double)(slots[0] - 1 - interpolates[0]);
    for (int32_t s = 0; s < spikes[spikes.size - 1]; s++) {
        const int64_t source = spikes[s] - first[0];
        if (source < 0 || source >= sources * samples[0]) continue;
        const int64_t sample = samples[0] == 1 ? 0 : source / sources, i = source - sample * sources;
        const int64_t begin = dense ? i * n : rows[i], row = (dense ? begin + n : rows[i + 1]) - begin;
        const Ring ring{under_way.data + sample * n, now[0], slots[0], n * samples[0], longest};
        const double* delay = delay_steps.data + i * strides[0];
        const double* weight = weights.data + begin;
        const int32_t* column = dense ? nullptr : columns.data + begin;
        bool good = true;
        if (dense && strides[1]) {
            good = between ? ring.add<true, false, false>(delay, column, weight, row)
                           : ring.add<false, false, false>(delay, column, weight, row);
        } else if (dense) {
            good = ring.holds(delay[0]);
            if (good) ring.add_row(delay[0], between, weight, row);
        } else if (strides[1]) {
            good = between ? ring.add<true, true, true>(delay, column, weight, row)
                           : ring.add<false, true, true>(delay, column, weight, row);
        } else if (strides[2]) {
            good = between ? ring.add<true, true, false>(delay + begin, column, weight, row)
                           : ring.add<false, true, false>(delay + begin, column, weight, row);
        } else {
            good = ring.holds(delay[0]);
            if (good) ring.add_list(delay[0], between, column, weight, row);
        }
        if (!good) return OUT_OF_RANGE;
    }
    double* due = under_way.data + now[0] * fed.size;
    if (hears.size < fed.size) {
        for (size_t k = 0; k < fed.size; k++) fed[k] += due[k];
    } else {
        for (size_t k = 0; k < fed.size; k++)
            if (hears[k]) fed[k] += due[k];
    }
    for (size_t k = 0; k < fed.size; k++) due[k] = 0;
    now[0] = now[0] + 1 < slots[0] ? now[0] + 1 : 0;
    return 0;
}
