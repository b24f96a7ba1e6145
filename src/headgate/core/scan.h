/* Byte scanners of the HTTP/1 grammar (RFC 9110 section 5, RFC 9112 section 2 to 5).

   Each returns the first byte that does not belong, or `end`. SSE2 is part of every x86-64 and
   the plain loop serves everywhere else; both are the same predicate. */

#ifndef HEADGATE_SCAN_H
#define HEADGATE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Bits of CLASSES: 1 tchar (RFC 9110 5.6.2), 2 allowed in a request target, 4 allowed in a host
   (RFC 3986 unreserved), 8 hexadecimal digit. */
#define T 1
#define U 2
#define H 4
#define X 8
static const uint8_t hg_classes[256] = {
    ['!'] = T | U, ['"'] = 0, ['#'] = T, ['$'] = T | U, ['%'] = T | U, ['&'] = T | U,
    ['\''] = T | U, ['('] = U, [')'] = U, ['*'] = T | U, ['+'] = T | U, [','] = U,
    ['-'] = T | U | H, ['.'] = T | U | H, ['/'] = U,
    ['0'] = T | U | H | X, ['1'] = T | U | H | X, ['2'] = T | U | H | X, ['3'] = T | U | H | X,
    ['4'] = T | U | H | X, ['5'] = T | U | H | X, ['6'] = T | U | H | X, ['7'] = T | U | H | X,
    ['8'] = T | U | H | X, ['9'] = T | U | H | X,
    [':'] = U, [';'] = U, ['<'] = 0, ['='] = U, ['>'] = 0, ['?'] = U, ['@'] = U,
    ['A'] = T | U | H | X, ['B'] = T | U | H | X, ['C'] = T | U | H | X, ['D'] = T | U | H | X,
    ['E'] = T | U | H | X, ['F'] = T | U | H | X, ['G'] = T | U | H, ['H'] = T | U | H,
    ['I'] = T | U | H, ['J'] = T | U | H, ['K'] = T | U | H, ['L'] = T | U | H, ['M'] = T | U | H,
    ['N'] = T | U | H, ['O'] = T | U | H, ['P'] = T | U | H, ['Q'] = T | U | H, ['R'] = T | U | H,
    ['S'] = T | U | H, ['T'] = T | U | H, ['U'] = T | U | H, ['V'] = T | U | H, ['W'] = T | U | H,
    ['X'] = T | U | H, ['Y'] = T | U | H, ['Z'] = T | U | H,
    ['['] = U, ['\\'] = U, [']'] = U, ['^'] = T | U, ['_'] = T | U | H, ['`'] = T | U,
    ['a'] = T | U | H | X, ['b'] = T | U | H | X, ['c'] = T | U | H | X, ['d'] = T | U | H | X,
    ['e'] = T | U | H | X, ['f'] = T | U | H | X, ['g'] = T | U | H, ['h'] = T | U | H,
    ['i'] = T | U | H, ['j'] = T | U | H, ['k'] = T | U | H, ['l'] = T | U | H, ['m'] = T | U | H,
    ['n'] = T | U | H, ['o'] = T | U | H, ['p'] = T | U | H, ['q'] = T | U | H, ['r'] = T | U | H,
    ['s'] = T | U | H, ['t'] = T | U | H, ['u'] = T | U | H, ['v'] = T | U | H, ['w'] = T | U | H,
    ['x'] = T | U | H, ['y'] = T | U | H, ['z'] = T | U | H,
    ['{'] = U, ['|'] = T | U, ['}'] = U, ['~'] = T | U | H,
};
#undef T
#undef U
#undef H
#undef X

static inline int hg_is_tchar(unsigned char c) { return hg_classes[c] & 1; }
static inline int hg_is_host(unsigned char c) { return hg_classes[c] & 4; }
static inline int hg_is_hex(unsigned char c) { return hg_classes[c] & 8; }

static inline const char *hg_scan_token(const char *p, const char *end)
{
    while (p < end && (hg_classes[(unsigned char)*p] & 1))
        p++;
    return p;
}

static inline const char *hg_scan_target(const char *p, const char *end)
{
    while (p < end && (hg_classes[(unsigned char)*p] & 2))
        p++;
    return p;
}

/* field-vchar, SP, HTAB and obs-text; stops at every control byte and DEL. */
static inline const char *hg_scan_value(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i low = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, low), x);
        control = _mm_andnot_si128(_mm_cmpeq_epi8(x, tab), control);
        control = _mm_or_si128(control, _mm_cmpeq_epi8(x, del));
        int mask = _mm_movemask_epi8(control);
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
        p += 16;
    }
#endif
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            break;
        p++;
    }
    return p;
}

/* Whether two names of one length are equal but for the case of ASCII letters; `lower` is lower case. */
static inline int hg_equal_lower(const char *name, const char *lower, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if (c != (unsigned char)lower[i])
            return 0;
    }
    return 1;
}

static inline int hg_equal_fold(const char *a, const char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)a[i], d = (unsigned char)b[i];
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if (d >= 'A' && d <= 'Z')
            d |= 0x20;
        if (c != d)
            return 0;
    }
    return 1;
}

#endif
