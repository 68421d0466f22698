// regularizers.py's rule in C++.

int filter_rates(Array<int32_t> spikes, Array<double> kappa, Array<double> milliseconds,
                 Array<double> c_reg, Array<double> rate, Array<double> filtered,
                 Array<double> deviation)
{
    for (size_t j = 0; j < filtered.size; j++) filtered[j] *= kappa[0];
    const double jump = (1 - kappa[0]) / milliseconds[0];
    for (int32_t k = 0; k < spikes[spikes.size - 1]; k++) filtered[spikes[k]] += jump;
    for (size_t j = 0; j < filtered.size; j++) deviation[j] = c_reg[0] * (filtered[j] - rate[0]);
    return 0;
}
