// regularizers.py's rule in C++.

using brianlearn::FlushTinyToZero;

int filter_rates(Array<int32_t> spikes, Array<double> kappa, Array<double> milliseconds,
                 Array<double> c_reg, Array<double> rate, Array<double> filtered,
                 Array<double> deviation)
{
    const FlushTinyToZero here;
    const size_t n = filtered.size;
    const double factor = kappa[0], strength = c_reg[0], wanted = rate[0];
    const double jump = (1 - factor) / milliseconds[0];
    double *__restrict f = filtered.data, *__restrict d = deviation.data;
    for (size_t j = 0; j < n; j++) f[j] *= factor;
    for (int32_t k = 0; k < spikes[spikes.size - 1]; k++) f[spikes[k]] += jump;
    for (size_t j = 0; j < n; j++) d[j] = strength * (f[j] - wanted);
    return 0;
}
