/*
 * arena.h -- memory with one lifetime: allocate many, release once.
 * Layer: base. Errors: none; running out of memory ends the process (every durable step is a transaction, so that
 * equals a power cut, which resume survives anyway). Threads: one owner.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/err.h"

#include <stdarg.h>

struct arena_block;
struct arena {
    struct arena_block *head; /* block being filled */
    size_t used_octets; /* handed out since the last reset, for ceilings */
};

void *arena_alloc(struct arena *a, size_t octets); /* aligned for any type, contents undefined */
void *arena_zalloc(struct arena *a, size_t octets); /* zeroed */
char *arena_dup(struct arena *a, const void *p, size_t n); /* copy with a NUL behind it */
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The length goes to *ret_len. */
char *arena_vprintf(struct arena *a, size_t *ret_len, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);
/* Everything allocated becomes invalid; keeps one block for reuse, so a loop of batches does not touch malloc. */
void arena_reset(struct arena *a);
void arena_release(struct arena *a);

/* malloc family that ends the process when memory runs out. */
void *xmalloc(size_t octets);
void *xcalloc(size_t n, size_t octets);
void *xrealloc(void *p, size_t octets);
char *xstrdup(const char *s);

#endif
