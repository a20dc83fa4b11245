/*
 * lint_keys.c -- keys that meet again. One record per row through a spill file, ordered by the digest of the key as Dataverse's
 * collation sees it: without case, accents and trailing blanks ("Use alternate keys": string comparison follows the collation
 * of the database). F&O keeps accents apart and case not, so an accent twin would land there and be refused by Dataverse.
 */
#include "loader/lint_profile.h"

#include <stdlib.h>
#include <utf8proc.h>

struct key_place {
    uint64_t row, line, offset;
    struct digest folded; /* case only: as F&O and loading see it */
    struct digest exact;
    bool rest; /* of another file: lint_rest.c */
};

static bool ascii(struct cell c)
{
    unsigned char any = 0;

    for (size_t i = 0; i < c.len; i++)
        any |= (unsigned char)c.ptr[i];
    return any < 0x80;
}

/* Without accents; a text that cannot be mapped stays as it is. */
static struct cell bare(struct cell c, struct arena *a)
{
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n;
    struct cell ret = c;

    if (ascii(c))
        return c;
    n = utf8proc_map(
        (const utf8proc_uint8_t *)c.ptr, (utf8proc_ssize_t)c.len, &out,
        (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK | UTF8PROC_CASEFOLD));
    if (n >= 0)
        ret = (struct cell){ arena_dup(a, out, (size_t)n), (size_t)n };
    free(out);
    return ret;
}

static enum ec add_key(struct lint_profile *p, const struct source_row *r, bool rest, struct arena *a,
                       struct err *reterr)
{
    const struct binding *b = p->m->b;
    struct digest folded = bind_key_digest(b, r->canon, a), collated = folded;
    struct key_place place;

    memset(&place, 0, sizeof(place)); /* its octets are written to a file */
    place.row = r->number;
    place.line = r->line;
    place.offset = r->offset;
    place.folded = folded;
    place.exact = digest_bytes(r->key.ptr, r->key.len);
    place.rest = rest;

    if (!ascii(r->key)) {
        struct cell *row = arena_alloc(a, b->n * sizeof(*row));

        memcpy(row, r->canon, b->n * sizeof(*row));
        for (size_t i = 0; i < b->n_key; i++)
            row[b->key[i]] = bare(row[b->key[i]], a);
        collated = bind_key_digest(b, row, a);
    }
    return spill_add(p->keys, collated, &place, sizeof(place), reterr);
}

enum ec lint_keys_add(struct lint_profile *p, const struct source_row *r, struct arena *a, struct err *reterr)
{
    return add_key(p, r, false, a, reterr);
}

enum ec lint_keys_add_rest(struct lint_profile *p, const struct source_row *r, struct arena *a, struct err *reterr)
{
    return add_key(p, r, true, a, reterr);
}

/* The key as the file has it, read again: only for samples. Absent when it cannot be had (compressed files). */
static struct cell key_at(struct source *s, uint64_t row, uint64_t line, uint64_t offset, struct arena *a)
{
    struct source_row r;
    bool more = false;

    if (!s || source_seek(s, row, line, offset, NULL) || source_next(s, a, &r, &more, NULL) || !more)
        return CELL_ABSENT;
    return r.key;
}

struct cell lint_key_at(struct lint_profile *p, uint64_t row, uint64_t line, uint64_t offset, struct arena *a)
{
    struct source *s = NULL;
    struct cell key = CELL_ABSENT;

    if (!source_open_file(p->m, p->file, &s, NULL))
        key = cell_dup(a, key_at(s, row, line, offset, a));
    source_close(s);
    return key;
}

static void met_again(struct lint_profile *p, struct source *s, const struct key_place *first,
                      const struct key_place *other, struct arena *a)
{
    struct lint_fault f = { .severity = LINT_ERROR, .field = p->m->b->fields[p->m->b->key[p->m->b->n_key - 1]].name };
    const char *of = first->rest ? arena_printf(a, " of %s", p->m->cfg->source) : "";
    bool sample;

    if (digest_eq(first->exact, other->exact)) {
        f.code = "duplicate";
        f.why = arena_printf(a, "the same key as line %llu%s", (unsigned long long)first->line, of);
    } else {
        f.code = "key_collation";
        f.why = arena_printf(a, "differs from the key of line %llu%s only in %s", (unsigned long long)first->line, of,
                             digest_eq(first->folded, other->folded) ? "case"
                                                                     : "accents: one key for Dataverse, two for F&O");
    }
    sample = lint_wants_sample(p, f.code, f.field);
    mask_add(&p->bad, other->row);
    mask_add(&p->duplicates, other->row);
    lint_add_place(p, other->row, other->line, other->offset);
    profile_add(p, &f, 1, other->line, sample ? key_at(s, other->row, other->line, other->offset, a) : CELL_ABSENT);
}

enum ec lint_keys_finish(struct lint_profile *p, struct err *reterr)
{
    struct source *s = NULL;
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    for (unsigned part = 0; part < SPILL_PARTITIONS && !rc; part++) {
        struct spill_record *r;
        size_t n = 0, first = 0;

        rc = spill_partition(p->keys, part, &r, &n, reterr);
        for (size_t i = 1; i < n && !rc; i++) {
            struct key_place a_place, b_place;

            if (!digest_eq(r[i].d, r[first].d)) {
                first = i;
                continue;
            }
            if (!s && source_open_file(p->m, p->file, &s, NULL))
                s = NULL;
            arena_reset(&a);
            memcpy(&a_place, r[first].p, sizeof(a_place));
            memcpy(&b_place, r[i].p, sizeof(b_place));
            if (!b_place.rest)
                met_again(p, s, &a_place, &b_place, &a);
        }
    }
    spill_free(p->keys);
    p->keys = NULL;
    source_close(s);
    arena_release(&a);
    return rc;
}
