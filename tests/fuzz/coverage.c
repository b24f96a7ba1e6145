/* Counts the edges that code compiled with -fsanitize-coverage=trace-pc goes over. */

#include <stdint.h>
#include <string.h>

#define PLACES 65536u

static uint8_t counts[PLACES];
static uint8_t seen[PLACES];
static uintptr_t before;

void __sanitizer_cov_trace_pc(void)
{
    uintptr_t here = (uintptr_t)__builtin_return_address(0) * 0x9E3779B97F4A7C15u >> 16;
    uint8_t *count = &counts[(here ^ before) % PLACES];
    before = here >> 1;
    if (*count < 255)
        ++*count;
}

/* Forget what was counted. */
void coverage_begin(void)
{
    memset(counts, 0, sizeof counts);
    before = 0;
}

/* How many edges were gone over for the first time, or oftener than ever by a power of two. */
int coverage_end(void)
{
    int found = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        if (counts[i]) {
            uint8_t magnitude = (uint8_t)(1u << (31 - __builtin_clz(counts[i])));
            if (!(seen[i] & magnitude)) {
                seen[i] |= magnitude;
                found++;
            }
        }
    }
    return found;
}
