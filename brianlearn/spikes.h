// spikes.py's rule in C++, eight neurons at a time.

using brianlearn::load;
using brianlearn::nonzero;

int find_spikes(Array<double> spiking, Array<int32_t> spikes)
{
    const size_t n = spiking.size;
    int32_t count = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (unsigned bits = nonzero(load(spiking.data + i)); bits; bits &= bits - 1)
            spikes[count++] = (int32_t)i + __builtin_ctz(bits);
    for (; i < n; i++)
        if (spiking[i] != 0) spikes[count++] = (int32_t)i;
    spikes[spikes.size - 1] = count;
    return 0;
}
