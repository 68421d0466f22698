// losses.py's rules in C++.

enum { NOT_A_NUMBER = 1 };

// At a trial's first step, forget what a trial that was broken off has left.
static void begin(int64_t step, const Array<double>& total, const Array<double>& output_sum,
                  const Array<double>& target_sum)
{
    if (step != 0) return;
    total[0] = 0;
    for (size_t k = 0; k < output_sum.size; k++) output_sum[k] = target_sum[k] = 0;
}

static int largest(const double* values, int64_t count)
{
    int best = 0;
    for (int k = 1; k < count; k++)
        if (values[k] > values[best]) best = k;
    return best;
}

// At the trial's end, mean loss and the fraction of samples whose largest output is right.
static int judge(int64_t last, int64_t samples, const Array<double>& output_sum,
                 const Array<double>& target_sum, const double* total, double* loss, double* accuracy)
{
    if (!last) return 0;
    const int64_t readouts = output_sum.size / samples;
    int64_t right = 0;
    for (int64_t b = 0; b < samples; b++)
        right += largest(output_sum.data + b * readouts, readouts) ==
                 largest(target_sum.data + b * readouts, readouts);
    *loss = *total / samples;
    *accuracy = (double)right / samples;
    return std::isfinite(*loss) ? 0 : NOT_A_NUMBER;
}

int mean_squared_error(Array<int64_t> step, Array<int64_t> steps, Array<double> window,
                       Array<int64_t> open_steps, Array<char> recording, Array<int64_t> samples,
                       Array<double> v, Array<double> target, Array<double> output,
                       Array<double> error, Array<double> output_sum, Array<double> target_sum,
                       Array<double> total, Array<double> loss, Array<double> accuracy)
{
    begin(step[0], total, output_sum, target_sum);
    const double gain = window[step[0]];
    for (size_t k = 0; k < v.size; k++) {
        output[k] = v[k];
        error[k] = gain * (v[k] - target[k]);
    }
    if (gain != 0) {
        double sum = 0;
        for (size_t k = 0; k < v.size; k++) {
            sum += error[k] * (v[k] - target[k]);
            output_sum[k] += output[k];
            target_sum[k] += target[k];
        }
        total[0] += 0.5 * sum;
    }
    return judge(step[0] == steps[0] - 1, samples[0], output_sum, target_sum, total.data,
                 loss.data, accuracy.data);
}

int cross_entropy(Array<int64_t> step, Array<int64_t> steps, Array<double> window,
                  Array<int64_t> open_steps, Array<char> recording, Array<int64_t> samples,
                  Array<double> v, Array<double> target, Array<double> output, Array<double> error,
                  Array<double> output_sum, Array<double> target_sum, Array<double> total,
                  Array<double> loss, Array<double> accuracy)
{
    begin(step[0], total, output_sum, target_sum);
    const double gain = window[step[0]];
    const bool open = gain != 0;
    if (!open)
        for (size_t k = 0; k < error.size; k++) error[k] = 0;
    if (!open && !recording[0]) return 0;
    const int64_t readouts = v.size / samples[0];
    double sum = 0;
    for (int64_t b = 0; b < samples[0]; b++) {
        const double* u = v.data + b * readouts;
        const int64_t first = b * readouts;
        const double top = u[largest(u, readouts)];
        double normalizer = 0;
        for (int64_t k = 0; k < readouts; k++) normalizer += std::exp(u[k] - top);
        const double log_sum = std::log(normalizer);
        for (int64_t k = 0; k < readouts; k++) {
            const double log_p = u[k] - top - log_sum;
            const int64_t i = first + k;
            output[i] = std::exp(log_p);
            error[i] = gain * (output[i] - target[i]);
            if (!open) continue;
            sum += target[i] * log_p;
            output_sum[i] += output[i];
            target_sum[i] += target[i];
        }
    }
    if (open) total[0] -= gain * sum / open_steps[0];
    return judge(step[0] == steps[0] - 1, samples[0], output_sum, target_sum, total.data,
                 loss.data, accuracy.data);
}

int best_so_far(Array<int64_t> step, Array<int64_t> steps, Array<double> window,
                Array<int64_t> open_steps, Array<char> recording, Array<int64_t> samples,
                Array<double> v, Array<double> target, Array<double> output, Array<double> error,
                Array<double> output_sum, Array<double> target_sum, Array<char> learning,
                Array<double> best, Array<double> aspiration, Array<double> total,
                Array<double> loss, Array<double> accuracy)
{
    begin(step[0], total, output_sum, target_sum);
    const int64_t readouts = v.size / samples[0];
    const bool last = step[0] == steps[0] - 1;
    for (size_t k = 0; k < v.size; k++) {
        output[k] = v[k];
        error[k] = 0;
    }
    for (int64_t b = 0; last && b < samples[0]; b++) {
        const double* said = v.data + b * readouts;
        const int label = largest(target.data + b * readouts, readouts);
        const double own = said[label], largest_said = said[largest(said, readouts)];
        const double most = largest_said > best[label] ? largest_said : best[label];
        if (learning[0]) best[label] = most;  // a test leaves no trace
        total[0] += (own - most) * (own - most);
        error[b * readouts + label] = 2 * (own - most - aspiration[0] * std::fabs(most));
    }
    for (size_t k = 0; last && k < v.size; k++) {
        output_sum[k] += output[k];
        target_sum[k] += target[k];
    }
    return judge(last, samples[0], output_sum, target_sum, total.data, loss.data, accuracy.data);
}
