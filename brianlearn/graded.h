// graded.py's rule in C++.

int read(Array<int64_t> samples, Array<int64_t> sources, Array<double> values,
         Array<double> weights, Array<double> read_out)
{
    const int64_t n = sources[0], targets = read_out.size / samples[0];
    const bool has_bias = (int64_t)weights.size > n * targets;
    for (int64_t b = 0; b < samples[0]; b++) {
        double* __restrict out = read_out.data + b * targets;
        for (int64_t k = 0; k < targets; k++) out[k] = has_bias ? weights[n * targets + k] : 0;
        for (int64_t j = 0; j < n; j++) {
            const double value = values[b * n + j];
            const double* __restrict row = weights.data + j * targets;
            for (int64_t k = 0; k < targets; k++) out[k] += value * row[k];
        }
    }
    return 0;
}
