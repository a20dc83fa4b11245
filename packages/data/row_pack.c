#include "data/canon.h"

void row_pack(struct strbuf *out, const struct cell *cells, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t v = cells[i].ptr ? (uint64_t)cells[i].len + 1 : 0;
        char varint[10];
        size_t k = 0;

        for (; v >= 0x80; v >>= 7)
            varint[k++] = (char)(v | 0x80);
        varint[k++] = (char)v;
        strbuf_add(out, varint, k);
        if (cells[i].len)
            strbuf_add(out, cells[i].ptr, cells[i].len);
    }
}

/* One packed cell at *at; false when it does not lie within len octets. */
static bool unpack_cell(const char *p, size_t len, size_t *at, struct cell *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0;; shift += 7) {
        unsigned char c;

        if (*at >= len || shift > 63)
            return false;
        c = (unsigned char)p[(*at)++];
        if (shift == 63 && c > 1) /* would not fit 64 bits */
            return false;
        v |= (uint64_t)(c & 0x7F) << shift;
        if (c < 0x80)
            break;
    }
    if (!v) {
        *ret = CELL_ABSENT;
        return true;
    }
    if (v - 1 > len - *at)
        return false;
    *ret = (struct cell){ p + *at, (size_t)(v - 1) };
    *at += ret->len;
    return true;
}

bool row_unpack(const void *p, size_t len, struct cell *cells, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        if (!unpack_cell(p, len, &at, &cells[i]))
            return false;
    return at == len;
}

size_t row_packed_size(const void *p, size_t len, size_t n)
{
    struct cell c;
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        if (!unpack_cell(p, len, &at, &c))
            return SIZE_MAX;
    return at;
}

struct cell key_join(struct arena *a, const struct cell *parts, size_t n)
{
    size_t len = n;
    char *out, *p;

    for (size_t i = 0; i < n; i++)
        len += 2 * parts[i].len;
    p = out = arena_alloc(a, len + 1);
    for (size_t i = 0; i < n; i++) {
        if (i)
            *p++ = '|';
        for (size_t k = 0; k < parts[i].len; k++) {
            if (parts[i].ptr[k] == '|' || parts[i].ptr[k] == '\\')
                *p++ = '\\';
            *p++ = parts[i].ptr[k];
        }
    }
    *p = 0;
    return (struct cell){ out, (size_t)(p - out) };
}

size_t key_split(struct arena *a, struct cell text, struct cell *parts, size_t max)
{
    char *p = arena_alloc(a, text.len + 1), *from = p;
    size_t n = 0;

    if (!text.ptr)
        return 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i == text.len || text.ptr[i] == '|') {
            if (n == max)
                return 0;
            parts[n++] = (struct cell){ from, (size_t)(p - from) };
            *p++ = 0; /* takes the place of the bar, so there is room */
            from = p;
        } else if (text.ptr[i] == '\\') {
            if (++i == text.len || (text.ptr[i] != '|' && text.ptr[i] != '\\'))
                return 0;
            *p++ = text.ptr[i];
        } else {
            *p++ = text.ptr[i];
        }
    }
    return n;
}
