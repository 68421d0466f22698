// eprop_online.py's rules in C++.
#include <cstring>

int tell(Array<int64_t> step, Array<int64_t> samples, Array<int32_t> spiking, Array<double> error,
         Array<double> feedback, Array<double> learning_signal, Array<int64_t> spike_counts)
{
    if (step[0] == 0) std::memset(spike_counts.data, 0, spike_counts.size * sizeof(int64_t));
    for (int32_t k = 0; k < spiking[spiking.size - 1]; k++) spike_counts[spiking[k]]++;
    const size_t B = samples[0], readouts = error.size / B, n = learning_signal.size / B;
    for (size_t b = 0; b < B; b++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < readouts; k++)
                sum += feedback[j * readouts + k] * error[b * readouts + k];
            learning_signal[b * n + j] = sum;
        }
    return 0;
}

int collect(Array<int64_t> step, Array<int64_t> steps, Array<double> interval, Array<char> learning,
            Array<int64_t> samples, Array<double> c_reg, Array<double> rate,
            Array<int64_t> spike_counts, Array<int32_t> post, Array<double> by_synapse,
            Array<double> eligibility_sum, Array<double> gradient)
{
    if (step[0] < steps[0] - 1 || !learning[0]) return 0;
    const size_t B = samples[0], n = spike_counts.size / B, synapses = gradient.size;
    for (size_t b = 0; b < B; b++)
        for (size_t c = 0; c < synapses; c++) {
            const double spikes = (double)spike_counts[b * n + post[c]];
            const double deviation = spikes / steps[0] - rate[0] * interval[0];
            const double reg = c_reg[0] * deviation / steps[0];
            gradient[c] += by_synapse[b * synapses + c] + reg * eligibility_sum[b * synapses + c];
        }
    return 0;
}
