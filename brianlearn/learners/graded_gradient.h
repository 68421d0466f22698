// graded_gradient.py's rule in C++.

int accumulate(Array<char> learning, Array<int64_t> samples, Array<int64_t> sources,
               Array<double> values, Array<double> error, Array<double> gradient)
{
    bool silent = true;
    for (size_t k = 0; k < error.size; k++) silent &= error[k] == 0;
    if (!learning[0] || silent) return 0;
    const int64_t n = sources[0], targets = error.size / samples[0];
    const bool has_bias = (int64_t)gradient.size > n * targets;
    for (int64_t b = 0; b < samples[0]; b++) {
        const double* __restrict e = error.data + b * targets;
        for (int64_t j = 0; j < n; j++) {
            const double value = values[b * n + j];
            double* __restrict row = gradient.data + j * targets;
            for (int64_t k = 0; k < targets; k++) row[k] += value * e[k];
        }
        if (!has_bias) continue;
        double* __restrict row = gradient.data + n * targets;
        for (int64_t k = 0; k < targets; k++) row[k] += e[k];
    }
    return 0;
}
