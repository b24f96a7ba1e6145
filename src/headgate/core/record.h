/* What record.pyx does per byte: copying text into a log line. */

#ifndef HEADGATE_RECORD_H
#define HEADGATE_RECORD_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Copies the bytes that stand for themselves, both in JSON and between the quotes of a combined
   line: printable ASCII but for the quote and the backslash. Returns the first one that does not,
   or `end`; `*out` moves behind what was copied. May write, not use, 15 bytes more. */
static inline const char *hg_copy_plain(const char *from, const char *end, char **out)
{
    char *to = *out;
#if defined(__SSE2__)
    const __m128i space = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\'), del = _mm_set1_epi8(0x7f);
    while (end - from >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)from);
        /* As signed bytes, everything from 0x80 on is below the space. */
        __m128i other = _mm_or_si128(
            _mm_or_si128(_mm_cmplt_epi8(bytes, space), _mm_cmpeq_epi8(bytes, del)),
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        int mask = _mm_movemask_epi8(other);
        _mm_storeu_si128((__m128i *)to, bytes);
        if (mask) {
            int plain = __builtin_ctz((unsigned)mask);
            *out = to + plain;
            return from + plain;
        }
        from += 16;
        to += 16;
    }
#endif
    for (; from < end; from++) {
        unsigned char byte = (unsigned char)*from;
        if (byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\')
            break;
        *to++ = *from;
    }
    *out = to;
    return from;
}

/* The size of the well-formed UTF-8 sequence (RFC 3629) that begins with a byte from 0x80 on, or 0. */
static inline int hg_utf8_size(const char *from, const char *end)
{
    const unsigned char *p = (const unsigned char *)from;
    unsigned char low = 0x80, high = 0xbf;
    int size;

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        size = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        size = 3;
        if (p[0] == 0xe0)
            low = 0xa0;         /* overlong */
        else if (p[0] == 0xed)
            high = 0x9f;        /* surrogates */
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        size = 4;
        if (p[0] == 0xf0)
            low = 0x90;         /* overlong */
        else if (p[0] == 0xf4)
            high = 0x8f;        /* above U+10FFFF */
    } else {
        return 0;
    }
    if (end - from < size || p[1] < low || p[1] > high)
        return 0;
    for (int i = 2; i < size; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return size;
}

#endif
