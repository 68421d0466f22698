// spikes.py's rule in C++, 64 neurons at a time.

using brianlearn::LANES;
using brianlearn::load;

int find_spikes(Array<double> spiking, Array<int32_t> spikes)
{
    const size_t n = spiking.size;
    int32_t count = 0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {  // most of them are silent, so that to look is what takes time
        uint64_t bits = 0;
        for (int k = 0; k < 64; k += LANES)
            bits |= (uint64_t)brianlearn::bits(load(spiking.data + i + k) != 0) << k;
        for (; bits; bits &= bits - 1) spikes[count++] = (int32_t)i + __builtin_ctzll(bits);
    }
    for (; i + LANES <= n; i += LANES)
        for (unsigned bits = brianlearn::bits(load(spiking.data + i) != 0); bits; bits &= bits - 1)
            spikes[count++] = (int32_t)i + __builtin_ctz(bits);
    for (; i < n; i++)
        if (spiking[i] != 0) spikes[count++] = (int32_t)i;
    spikes[spikes.size - 1] = count;
    return 0;
}
