// projection.py's rule in C++.

// The rows of the neurons that spiked are added to what the targets hear; `rows` says where each
// row begins, `columns` which target each weight belongs to (no target twice in a row).
int propagate(Array<int32_t> spikes, Array<int64_t> first, Array<int32_t> rows,
              Array<int32_t> columns, Array<double> weights, Array<double> fed)
{
    const int32_t count = spikes[spikes.size - 1];
    const int64_t sources = rows.size - 1;
    double* out = fed.data;
    for (int32_t s = 0; s < count; s++) {
        const int64_t source = spikes[s] - first[0];
        if (source < 0 || source >= sources) continue;
        const int32_t* column = columns.data;
        const double* weight = weights.data;
        const int32_t end = rows[source + 1];
        for (int32_t k = rows[source]; k < end; k++) out[column[k]] += weight[k];
    }
    return 0;
}
