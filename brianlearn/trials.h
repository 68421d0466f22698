// trials.py's rule in C++. The file: the number of trials, where each begins; then for each trial a
// header (spikes, labels, target values, flags), the spikes as (step, index), labels and targets.
#include <cstdio>
#include <cstring>

enum { UNREADABLE = 1, LOST = 2, LEARNING = 1, RECORDING = 2 };

// Read a trial; `trial` is then the one that follows.
static bool read_trial(const Array<int32_t>& path, int64_t& trial, int64_t samples,
                       const Array<int64_t>& header, const Array<int32_t>& events,
                       const Array<double>& target_values, const Array<double>& target)
{
    char name[1024];
    for (size_t i = 0; i < path.size; i++) name[i] = (char)path[i];
    FILE* file = std::fopen(name, "rb");
    if (!file) return false;
    int64_t count = 0, offset = 0;
    bool good = std::fread(&count, 8, 1, file) == 1 && count > 0 &&
                std::fseek(file, 8 * (1 + (trial %= count)), SEEK_SET) == 0 &&
                std::fread(&offset, 8, 1, file) == 1 && std::fseek(file, offset, SEEK_SET) == 0 &&
                std::fread(header.data, 8, 4, file) == 4 &&
                (size_t)(2 * header[0]) <= events.size && (size_t)header[2] <= target_values.size &&
                std::fread(events.data, 8, header[0], file) == (size_t)header[0];
    const size_t readouts = target.size / samples;
    for (int64_t b = 0; good && b < header[1]; b++) {
        int32_t label;
        good = std::fread(&label, 4, 1, file) == 1;
        if (good) target[b * readouts + label] = 1;
    }
    good = good && std::fread(target_values.data, 8, header[2], file) == (size_t)header[2];
    std::fclose(file);
    if (good) trial = (trial + 1) % count;
    return good;
}

int present(Array<int64_t> step, Array<int64_t> trial, Array<int64_t> steps,
            Array<char> learning, Array<char> recording, Array<int32_t> path,
            Array<int64_t> samples, Array<int32_t> spikes, Array<double> target,
            Arrays<double> reset, Array<char> unset, Array<int64_t> header, Array<int32_t> events,
            Array<double> target_values, Array<int64_t> cursor)
{
    for (size_t k = 0; step[0] < 0 && k < reset.size; k++)  // a state that is not 0 would be lost
        for (size_t i = 0; unset[k] && i < reset[k].size; i++)
            if (reset[k][i] != 0) return LOST + (int)k;
    step[0] = step[0] + 1 == steps[0] ? 0 : step[0] + 1;
    if (step[0] == 0) {
        for (size_t k = 0; k < reset.size; k++)
            std::memset(reset[k].data, 0, reset[k].size * sizeof(double));
        std::memset(target.data, 0, target.size * sizeof(double));
        if (!read_trial(path, trial[0], samples[0], header, events, target_values, target))
            return UNREADABLE;
        learning[0] = (header[3] & LEARNING) != 0;
        recording[0] = (header[3] & RECORDING) != 0;
        cursor[0] = 0;
    }
    int32_t count = 0;
    int64_t next = cursor[0];
    for (; next < header[0] && events[2 * next] == step[0]; next++)
        spikes[count++] = events[2 * next + 1];
    cursor[0] = next;
    spikes[spikes.size - 1] = count;
    if (header[2])
        std::memcpy(target.data, target_values.data + step[0] * target.size,
                    target.size * sizeof(double));
    return 0;
}
