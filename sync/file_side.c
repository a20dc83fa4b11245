/* file_side.c -- a file's columns bound to a map's fields, and its rows made canonical. */
#include "sync/file_side.h"
#include "data/canon_quick.h"

#include <stdlib.h>

/* ---- binding ---- */

static int column_of(const struct file_side *s, struct cell name)
{
    for (size_t i = 0; i < s->header_n; i++)
        if (cell_ieq(s->header[i], name))
            return (int)i;
    return -1;
}

static int fno_column(const struct file_side *s, const struct fno_field *f)
{
    int at = f ? column_of(s, f->staging) : column_of(s, CELL_LIT("dataAreaId"));

    return at < 0 && f ? column_of(s, f->property) : at;
}

static int dv_column(const struct file_side *s, const struct bound_field *f)
{
    int at = f->mf ? column_of(s, f->mf->destination) : -1;
    struct arena a = { 0 };

    if (at < 0 && f->kind == BOUND_COMPANY) {
        at = column_of(s, cell_printf(&a, "%.*s.cdm_companycode", (int)f->c->name.len, f->c->name.ptr));
        if (at < 0)
            at = column_of(s, CELL_LIT("dataAreaId"));
    }
    if (at < 0 && (f->kind != BOUND_LOOKUP || s->m->b->lookups[f->lookup].n == 1))
        at = column_of(s, f->c->name);
    arena_release(&a);
    return at;
}

static bool few_words(const struct bound_field *f)
{
    return f->kind == BOUND_VALUEMAP || f->kind == BOUND_COMPANY || f->rule.type == CANON_WORD ||
           f->rule.type == CANON_BOOL || (f->f && f->f->type == FNO_ENUM);
}

static void bind_field(struct file_side *s, size_t i, struct strbuf *missing)
{
    const struct bound_field *f = &s->m->b->fields[i];
    struct side_field *to = &s->fields[i];

    to->column = -1;
    to->constant = CELL_ABSENT;
    if (f->kind == BOUND_CONST_FNO || (s->fno && f->kind == BOUND_CONST_DV)) {
        to->constant =
            s->fno ? bind_one_from_fno(s->m->b, i, CELL_ABSENT, &s->arena, &to->constant_why) : CELL_ABSENT;
        return;
    }
    to->column = s->fno ? fno_column(s, f->kind == BOUND_COMPANY ? NULL : f->f) : dv_column(s, f);
    if (to->column < 0 && f->kind == BOUND_COMPANY && s->m->b->n_companies == 1) {
        to->constant = s->m->b->companies[0]; /* a file of the one company that the map has */
        return;
    }
    if (to->column < 0) {
        struct cell name = s->fno ? f->name : f->mf ? f->mf->destination : f->c->name;

        strbuf_addf(missing, "%s" CELL_FMT, missing->len ? ", " : "", CELL_ARG(name));
        return;
    }
    to->fold = f->rule.type == CANON_KEY || f->rule.type == CANON_WORD;
    to->zero = !f->rule.strict && (f->rule.type == CANON_INT || f->rule.type == CANON_DECIMAL);
    to->words = few_words(f);
    to->quick = !to->words && (f->kind == BOUND_PLAIN || f->kind == BOUND_LOOKUP || f->kind == BOUND_CONST_DV) &&
                !(s->fno && f->mf->has_default);
    to->text = to->quick && (f->rule.type == CANON_TEXT || f->rule.type == CANON_KEY) && !f->rule.strict;
}

static void prepare_digests(struct file_side *s)
{
    const struct binding *b = s->m->b;

    for (size_t k = 0; k < b->n_compared; k++)
        s->fields[b->compared[k]].hashed = true;
    for (size_t i = 0; i < s->n; i++) {
        struct side_field *f = &s->fields[i];

        bool as_type = !s->rules[i].strict && !s->rules[i].tuned && !s->rules[i].blanks && !s->rules[i].exact;

        f->how = f->column < 0                   ? SIDE_CONSTANT
                 : f->words                      ? SIDE_WORDS
                 : f->text && f->fold && as_type ? SIDE_FOLDED
                 : f->text && as_type            ? SIDE_TEXT
                 : f->quick && as_type           ? SIDE_QUICK
                                                 : SIDE_FULL;
    }
    for (size_t i = 0; i < b->n; i++)
        if (s->fields[i].column < 0)
            s->fields[i].constant_code = digest_encoded(&b->rules[i], s->fields[i].constant, &s->arena);
}

struct filter_check {
    const struct file_side *s;
    struct strbuf *missing;
};

static int filter_column(const struct file_side *s, struct cell field)
{
    const struct fno_field *f = s->fno ? fno_field_find(s->m->b->entity, field) : NULL;

    return f ? fno_column(s, f) : column_of(s, field);
}

static void check_filter(void *arg, struct cell field)
{
    struct filter_check *c = arg;

    if (filter_column(c->s, field) < 0)
        strbuf_addf(c->missing, "%s" CELL_FMT " (of the map's filter)", c->missing->len ? ", " : "", CELL_ARG(field));
}

static size_t count_unread(const struct file_side *s)
{
    size_t n = 0;

    for (size_t k = 0; k < s->header_n; k++) {
        bool read = false;

        for (size_t i = 0; i < s->n && !read; i++)
            read = s->fields[i].column == (int)k;
        n += !read;
    }
    return n;
}

enum ec file_side_bind(struct map_ctx *m, bool fno, const char *path, const struct cell *header, size_t header_n,
                       struct file_side **ret, struct err *reterr)
{
    struct file_side *s = xcalloc(1, sizeof(*s));
    struct strbuf missing = STRBUF(0);
    struct fno_shape shape = { .n = m->b->n };
    struct filter_check check = { s, &missing };
    enum ec rc = EC_OK;

    *s = (struct file_side){ .m = m, .fno = fno, .header_n = header_n, .n = m->b->n, .rules = m->b->rules };
    s->path = arena_strdup(&s->arena, path);
    s->header = arena_alloc(&s->arena, (header_n + 1) * sizeof(*s->header));
    for (size_t i = 0; i < header_n; i++)
        s->header[i] = cell_dup(&s->arena, header[i]);
    s->filter = fno ? m->b->fno_filter : m->b->dv_filter;
    if (fno) { /* load-only fields where the file has them */
        rc = fno_shape_of(m, &s->arena, &shape, reterr);
        s->n = shape.n;
        if (shape.n > m->b->n)
            s->rules = shape.rules;
    }
    s->fields = arena_zalloc(&s->arena, (s->n + 1) * sizeof(*s->fields));
    for (size_t i = 0; i < s->n && !rc; i++) {
        if (i < m->b->n)
            bind_field(s, i, &missing);
        else
            s->fields[i] = (struct side_field){ .column = fno_column(s, shape.extra[i - m->b->n]), .quick = true };
    }
    filter_fields(s->filter, check_filter, &check);
    if (!rc && missing.len) {
        rc = err_set(reterr, EC_CONFIG, "'%s' has no column for what map '%s' compares: %s", path, m->cfg->alias,
                     strbuf_str(&missing));
        err_hint(reterr, fno ? "headers are F&O's staging fields (CUSTOMERACCOUNT), in any case"
                             : "headers are Dataverse's columns as the map names them (accountnumber; for lookups "
                               "lookup.keycolumn)");
    }
    s->unread = rc ? 0 : count_unread(s);
    if (!rc)
        prepare_digests(s);
    strbuf_release(&missing);
    if (rc)
        file_side_free(s);
    else
        *ret = s;
    return rc;
}

void file_side_free(struct file_side *s)
{
    if (!s)
        return;
    arena_release(&s->arena);
    free(s);
}

/* ---- rows ---- */

enum { MEMO_SLOTS = 64, MEMO_OCTETS = 40, MEMO_CEILING = 1 << 20 };
struct memo {
    uint8_t len; /* + 1; 0 = free */
    char raw[MEMO_OCTETS];
    struct cell canonical, code;
};
/* The text that is hashed; what does not fit is hashed by digest_cells(). */
enum { CODE_OCTETS = 8192 };
struct side_worker {
    const struct file_side *s;
    const struct cell *raw; /* of the row at hand */
    size_t raw_n;
    char code[CODE_OCTETS + 64];
    struct cell *cells;
    struct memo **memo; /* per field with few words, MEMO_SLOTS each */
    struct arena own, scratch;
};

struct side_worker *side_worker_new(const struct file_side *s)
{
    struct side_worker *w = xcalloc(1, sizeof(*w));

    w->s = s;
    w->cells = arena_zalloc(&w->own, (s->n + 1) * sizeof(*w->cells));
    w->memo = arena_zalloc(&w->own, (s->n + 1) * sizeof(struct memo *));
    for (size_t i = 0; i < s->n; i++)
        if (s->fields[i].words)
            w->memo[i] = arena_zalloc(&w->own, MEMO_SLOTS * sizeof(struct memo));
    return w;
}

void side_worker_free(struct side_worker *w)
{
    if (!w)
        return;
    arena_release(&w->own);
    arena_release(&w->scratch);
    free(w);
}

static void fault(struct side_row *ret, size_t i, const char *why)
{
    if (!ret->faults++) {
        ret->fault_field = (int)i;
        ret->fault_why = why;
    }
}

static struct cell in_full(struct side_worker *w, size_t i, struct cell in, struct arena *a, struct side_row *ret)
{
    const struct file_side *s = w->s;
    const char *why = NULL;
    struct cell out;

    if (i >= s->m->b->n) {
        if (canon_cell(&s->rules[i], NULL, in, a, &out, &why) != CANON_FINE)
            out = in;
        else
            why = NULL;
    } else {
        out = s->fno ? bind_one_from_fno(s->m->b, i, in, a, &why) : bind_one_from_dv(s->m->b, i, in, a, &why);
    }
    if (why)
        fault(ret, i, why);
    return out;
}

static size_t slot_of(struct cell in)
{
    if (!in.len)
        return in.ptr != NULL;
    return ((unsigned char)in.ptr[0] * 31U + (unsigned char)in.ptr[in.len - 1] * 7U + in.len) % (MEMO_SLOTS - 2) + 2;
}

static inline bool same_octets(const char *a, const char *b, size_t n)
{
    uint64_t x, y;

    if (n >= 8) {
        if (n > 16)
            return !memcmp(a, b, n);
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        if (x != y)
            return false;
        memcpy(&x, a + n - 8, 8);
        memcpy(&y, b + n - 8, 8);
        return x == y;
    }
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* What is remembered of `in`; NULL = it is too long for that, or faulty. */
static const struct memo *remember(struct side_worker *w, size_t i, struct cell in, struct side_row *ret,
                                   struct cell *ret_cell)
{
    struct memo *m;
    size_t before = ret->faults;

    if (in.len > MEMO_OCTETS) {
        *ret_cell = in_full(w, i, in, &w->scratch, ret);
        return NULL;
    }
    m = &w->memo[i][slot_of(in)];
    if (m->len == in.len + 1 && same_octets(m->raw, in.ptr, in.len)) { /* absent, empty: slots of their own */
        *ret_cell = m->canonical;
        return m;
    }
    *ret_cell = in_full(w, i, in, &w->scratch, ret);
    if (ret->faults != before)
        return NULL;
    m->len = (uint8_t)(in.len + 1);
    if (in.len)
        memcpy(m->raw, in.ptr, in.len);
    /* Few values, so what a slot held before may stay in the arena; many would not: they go without. */
    if (w->own.used_octets > MEMO_CEILING) {
        m->len = 0;
        return NULL;
    }
    m->canonical = *ret_cell = cell_dup(&w->own, *ret_cell);
    m->code = digest_encoded(&w->s->rules[i], m->canonical, &w->own);
    return m;
}

static bool filter_value(void *arg, struct cell field, struct cell *ret)
{
    struct side_worker *w = arg;
    int at = filter_column(w->s, field);

    *ret = at >= 0 && (size_t)at < w->raw_n ? w->raw[at] : CELL_ABSENT;
    return at >= 0;
}

static bool wanted(struct side_worker *w)
{
    const struct binding *b = w->s->m->b;

    if (b->striped && (cell_blank(w->cells[0]) || w->cells[0].ptr[0] == '?'))
        return false;
    return binding_row_wanted(b, w->cells) && (!w->s->filter || filter_match(w->s->filter, filter_value, w));
}

/* ---- what is hashed, as digest_encoded() has it ---- */

static inline void copy(char *to, const char *from, size_t n)
{
    if (n >= 16) {
        if (n > 32) {
            memcpy(to, from, n);
        } else {
            memcpy(to, from, 16);
            memcpy(to + n - 16, from + n - 16, 16);
        }
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    }
}

/* The same of a cell behind which may be read on (csv_scan.h): lengths vary from row to row, and a branch on them would cost more. */
static inline void copy_on(char *to, const char *from, size_t n)
{
    memcpy(to, from, 16);
    memcpy(to + 16, from + 16, 16);
    if (n > 32)
        memcpy(to + 32, from + 32, n - 32);
}

static inline uint64_t lower8(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t low = x & 0x7F * ones, from_a = low + (0x80 - 'A') * ones, above_z = low + (0x7F - 'Z') * ones;

    return x | ((from_a & ~above_z & ~x & 0x80 * ones) >> 2);
}

/* ASCII letters small; false: there is something that is not ASCII. */
static inline bool copy_lower(char *to, const char *from, size_t n)
{
    uint64_t x, any = 0;

    if (n >= 8) {
        for (size_t i = 0; i + 8 <= n; i += 8) {
            memcpy(&x, from + i, 8);
            any |= x;
            x = lower8(x);
            memcpy(to + i, &x, 8);
        }
        memcpy(&x, from + n - 8, 8);
        any |= x;
        x = lower8(x);
        memcpy(to + n - 8, &x, 8);
    } else {
        for (size_t i = 0; i < n; i++) {
            any |= (unsigned char)from[i];
            to[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] | 0x20 : from[i]);
        }
    }
    return !(any & 0x8080808080808080U);
}

static inline char *put_length(char *p, size_t n)
{
    uint64_t v = (uint64_t)n + 1;

    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

/* A cell that was taken the quick way. */
static inline char *put_quick(struct side_worker *w, char *p, const struct side_field *f, size_t i, struct cell c,
                              bool readable_on)
{
    if (!c.len || (f->zero && c.len == 1 && *c.ptr == '0')) {
        *p++ = 0;
        return p;
    }
    if (f->fold) {
        char *text = put_length(p, c.len);
        struct cell code;

        if (copy_lower(text, c.ptr, c.len))
            return text + c.len;
        code = digest_encoded(&w->s->rules[i], c, &w->scratch);
        memcpy(p, code.ptr, code.len);
        return p + code.len;
    }
    p = put_length(p, c.len);
    if (readable_on)
        copy_on(p, c.ptr, c.len);
    else
        copy(p, c.ptr, c.len);
    return p + c.len;
}

/* In full, or from memory; *ret_code: what is hashed of it. */
static struct cell slowly(struct side_worker *w, size_t i, struct cell in, struct side_row *ret,
                          struct cell *ret_code)
{
    struct cell c;

    if (w->s->fields[i].how == SIDE_WORDS) {
        const struct memo *m = remember(w, i, in, ret, &c);

        if (m) {
            *ret_code = m->code;
            return c;
        }
    } else {
        c = in_full(w, i, in, &w->scratch, ret);
    }
    if (w->s->fields[i].hashed)
        *ret_code = digest_encoded(&w->s->rules[i], c, &w->scratch);
    return c;
}

/*
 * `odd`: a bit per column of which canon_quick() must not be sure; regular false: of none. octets: of all cells together, at most; a
 * short row needs no look whether what is hashed of it fits.
 */
static inline __attribute__((always_inline)) void one_row(struct side_worker *w, const struct cell *raw, size_t raw_n,
                                                          size_t octets, bool regular, bool plain, uint64_t odd,
                                                          struct side_row *ret)
{
    const struct file_side *s = w->s;
    const struct binding *b = s->m->b;
    char *p = w->code, *const end = w->code + CODE_OCTETS;
    bool fits = octets < CODE_OCTETS / 4 && s->n < CODE_OCTETS / 64;
    char key[512], *k = key;

    ret->cells = w->cells; /* one by one: the compiler would clear all of it first, word by word */
    ret->company = CELL_LIT("");
    ret->faults = 0;
    ret->fault_field = 0;
    ret->fault_why = NULL;
    w->raw = raw;
    w->raw_n = raw_n;
    if (w->scratch.used_octets)
        arena_reset(&w->scratch);
    for (size_t i = 0; i < s->n; i++) {
        const struct side_field *f = &s->fields[i];
        struct cell in, code = CELL_LIT("");
        bool sure = plain;

        if (f->how == SIDE_CONSTANT) {
            w->cells[i] = f->constant;
            code = f->constant_code;
            if (f->constant_why)
                fault(ret, i, f->constant_why);
        } else {
            in = (size_t)f->column < raw_n ? raw[f->column] : CELL_ABSENT;
            if (!plain)
                sure = regular && f->column < 64 && !(odd >> f->column & 1);
            if (f->how <= SIDE_FOLDED && sure) {
                while (in.len && in.ptr[in.len - 1] == ' ')
                    in.len--;
                w->cells[i] = !in.len && !s->fno ? CELL_ABSENT : in; /* Dataverse stores no empty texts */
                if (fits && f->hashed)
                    p = put_quick(w, p, f, i, in, true);
                continue;
            }
            if (f->how == SIDE_QUICK && regular && canon_quick(&s->rules[i], in, sure, &w->cells[i])) {
                if (fits && f->hashed)
                    p = put_quick(w, p, f, i, w->cells[i], true);
                continue;
            }
            w->cells[i] = slowly(w, i, in, ret, &code);
        }
        if (!f->hashed || !fits)
            continue;
        /* A quarter is for what stands in the row; value maps and folding may have made it longer. */
        fits = (size_t)(end - p) > code.len + CODE_OCTETS / 2;
        if (fits) {
            copy(p, code.ptr, code.len);
            p += code.len;
        }
    }
    ret->wanted = wanted(w);
    if (!ret->wanted)
        return;
    if (b->striped)
        ret->company = w->cells[0];
    ret->row = fits ? digest_bytes(w->code, (size_t)(p - w->code)) : bind_row_digest(b, w->cells, &w->scratch);
    for (size_t n = 0; n < b->n_key && k; n++) {
        const struct side_field *f = &s->fields[b->key[n]];
        struct cell c = w->cells[b->key[n]];

        /* The company's code is small already. */
        if ((f->how == SIDE_FOLDED || f->how == SIDE_TEXT || b->fields[b->key[n]].kind == BOUND_COMPANY) &&
            c.len < 100 && k - key < 300)
            k = put_quick(w, k, f, b->key[n], c, false);
        else
            k = NULL;
    }
    ret->key = k ? digest_bytes(key, (size_t)(k - key)) : bind_key_digest(b, w->cells, &w->scratch);
}

void side_worker_row(struct side_worker *w, const struct csv_row *row, struct side_row *ret)
{
    one_row(w, row->cells, row->n, SIZE_MAX, row->regular, row->regular && !row->wide && !row->several_lines,
            ~(uint64_t)0, ret);
}

void side_worker_scan(struct side_worker *w, const struct csv_scan_row *row, struct side_row *ret)
{
    one_row(w, row->cells, row->n, row->octets, true, row->plain, row->odd, ret);
}
