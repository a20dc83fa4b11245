/*
 * lint_refs.c -- lookups across files: which values no parent row has, neither in the parents' sources nor in F&O.
 *
 * Keys of parents and values of lookups go into one spill file under the digest of (table, company, key parts), case folded as
 * lookups compare; a digest that only children have is an orphan. Equal values that follow each other closely are counted in a
 * small cache first, so that a column of ten groups costs ten records. Memory: the cache, one partition, the values that are
 * missing (bounded: beyond MAX_MISSING they are counted as missing without asking F&O).
 */
#include "base/log.h"
#include "erp/odata.h"
#include "loader/lint_profile.h"

#include <stdio.h>
#include <stdlib.h>

enum { SETS = 256, WAYS = 8, SLOTS = SETS * WAYS, MAX_PARTS = 16, MAX_MISSING = 100000, MAX_ASKED = 500 };

struct slot { /* one value, counted while it stays */
    struct digest exact;
    uint64_t n, row, line, offset; /* of the first one */
    struct strbuf packed; /* company, parts */
};
/* A lookup of a map that is checked. */
struct ref {
    struct map_ctx *child, *parent;
    const struct bound_lookup *l;
    int parent_fields[MAX_PARTS]; /* bound fields of the parent that fill the looked-up columns */
    bool checkable;
    bool parent_read; /* the parent's source was read */
    struct slot *slots;
    uint64_t unasked; /* rows whose value was not asked for */
};
struct missing {
    struct digest d;
    size_t ref;
    uint64_t n, row, line, offset;
    struct cell packed; /* in the arena */
    bool found; /* F&O has it */
};
struct lint_refs {
    struct pair *p;
    struct spill *spill;
    struct ref *refs;
    size_t n;
    struct missing *missing;
    size_t n_missing;
    struct arena a;
};
struct record {
    uint32_t ref; /* UINT32_MAX = a parent's key */
    uint32_t spare;
    uint64_t n, row, line, offset;
};

/* ---- which lookups can be checked ---- */

static int field_filling(const struct binding *b, struct cell column)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];

        if (f->f && f->mf && cell_ieq(f->mf->destination, column))
            return (int)i;
    }
    return -1;
}

static void describe(struct lint_refs *rf, struct map_ctx *child, const struct bound_lookup *l)
{
    struct ref *r;

    rf->refs = xrealloc(rf->refs, (rf->n + 1) * sizeof(*rf->refs));
    r = &rf->refs[rf->n++];
    *r = (struct ref){ .child = child, .l = l, .parent = pair_map_by_set(rf->p, l->target->set) };
    r->checkable = r->parent && l->n <= MAX_PARTS;
    for (size_t i = 0; i < l->n && r->checkable; i++) {
        r->parent_fields[i] = field_filling(r->parent->b, l->columns[i]);
        r->checkable = r->parent_fields[i] >= 0;
    }
    if (r->checkable)
        r->slots = xcalloc(SLOTS, sizeof(*r->slots));
    else
        log_info("lint", "%s: the lookup " CELL_FMT " cannot be checked: its parent's map does not fill the columns",
                 child->cfg->alias, CELL_ARG(l->c->name));
}

enum ec lint_refs_new(struct pair *p, const char *tmp_dir, struct lint_refs **ret, struct err *reterr)
{
    struct lint_refs *rf = xcalloc(1, sizeof(*rf));
    enum ec rc = spill_new(tmp_dir, &rf->spill, reterr);

    if (rc) {
        free(rf);
        return rc;
    }
    rf->p = p;
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; p->maps[i].selected && p->maps[i].cfg->source && k < p->maps[i].b->n_lookups; k++)
            describe(rf, &p->maps[i], &p->maps[i].b->lookups[k]);
    *ret = rf;
    return EC_OK;
}

void lint_refs_free(struct lint_refs *rf)
{
    if (!rf)
        return;
    for (size_t i = 0; i < rf->n; i++) {
        for (size_t k = 0; rf->refs[i].slots && k < SLOTS; k++)
            strbuf_release(&rf->refs[i].slots[k].packed);
        free(rf->refs[i].slots);
    }
    free(rf->refs);
    free(rf->missing);
    spill_free(rf->spill);
    arena_release(&rf->a);
    free(rf);
}

bool lint_refs_wants_parent(const struct lint_refs *rf, const struct map_ctx *m)
{
    for (size_t i = 0; i < rf->n; i++)
        if (rf->refs[i].checkable && rf->refs[i].parent == m)
            return true;
    return false;
}

void lint_refs_fields(const struct lint_refs *rf, const struct map_ctx *m, bool *wanted)
{
    for (size_t i = 0; i < rf->n; i++)
        for (size_t k = 0; rf->refs[i].checkable && k < rf->refs[i].l->n; k++) {
            if (rf->refs[i].child == m)
                wanted[rf->refs[i].l->fields[k]] = true;
            if (rf->refs[i].parent == m)
                wanted[rf->refs[i].parent_fields[k]] = true;
        }
}

/* ---- rows ---- */

static struct digest digest_of(const struct ref *r, struct cell company, const struct cell *parts, struct arena *a)
{
    struct cell cells[MAX_PARTS * 2 + 2];
    struct canon_rule rules[MAX_PARTS * 2 + 2];
    size_t n = 0;

    cells[n++] = r->l->target->set;
    cells[n++] = r->l->striped ? company : CELL_ABSENT;
    for (size_t i = 0; i < r->l->n; i++) {
        cells[n++] = r->l->columns[i];
        cells[n++] = parts[i];
    }
    for (size_t i = 0; i < n; i++)
        rules[i] = (struct canon_rule){ .type = CANON_KEY };
    return digest_cells(rules, cells, NULL, n, a);
}

/* Two lookups of one parent by the same columns need its keys once. */
static bool told_before(const struct lint_refs *rf, size_t at)
{
    const struct ref *r = &rf->refs[at];

    for (size_t i = 0; i < at; i++) {
        const struct ref *o = &rf->refs[i];
        bool same = o->checkable && o->parent == r->parent && o->l->n == r->l->n && o->l->striped == r->l->striped;

        for (size_t k = 0; k < r->l->n && same; k++)
            same = cell_ieq(o->l->columns[k], r->l->columns[k]);
        if (same)
            return true;
    }
    return false;
}

enum ec lint_refs_parent(struct lint_refs *rf, const struct source *s, const struct source_row *row, struct arena *a,
                         struct err *reterr)
{
    static const struct record PARENT = { .ref = UINT32_MAX };
    enum ec rc = EC_OK;

    for (size_t i = 0; i < rf->n && !rc; i++) {
        struct ref *r = &rf->refs[i];
        struct cell parts[MAX_PARTS];
        bool blank = true;

        if (!r->checkable || r->parent != s->m)
            continue;
        r->parent_read = true;
        if (told_before(rf, i))
            continue;
        for (size_t k = 0; k < r->l->n; k++) {
            parts[k] = row->canon[r->parent_fields[k]];
            blank = blank && cell_blank(parts[k]);
        }
        if (!blank)
            rc = spill_add(rf->spill, digest_of(r, row->company, parts, a), &PARENT, sizeof(PARENT), reterr);
    }
    return rc;
}

static enum ec put_out(struct lint_refs *rf, size_t at, struct slot *slot, struct arena *a, struct err *reterr)
{
    const struct ref *r = &rf->refs[at];
    struct record rec = {
        .ref = (uint32_t)at, .n = slot->n, .row = slot->row, .line = slot->line, .offset = slot->offset
    };
    struct cell cells[MAX_PARTS + 1];
    char *p = arena_alloc(a, sizeof(rec) + slot->packed.len);

    BUG_IF(!row_unpack(slot->packed.buf, slot->packed.len, cells, r->l->n + 1), "a packed lookup");
    memcpy(p, &rec, sizeof(rec));
    memcpy(p + sizeof(rec), slot->packed.buf, slot->packed.len);
    return spill_add(rf->spill, digest_of(r, cells[0], cells + 1, a), p, sizeof(rec) + slot->packed.len, reterr);
}

static bool parts_of(const struct ref *r, const struct source_row *row, struct cell *cells)
{
    bool blank = true;

    cells[0] = r->l->striped ? row->company : CELL_ABSENT;
    for (size_t k = 0; k < r->l->n; k++) {
        cells[k + 1] = row->canon[r->l->fields[k]];
        blank = blank && cell_blank(cells[k + 1]);
    }
    return !blank;
}

/* The slot of this value, else the one of its set that was hit least: what comes often stays. */
static struct slot *slot_for(const struct ref *r, struct digest d)
{
    struct slot *set = &r->slots[(d.lo & (SETS - 1)) * WAYS], *least = set;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].n && digest_eq(set[i].exact, d))
            return &set[i];
        if (set[i].n < least->n)
            least = &set[i];
    }
    return least;
}

enum ec lint_refs_child(struct lint_refs *rf, const struct lint_profile *p, const struct source_row *row,
                        struct arena *a, struct err *reterr)
{
    struct strbuf packed = STRBUF(0);
    enum ec rc = EC_OK;

    for (size_t i = 0; i < rf->n && !rc; i++) {
        struct ref *r = &rf->refs[i];
        struct cell cells[MAX_PARTS + 1];
        struct digest d;
        struct slot *slot;

        if (r->child != p->m || !r->checkable || !parts_of(r, row, cells))
            continue;
        strbuf_reset(&packed);
        row_pack(&packed, cells, r->l->n + 1);
        d = digest_bytes(packed.buf, packed.len);
        slot = slot_for(r, d);
        if (slot->n && digest_eq(slot->exact, d)) {
            slot->n++;
            continue;
        }
        if (slot->n)
            rc = put_out(rf, i, slot, a, reterr);
        slot->exact = d;
        slot->n = 1;
        slot->row = row->number;
        slot->line = row->line;
        slot->offset = row->offset;
        strbuf_reset(&slot->packed);
        strbuf_add(&slot->packed, packed.buf, packed.len);
    }
    strbuf_release(&packed);
    return rc;
}

/* ---- what is missing ---- */

static enum ec flush_slots(struct lint_refs *rf, struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    for (size_t i = 0; i < rf->n; i++)
        for (size_t k = 0; rf->refs[i].slots && k < SLOTS && !rc; k++)
            if (rf->refs[i].slots[k].n) {
                arena_reset(&a);
                rc = put_out(rf, i, &rf->refs[i].slots[k], &a, reterr);
                rf->refs[i].slots[k].n = 0;
            }
    arena_release(&a);
    return rc;
}

static void take_missing(struct lint_refs *rf, struct digest d, const struct spill_record *r,
                         const struct record *rec)
{
    struct missing *m = rf->n_missing ? &rf->missing[rf->n_missing - 1] : NULL;

    /* Records of one digest and one lookup follow each other only by chance: look back over this digest's. */
    for (size_t i = rf->n_missing; i-- > 0 && digest_eq(rf->missing[i].d, d);)
        if (rf->missing[i].ref == rec->ref) {
            m = &rf->missing[i];
            m->n += rec->n;
            if (rec->row < m->row) {
                m->row = rec->row;
                m->line = rec->line;
                m->offset = rec->offset;
            }
            return;
        }
    if (rf->n_missing == MAX_MISSING) {
        rf->refs[rec->ref].unasked += rec->n;
        return;
    }
    if (!(rf->n_missing & (rf->n_missing - 1)))
        rf->missing = xrealloc(rf->missing, (rf->n_missing ? 2 * rf->n_missing : 1) * sizeof(*rf->missing));
    m = &rf->missing[rf->n_missing++];
    *m = (struct missing){
        .d = d, .ref = rec->ref, .n = rec->n, .row = rec->row, .line = rec->line, .offset = rec->offset
    };
    m->packed = cell_dup(&rf->a, (struct cell){ r->p + sizeof(*rec), r->n - sizeof(*rec) });
}

static enum ec find_missing(struct lint_refs *rf, struct err *reterr)
{
    enum ec rc = flush_slots(rf, reterr);

    for (unsigned part = 0; part < SPILL_PARTITIONS && !rc; part++) {
        struct spill_record *r;
        size_t n = 0, end;

        rc = spill_partition(rf->spill, part, &r, &n, reterr);
        for (size_t i = 0; i < n && !rc; i = end) {
            bool parent = false;
            struct record rec;

            for (end = i; end < n && digest_eq(r[end].d, r[i].d); end++) {
                memcpy(&rec, r[end].p, sizeof(rec));
                parent = parent || rec.ref == UINT32_MAX;
            }
            for (size_t k = i; k < end && !parent; k++) {
                memcpy(&rec, r[k].p, sizeof(rec));
                take_missing(rf, r[i].d, &r[k], &rec);
            }
        }
    }
    return rc;
}

/* ---- asking F&O ---- */

struct asking {
    const struct ref *r;
    const struct cell *parts;
    bool found;
};

static enum ec on_record(void *arg, const struct json *rec, struct err *reterr)
{
    struct asking *q = arg;
    bool same = true;

    (void)reterr;
    /* '*' in a compared text is a wildcard, so the answer is looked at. */
    for (size_t i = 0; i < q->r->l->n && same; i++) {
        char name[128];

        snprintf(name, sizeof(name), CELL_FMT, CELL_ARG(q->r->parent->b->fields[q->r->parent_fields[i]].f->property));
        same = cell_ieq(cell_rtrim(json_member(rec, name)), cell_rtrim(q->parts[i]));
    }
    q->found = q->found || same;
    return EC_OK;
}

static enum ec ask(struct lint_refs *rf, struct missing *m, struct err *reterr)
{
    const struct ref *r = &rf->refs[m->ref];
    const struct binding *pb = r->parent->b;
    struct cell cells[MAX_PARTS + 1];
    struct strbuf filter = STRBUF(0), select = STRBUF(0);
    struct asking q = { .r = r, .parts = cells + 1 };
    enum ec rc;

    BUG_IF(!row_unpack(m->packed.ptr, m->packed.len, cells, r->l->n + 1), "a packed lookup");
    for (size_t i = 0; i < r->l->n; i++) {
        const struct fno_field *f = pb->fields[r->parent_fields[i]].f;

        strbuf_addf(&filter, "%s" CELL_FMT " eq '", i ? " and " : "", CELL_ARG(f->property));
        for (size_t k = 0; k < cells[i + 1].len; k++) {
            if (cells[i + 1].ptr[k] == '\'')
                strbuf_addc(&filter, '\'');
            strbuf_addc(&filter, cells[i + 1].ptr[k]);
        }
        strbuf_addc(&filter, '\'');
        strbuf_addf(&select, "%s" CELL_FMT, i ? "," : "", CELL_ARG(f->property));
    }
    rc = erp_scan(rf->p->app->erp, pb->entity, strbuf_str(&select), strbuf_str(&filter),
                  pb->striped && !cell_blank(cells[0]) ? cells[0] : CELL_ABSENT, on_record, &q, reterr);
    m->found = q.found;
    strbuf_release(&filter);
    strbuf_release(&select);
    return rc;
}

/* Only plain texts can be asked for like this; the few parents with other keys keep "not asked". */
static bool can_ask(const struct lint_refs *rf, const struct ref *r)
{
    if (!rf->p->app->erp || !r->parent->b->entity->on_odata)
        return false;
    for (size_t i = 0; i < r->l->n; i++) {
        const struct fno_field *f = r->parent->b->fields[r->parent_fields[i]].f;

        if (!f || f->type != FNO_STRING)
            return false;
    }
    return true;
}

static struct lint_profile *profile_of(struct lint_profile **profiles, size_t n, const struct map_ctx *m)
{
    for (size_t i = 0; i < n; i++)
        if (profiles[i]->m == m)
            return profiles[i];
    return NULL;
}

static struct cell shown(const struct ref *r, const struct missing *m, struct arena *a)
{
    struct cell cells[MAX_PARTS + 1];

    BUG_IF(!row_unpack(m->packed.ptr, m->packed.len, cells, r->l->n + 1), "a packed lookup");
    return cell_absent(cells[0]) ? key_join(a, cells + 1, r->l->n) : key_join(a, cells, r->l->n + 1);
}

static void tell(struct lint_refs *rf, struct lint_profile *p, const struct missing *m, bool asked)
{
    const struct ref *r = &rf->refs[m->ref];
    struct arena a = { 0 };
    struct lint_fault f = { .severity = asked ? LINT_ERROR : LINT_WARNING,
                            .code = asked ? "orphan" : "orphan_unchecked",
                            .field = r->child->b->fields[r->l->fields[0]].name,
                            .value = shown(r, m, &a) };

    f.why = arena_printf(&a, "no row of '" CELL_FMT "' has it: %s", CELL_ARG(r->parent->map->name),
                         asked            ? (r->parent_read ? "neither its source file nor F&O" : "F&O was asked")
                         : r->parent_read ? "not its source file, and F&O was not asked"
                                          : "it has no source file, and F&O was not asked");
    profile_add(p, &f, m->n, m->line,
                lint_wants_sample(p, f.code, f.field) ? lint_key_at(p, m->row, m->line, m->offset, &a) : CELL_ABSENT);
    if (asked) {
        p->orphan_rows += m->n;
        p->everywhere = p->everywhere || m->n > 1; /* only the first row's place is known */
        lint_add_place(p, m->row, m->line, m->offset);
    }
    arena_release(&a);
}

static int by_ref(const void *x, const void *y)
{
    const struct missing *a = x, *b = y;

    return a->ref != b->ref ? (a->ref < b->ref ? -1 : 1) : digest_cmp(a->d, b->d);
}

enum ec lint_refs_resolve(struct lint_refs *rf, struct lint_profile **profiles, size_t n, struct err *reterr)
{
    enum ec rc = find_missing(rf, reterr);
    size_t asked = 0, kept = 0, ref = SIZE_MAX;

    if (!rc && rf->n_missing)
        qsort(rf->missing, rf->n_missing, sizeof(*rf->missing), by_ref);
    for (size_t i = 0; i < rf->n_missing && !rc; i++) {
        struct missing *m = &rf->missing[i];
        struct lint_profile *p = profile_of(profiles, n, rf->refs[m->ref].child);
        bool ask_it;

        asked = m->ref == ref ? asked : 0;
        ref = m->ref;
        ask_it = can_ask(rf, &rf->refs[ref]) && asked < MAX_ASKED;
        if (ask_it) {
            rc = ask(rf, m, reterr);
            asked++;
        }
        if (rc || m->found || !p)
            continue;
        /* After 500 questions to F&O in vain nobody needs the rest to be asked: they count as missing. */
        tell(rf, p, m, ask_it || (asked >= MAX_ASKED && can_ask(rf, &rf->refs[ref])));
        rf->missing[kept++] = *m;
    }
    rf->n_missing = kept;
    for (size_t i = 0; i < rf->n && !rc; i++) {
        struct lint_profile *p = profile_of(profiles, n, rf->refs[i].child);
        struct lint_fault f = { .severity = LINT_WARNING,
                                .code = "orphan_unchecked",
                                .why = "more than 100,000 different values have no parent: these were only counted",
                                .field = rf->refs[i].child->b->fields[rf->refs[i].l->fields[0]].name };

        if (p && rf->refs[i].unasked)
            profile_add(p, &f, rf->refs[i].unasked, 0, CELL_ABSENT);
    }
    return rc;
}

bool lint_refs_orphan(const struct lint_refs *rf, const struct lint_profile *p, const struct source_row *row,
                      struct arena *a, struct lint_fault *ret)
{
    for (size_t i = 0; i < rf->n; i++) {
        const struct ref *r = &rf->refs[i];
        struct cell cells[MAX_PARTS + 1];
        struct missing wanted = { .ref = i };

        if (r->child != p->m || !r->checkable || !can_ask(rf, r) || !parts_of(r, row, cells))
            continue;
        wanted.d = digest_of(r, cells[0], cells + 1, a);
        if (!rf->n_missing || !bsearch(&wanted, rf->missing, rf->n_missing, sizeof(wanted), by_ref))
            continue;
        *ret = (struct lint_fault){ .severity = LINT_ERROR,
                                    .code = "orphan",
                                    .field = r->child->b->fields[r->l->fields[0]].name,
                                    .value = cells[1],
                                    .why = arena_printf(a, "no row of '" CELL_FMT "' has it",
                                                        CELL_ARG(r->parent->map->name)) };
        return true;
    }
    return false;
}
