// set_aside.py's two operations in C++.
#include <cstring>

template <typename T>
static void copy_all(const Arrays<T>& arrays, T* kept, bool back)
{
    for (size_t k = 0; k < arrays.size; k++) {
        const size_t bytes = arrays[k].size * sizeof(T);
        if (back) std::memcpy(arrays[k].data, kept, bytes);
        else std::memcpy(kept, arrays[k].data, bytes);
        kept += arrays[k].size;
    }
}

int keep(Array<int64_t> step, Array<char> learning, Arrays<double> numbers, Arrays<int64_t> counts,
         Array<double> kept_numbers, Array<int64_t> kept_counts)
{
    if (step[0] != 0 || learning[0]) return 0;
    copy_all(numbers, kept_numbers.data, false);
    copy_all(counts, kept_counts.data, false);
    return 0;
}

int put_back(Array<int64_t> step, Array<int64_t> steps, Array<char> learning,
             Arrays<double> numbers, Arrays<int64_t> counts, Array<double> kept_numbers,
             Array<int64_t> kept_counts)
{
    if (step[0] < steps[0] - 1 || learning[0]) return 0;
    copy_all(numbers, kept_numbers.data, true);
    copy_all(counts, kept_counts.data, true);
    return 0;
}
