// What every kernel's C++ form may rely on; placed before the rule's own header.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#ifdef __linux__
#include <sys/mman.h>
#endif
#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace brianlearn {

// A view of an array that Brian2 owns: one per declared argument, in the order of the Python form.
template <typename T>
struct Array {
    T* data;
    size_t size;
    T& operator[](size_t i) const { return data[i]; }
};

// Several of them: what was declared as a list. It lives as long as the call that it is made for.
template <typename T>
struct Arrays {
    const Array<T>* items;
    size_t size;
    Arrays(std::initializer_list<Array<T>> list) : items(list.begin()), size(list.size()) {}
    const Array<T>& operator[](size_t i) const { return items[i]; }
};

// Eight doubles side by side. Sums written with them have one order of additions, whatever the
// compiler's flags, so that every compiled target gives the same bits.
typedef double v8 __attribute__((vector_size(64), aligned(8), may_alias));

static inline v8 load(const double* p) { return *(const v8*)p; }
static inline void store(double* p, v8 x) { *(v8*)p = x; }

static inline v8 gather(const double* p, const int32_t* index)
{
#ifdef __AVX512F__
    return _mm512_i32gather_pd(_mm256_loadu_si256((const __m256i*)index), p, 8);
#else
    v8 x;
    for (int k = 0; k < 8; k++) x[k] = p[index[k]];
    return x;
#endif
}

// Add x[k] to p[index[k]], for k < count; of eight indices side by side, none is there twice.
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

// a*b + c; rounded once where the processor can, whatever the compiler's flags.
static inline v8 fused(v8 a, v8 b, v8 c)
{
#ifdef __AVX512F__
    return _mm512_fmadd_pd(a, b, c);
#else
    return a * b + c;
#endif
}

static inline v8 all(double x) { return v8{x, x, x, x, x, x, x, x}; }

static inline double sum(v8 x)
{
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

static inline double dot(const double* a, const double* b, size_t n)
{
    v8 s = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8) s = fused(load(a + i), load(b + i), s);
    double total = sum(s);
    for (; i < n; i++) total += a[i] * b[i];
    return total;
}

// Zeros that take memory only where they are written; in huge pages where the system has them, since
// a history that is written in strides would miss the translation of almost every address.
static inline void* zeros(size_t bytes)
{
    const size_t huge = (size_t)1 << 21;
#ifdef __linux__
    if (bytes >= 2 * huge) {
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        void* mapped = mmap(nullptr, bytes + huge, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (mapped == MAP_FAILED) return nullptr;
        const size_t aligned = ((size_t)mapped + huge - 1) & ~(huge - 1);
        madvise((void*)aligned, bytes, MADV_HUGEPAGE);
        return (void*)aligned;
    }
#endif
    return std::calloc(bytes, 1);
}

// Which of the eight are not 0, a bit each.
static inline unsigned nonzero(v8 x)
{
#ifdef __AVX512F__
    return _mm512_cmp_pd_mask((__m512d)x, _mm512_setzero_pd(), _CMP_NEQ_UQ);
#else
    unsigned bits = 0;
    for (int k = 0; k < 8; k++) bits |= (unsigned)(x[k] != 0) << k;
    return bits;
#endif
}

// While one exists, numbers below 1e-308 count as zero: what a silent neuron's trace decays into
// costs a hundred cycles an operation, and changes no sum.
class FlushTinyToZero {
#ifdef __SSE2__
    unsigned saved = __builtin_ia32_stmxcsr();

  public:
    FlushTinyToZero() { __builtin_ia32_ldmxcsr(saved | 0x8040); }
    ~FlushTinyToZero() { __builtin_ia32_ldmxcsr(saved); }
#endif
};

}  // namespace brianlearn

using brianlearn::Array;
using brianlearn::Arrays;
