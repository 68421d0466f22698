// Doubles side by side: as many lanes as a register of the processor holds that code is made for.
// Sums written with them have one order of additions, whatever the compiler's other flags, so that
// every compiled target gives the same bits. With GCC and Clang, operators act on each lane.
#include <cstddef>
#include <cstdint>
#if defined __AVX__ || defined __SSE2__
#include <immintrin.h>
#elif defined __ARM_NEON
#include <arm_neon.h>
#endif

namespace brianlearn {

// REGISTERS: how many vectors a loop can hold; with more, they would go through memory.
#if defined __AVX512F__
enum { LANES = 8, REGISTERS = 32 };
#elif defined __AVX__
enum { LANES = 4, REGISTERS = 16 };
#elif defined __ARM_NEON
enum { LANES = 2, REGISTERS = 32 };
#else
enum { LANES = 2, REGISTERS = 16 };
#endif

typedef double lanes __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef int64_t integers __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef signed char flags __attribute__((vector_size(LANES), aligned(1), may_alias));

static inline lanes load(const double* p) { return *(const lanes*)p; }
static inline void store(double* p, lanes x) { *(lanes*)p = x; }

// The same number in each lane (a number beside a vector stands for that; x - 0 is x to the bit).
static inline lanes all(double x) { return x - lanes{}; }

// Those lanes that come before `count`.
static inline integers before(int64_t count)
{
    integers place;
    for (int k = 0; k < LANES; k++) place[k] = k;
    return place < count;
}

// Which flags are set.
static inline integers set(const char* p)
{
    return __builtin_convertvector(*(const flags*)p, integers) != 0;
}

// a*b + c; rounded once where the processor can, whatever the compiler's flags.
static inline lanes fused(lanes a, lanes b, lanes c)
{
#if defined __AVX512F__
    return _mm512_fmadd_pd(a, b, c);
#elif defined __AVX__ && defined __FMA__
    return _mm256_fmadd_pd(a, b, c);
#elif defined __ARM_NEON
    return (lanes)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

static inline double sum(lanes x)
{
    double part[LANES];
    store(part, x);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) part[k] += part[k + half];
    return part[0];
}

// Four sums at a time, since one would wait for each of its additions.
static inline double dot(const double* a, const double* b, size_t n)
{
    lanes s[4] = {};
    size_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int q = 0; q < 4; q++)
            s[q] = fused(load(a + i + q * LANES), load(b + i + q * LANES), s[q]);
    for (; i + LANES <= n; i += LANES) s[0] = fused(load(a + i), load(b + i), s[0]);
    double total = sum((s[0] + s[1]) + (s[2] + s[3]));
    for (; i < n; i++) total += a[i] * b[i];
    return total;
}

// p[index[k]] in each lane. Without AVX-512, the instruction for it is slower than one load each.
static inline lanes gather(const double* p, const int32_t* index)
{
#ifdef __AVX512F__
    return _mm512_i32gather_pd(_mm256_loadu_si256((const __m256i*)index), p, 8);
#else
    lanes x;
    for (int k = 0; k < LANES; k++) x[k] = p[index[k]];
    return x;
#endif
}

// Add x[k] to p[index[k]], for k < count; no index is there twice.
static inline void scatter_add(double* p, const int32_t* index, const double* x, int32_t count)
{
#ifdef __AVX512VL__
    for (int32_t k = 0; k < count; k += 8) {
        const __mmask8 here = count - k < 8 ? (1 << (count - k)) - 1 : 255;
        const __m256i where = _mm256_maskz_loadu_epi32(here, index + k);
        const __m512d before = _mm512_mask_i32gather_pd(_mm512_setzero_pd(), here, where, p, 8);
        const __m512d added = _mm512_maskz_loadu_pd(here, x + k);
        _mm512_mask_i32scatter_pd(p, here, where, _mm512_add_pd(before, added), 8);
    }
#else
    for (int32_t k = 0; k < count; k++) p[index[k]] += x[k];
#endif
}

// Which lanes are chosen, a bit each.
static inline unsigned bits(integers chosen)
{
#if defined __AVX512F__
    return _mm512_test_epi64_mask((__m512i)chosen, (__m512i)chosen);
#elif defined __AVX__
    return _mm256_movemask_pd((__m256d)chosen);
#elif defined __SSE2__
    return _mm_movemask_pd((__m128d)chosen);
#else
    return (chosen[0] & 1) | (chosen[1] & 2);
#endif
}

}  // namespace brianlearn
