// Functions of several numbers at once, as glibc's vector library has them; with these declarations
// GCC calls them from loops without -ffast-math. See prefs.brianlearn.vector_functions.
#define VECTOR __attribute__((simd("notinbranch")))
extern "C" {
VECTOR double exp(double) noexcept;
VECTOR double log(double) noexcept;
VECTOR double pow(double, double) noexcept;
VECTOR double sin(double) noexcept;
VECTOR double cos(double) noexcept;
}
#undef VECTOR
