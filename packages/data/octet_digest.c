/* octet_digest.c -- the digest of a stream of octets, by the widest instructions that the processor has. */
#include "data/canon.h"

#include <stdlib.h>
#include <xxhash.h>

/* A hundred megabytes at a time go through here: it pays to ask what the processor can do. The digest is the same. */
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#define UPDATE XXH3_128bits_update_dispatch
#else
#define UPDATE XXH3_128bits_update
#endif

struct octet_digest {
    XXH3_state_t *state;
};

struct octet_digest *octet_digest_new(void)
{
    struct octet_digest *d = xcalloc(1, sizeof(*d));

    d->state = XXH3_createState();
    BUG_IF(!d->state || XXH3_128bits_reset(d->state) == XXH_ERROR, "XXH3 state");
    return d;
}

void octet_digest_add(struct octet_digest *d, const void *p, size_t n)
{
    if (n)
        BUG_IF(UPDATE(d->state, p, n) == XXH_ERROR, "XXH3 update");
}

struct digest octet_digest_end(struct octet_digest *d)
{
    XXH128_hash_t h = XXH3_128bits_digest(d->state);

    XXH3_freeState(d->state);
    free(d);
    return (struct digest){ h.high64, h.low64 };
}
