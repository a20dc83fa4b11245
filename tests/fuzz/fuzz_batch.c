/*
 * $batch answers come from outside: any octets must parse or be refused, and what is handed out must lie inside the text.
 * The first line of the input is the Content-Type, the rest the body.
 */
#include "dv/dv_parts.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *lf = size ? memchr(data, '\n', size) : NULL;
    size_t head = lf ? (size_t)(lf - data) : size;
    struct arena a = { 0 };
    char *type = arena_dup(&a, data, head);
    const char *boundary = dv_batch_boundary_of(type, &a);
    size_t len = lf ? size - head - 1 : 0, n = 0;
    char *body = malloc(len ? len : 1);
    struct dv_batch_part *parts = NULL;
    bool complete = false;
    struct err e = { 0 };

    if (len)
        memcpy(body, lf + 1, len);
    if (boundary && !dv_batch_parse(boundary, body, len, 100, &a, &parts, &n, &complete, &e)) {
        if (!n || n > 100)
            abort();
        for (size_t i = 0; i < n; i++) {
            if (parts[i].status < 100 || parts[i].status > 599)
                abort();
            if (parts[i].body.len && (parts[i].body.ptr < body || parts[i].body.ptr + parts[i].body.len > body + len))
                abort();
            if (parts[i].etag.len && (parts[i].etag.ptr < body || parts[i].etag.ptr + parts[i].etag.len > body + len))
                abort();
        }
    }
    free(body);
    arena_release(&a);
    return 0;
}
