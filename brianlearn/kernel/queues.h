// Brian2's spike queues, for kernels that have some among their arguments: from the project in C++
// standalone mode, otherwise from Brian2's own folder (where 2.9 calls the header .cpp).
#if __has_include("synapses_classes.h")
#include "synapses_classes.h"
#elif __has_include("spikequeue.h")
#include "spikequeue.h"
#else
#include "cspikequeue.cpp"
#endif

// The spike queues of a pathway. With several, each has a range of the synapses, in their order.
struct Queues {
    CSpikeQueue* const* items;
    size_t size;
    CSpikeQueue& operator[](size_t k) const { return *items[k]; }
};
