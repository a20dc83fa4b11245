/*
 * json_build.h -- what json_read.c and json_rows.c share: yajl's events made into trees, with the checks yajl lacks.
 * Layer: data, private to the two.
 */
#ifndef DATA_JSON_BUILD_H
#define DATA_JSON_BUILD_H

#include "data/json.h"

#include <yajl/yajl_parse.h>

/* Follows the raw text beside yajl: surrogates must come in pairs, no token may grow without bound. */
struct json_guard {
    enum { GUARD_OUTSIDE, GUARD_STRING, GUARD_ESCAPE, GUARD_HEX } state;
    unsigned hex_left;
    uint32_t unit; /* UTF-16 unit being read */
    bool high; /* a high surrogate waits for its low one */
    size_t token; /* octets of the token so far */
};
struct json_frame {
    struct json *node;
    struct json **seen; /* members by hash of their name, NULL while there are few */
    size_t seen_cap; /* power of two */
};
struct json_build {
    const char *what;
    struct json_limits lim;
    yajl_handle parser;
    struct json_guard guard;
    uint64_t fed; /* octets given to the parser */
    int bom; /* octets of a byte order mark seen at the start, -1 = past the start */
    struct arena *a; /* where new nodes go */
    struct json_frame *stack;
    size_t depth, cap;
    struct cell name; /* of the member whose value comes next */
    struct json *root;
    uint64_t seed;
    struct err err; /* the first failure; code EC_OK = none */

    /* Rows of a top-level "value" array are handed out instead of kept. */
    json_row_fn *row;
    void *row_arg;
    struct arena *row_arena, *envelope_arena;
    bool streaming; /* inside that array */
};

void json_build_init(struct json_build *b, const char *what, const struct json_limits *lim, struct arena *a);
enum ec json_build_feed(struct json_build *b, const char *p, size_t n, struct err *reterr);
enum ec json_build_end(struct json_build *b, struct err *reterr);
void json_build_release(struct json_build *b);

#endif
