// What every kernel's C++ form may rely on; placed before the rule's own header.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#ifdef __linux__
#include <sys/mman.h>
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

// While one exists, numbers below 1e-308 count as zero: what a silent neuron's trace decays into
// costs a hundred cycles an operation, and changes no sum.
class FlushTinyToZero {
#if defined __SSE2__
    const unsigned saved = __builtin_ia32_stmxcsr();
    static void set(unsigned mode) { __builtin_ia32_ldmxcsr(mode); }
    enum { FLUSH = 0x8040 };  // results, and what is read
#elif defined __aarch64__
    const uint64_t saved = mode();
    static uint64_t mode()
    {
        uint64_t mode;
        asm volatile("mrs %0, fpcr" : "=r"(mode));
        return mode;
    }
    static void set(uint64_t mode) { asm volatile("msr fpcr, %0" ::"r"(mode)); }
    enum { FLUSH = 1 << 24 };
#else
    const unsigned saved = 0;
    static void set(unsigned) {}
    enum { FLUSH = 0 };
#endif

  public:
    FlushTinyToZero() { set(saved | FLUSH); }
    ~FlushTinyToZero() { set(saved); }
};

}  // namespace brianlearn

using brianlearn::Array;
using brianlearn::Arrays;
