#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_OCTETS = 64 * 1024, ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size, used;
    _Alignas(ALIGN) char bytes[];
};

static _Noreturn void out_of_memory(size_t octets)
{
    fprintf(stderr, "dmfsync: out of memory (%zu octets); run the same command again to continue\n", octets);
    _Exit(5);
}

void *xmalloc(size_t octets)
{
    void *p = malloc(octets ? octets : 1);

    if (!p)
        out_of_memory(octets);
    return p;
}

void *xcalloc(size_t n, size_t octets)
{
    void *p = calloc(n ? n : 1, octets ? octets : 1);

    if (!p)
        out_of_memory(n * octets);
    return p;
}

void *xrealloc(void *p, size_t octets)
{
    void *q = realloc(p, octets ? octets : 1);

    if (!q)
        out_of_memory(octets);
    return q;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(xmalloc(n), s, n);
}

void *arena_alloc(struct arena *a, size_t octets)
{
    struct arena_block *b = a->head;
    void *p;

    if (octets > SIZE_MAX / 2)
        out_of_memory(octets);
    octets = (octets + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (!b || b->size - b->used < octets) {
        size_t size = octets > BLOCK_OCTETS ? octets : BLOCK_OCTETS;

        b = xmalloc(sizeof(*b) + size);
        b->next = a->head;
        b->size = size;
        b->used = 0;
        a->head = b;
    }
    p = b->bytes + b->used;
    b->used += octets;
    a->used_octets += octets;
    return p;
}

void *arena_zalloc(struct arena *a, size_t octets)
{
    return memset(arena_alloc(a, octets), 0, octets);
}

char *arena_dup(struct arena *a, const void *p, size_t n)
{
    char *q = arena_alloc(a, n + 1);

    if (n)
        memcpy(q, p, n);
    q[n] = 0;
    return q;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_dup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, size_t *ret_len, const char *fmt, va_list ap)
{
    va_list again;
    char *p;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    BUG_IF(n < 0, "vsnprintf");
    p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    *ret_len = (size_t)n;
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    size_t len;
    char *p;

    va_start(ap, fmt);
    p = arena_vprintf(a, &len, fmt, ap);
    va_end(ap);
    return p;
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL;

    while (a->head) {
        struct arena_block *b = a->head;

        a->head = b->next;
        if (!keep && b->size == BLOCK_OCTETS)
            keep = b;
        else
            free(b);
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->head = keep;
    a->used_octets = 0;
}

void arena_release(struct arena *a)
{
    arena_reset(a);
    free(a->head);
    a->head = NULL;
}
