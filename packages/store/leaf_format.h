/* leaf_format.h -- what leaf_build.c and leaf_read.c share. Layer: store, private to it. */
#ifndef STORE_LEAF_FORMAT_H
#define STORE_LEAF_FORMAT_H

#include "store/leaf.h"

extern const struct store_schema LEAF_SCHEMA;
void leaf_put_digest(char out[16], struct digest d); /* big-endian, so that memcmp order is digest order */
struct digest leaf_get_digest(const char *p);

#endif
