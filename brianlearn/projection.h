// projection.py's rules in C++. A source's index is its sample's times the sources of a sample, plus
// its own; the rows of the neurons that spiked are added to what their sample's targets hear.

// `rows` says where each row begins, `columns` which target each weight belongs to (no target twice
// in a row), `hears` which targets are not deaf just now, or is a single 1.
int propagate(Array<int32_t> spikes, Array<int64_t> first, Array<int64_t> samples,
              Array<int64_t> targets, Array<int32_t> rows, Array<int32_t> columns,
              Array<double> weights, Array<char> hears, Array<double> fed)
{
    const int32_t count = spikes[spikes.size - 1];
    const bool all = hears.size < fed.size;
    const int64_t sources = rows.size - 1;
    for (int32_t s = 0; s < count; s++) {
        const int64_t source = spikes[s] - first[0];
        if (source < 0 || source >= sources * samples[0]) continue;
        const int64_t sample = samples[0] == 1 ? 0 : source / sources, i = source - sample * sources;
        const int32_t begin = rows[i];
        if (all) {
            brianlearn::scatter_add(fed.data + sample * targets[0], columns.data + begin,
                                    weights.data + begin, rows[i + 1] - begin);
            continue;
        }
        for (int32_t k = begin; k < rows[i + 1]; k++) {
            const int64_t to = sample * targets[0] + columns[k];
            if (hears[to]) fed[to] += weights[k];
        }
    }
    return 0;
}

int propagate_dense(Array<int32_t> spikes, Array<int64_t> first, Array<int64_t> samples,
                    Array<int64_t> targets, Array<double> weights, Array<char> hears,
                    Array<double> fed)
{
    const bool all = hears.size < fed.size;
    const int32_t count = spikes[spikes.size - 1];
    const int64_t n = targets[0], sources = weights.size / n;
    for (int32_t s = 0; s < count; s++) {
        const int64_t source = spikes[s] - first[0];
        if (source < 0 || source >= sources * samples[0]) continue;
        const int64_t sample = samples[0] == 1 ? 0 : source / sources, i = source - sample * sources;
        const double* __restrict weight = weights.data + i * n;
        double* __restrict out = fed.data + sample * n;
        if (all) {
            for (int64_t k = 0; k < n; k++) out[k] += weight[k];
            continue;
        }
        const char* __restrict may = hears.data + sample * n;
        for (int64_t k = 0; k < n; k++)
            if (may[k]) out[k] += weight[k];
    }
    return 0;
}
