#include "data/canon_parts.h"

#include <stdio.h>
#include <stdlib.h>
#define XXH_INLINE_ALL /* a row is hashed twice: the call would cost as much as the hash of its key */
#include <xxhash.h>

static struct digest hash(const void *p, size_t n)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(p, n, CANON_VERSION);

    return (struct digest){ h.high64, h.low64 };
}

struct digest digest_bytes(const void *p, size_t n)
{
    return hash(n ? p : "", n);
}

/* All cells are gathered into one text and hashed at once: at a row's size that is quicker than a streamed state. */
struct gather {
    char *p;
    size_t len, cap;
    struct arena *a;
};

static char *room(struct gather *g, size_t more)
{
    if (more > g->cap - g->len) {
        size_t cap = (g->cap + more) * 2;
        char *wider = arena_alloc(g->a, cap);

        memcpy(wider, g->p, g->len);
        g->p = wider;
        g->cap = cap;
    }
    return g->p + g->len;
}

static size_t put_length(char *p, struct cell c)
{
    uint64_t v = c.ptr ? (uint64_t)c.len + 1 : 0;
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        p[n++] = (char)(v | 0x80);
    p[n++] = (char)v;
    return n;
}

static void gather(struct gather *g, const struct canon_rule *rule, struct cell c)
{
    char *p;

    if (rule->tuned)
        c = canon_fold(rule, c, g->a);
    if (canon_is_default(rule, c))
        c = CELL_ABSENT;
    if (c.ptr && canon_folds(rule) && !canon_ascii(c))
        c = canon_fold_case(c, g->a);
    p = room(g, c.len + 10);
    p += put_length(p, c);
    if (c.ptr && canon_folds(rule)) {
        for (size_t i = 0; i < c.len; i++) /* what is folded already has no capitals left to change */
            p[i] = (char)(c.ptr[i] >= 'A' && c.ptr[i] <= 'Z' ? c.ptr[i] | 0x20 : c.ptr[i]);
    } else if (c.len) {
        memcpy(p, c.ptr, c.len);
    }
    g->len = (size_t)(p - g->p) + c.len;
}

struct digest digest_cells(const struct canon_rule *rules, const struct cell *cells, const uint16_t *idx, size_t n,
                           struct arena *scratch)
{
    char small[2048];
    struct gather g = { .p = small, .cap = sizeof(small), .a = scratch };

    for (size_t i = 0; i < n; i++) {
        size_t k = idx ? idx[i] : i;

        gather(&g, &rules[k], cells[k]);
    }
    return hash(g.p, g.len);
}

void digest_text(const struct canon_rule *rules, const struct cell *cells, const uint16_t *idx, size_t n,
                 struct arena *scratch, struct strbuf *out)
{
    char small[2048];
    struct gather g = { .p = small, .cap = sizeof(small), .a = scratch };

    for (size_t i = 0; i < n; i++) {
        size_t k = idx ? idx[i] : i;

        gather(&g, &rules[k], cells[k]);
    }
    strbuf_add(out, g.p, g.len);
}

struct cell digest_encoded(const struct canon_rule *rule, struct cell canonical, struct arena *a)
{
    struct gather g = { .a = a };

    g.cap = canonical.len + 16;
    g.p = arena_alloc(a, g.cap);
    gather(&g, rule, canonical);
    return (struct cell){ g.p, g.len };
}

void digest_sum_add(struct digest *sum, struct digest d)
{
    sum->hi += d.hi + __builtin_add_overflow(sum->lo, d.lo, &sum->lo);
}

void digest_sum_sub(struct digest *sum, struct digest d)
{
    sum->hi -= d.hi + __builtin_sub_overflow(sum->lo, d.lo, &sum->lo);
}

void digest_format_hex(struct digest d, char ret[static 33])
{
    snprintf(ret, 33, "%016llx%016llx", (unsigned long long)d.hi, (unsigned long long)d.lo);
}

void digest_format_sum(struct digest d, char ret[static 64])
{
    snprintf(ret, 64, "xxh3-sum:c%d:%016llx%016llx", CANON_VERSION, (unsigned long long)d.hi,
             (unsigned long long)d.lo);
}

int digest_canon_version(struct cell sum)
{
    static const char BEGIN[] = "xxh3-sum:c";
    size_t at = sizeof(BEGIN) - 1;
    int v = 0;

    if (sum.len < at || memcmp(sum.ptr, BEGIN, at))
        return 0;
    for (; at < sum.len && sum.ptr[at] >= '0' && sum.ptr[at] <= '9' && v < 100000; at++)
        v = v * 10 + (sum.ptr[at] - '0');
    return v;
}

bool digest_parse_hex(struct cell hex, struct digest *ret)
{
    uint64_t half[2] = { 0 };

    if (hex.len != 32)
        return false;
    for (size_t i = 0; i < 32; i++) {
        char c = hex.ptr[i];
        unsigned v = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                            : 16;

        if (v > 15)
            return false;
        half[i / 16] = half[i / 16] << 4 | v;
    }
    *ret = (struct digest){ half[0], half[1] };
    return true;
}

struct digest digest_bytes_plain(const void *p, size_t n)
{
    XXH128_hash_t h = XXH3_128bits(n ? p : "", n);

    return (struct digest){ h.high64, h.low64 };
}
