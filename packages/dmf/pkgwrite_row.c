/* pkgwrite_row.c -- rows into the data files: CSV in any dialect, XML in both forms, and cells copied as they stand elsewhere. */
#include "dmf/pkgwrite_parts.h"

#include <stdlib.h>

/* UTF-16LE of valid UTF-8. */
static void widen(struct strbuf *out, const char *p, size_t n)
{
    char *o;
    size_t i = 0;

    strbuf_reserve(out, 2 * n + 2);
    o = out->buf + out->len;
    while (i < n) {
        uint64_t w;
        uint32_t cp;
        size_t step;

        for (; n - i >= sizeof(w); i += sizeof(w), o += 2 * sizeof(w)) { /* ASCII, eight at a time */
            memcpy(&w, p + i, sizeof(w));
            if (w & 0x8080808080808080U)
                break;
            for (size_t k = 0; k < sizeof(w); k++) {
                o[2 * k] = p[i + k];
                o[2 * k + 1] = 0;
            }
        }
        if (i == n)
            break;
        cp = (unsigned char)p[i];
        step = cp >= 0x80 ? utf8_decode(p + i, n - i, &cp) : 1;
        if (cp >= 0x10000) {
            uint32_t high = 0xD800 + ((cp - 0x10000) >> 10), low = 0xDC00 + (cp & 0x3FF);

            *o++ = (char)high, *o++ = (char)(high >> 8);
            *o++ = (char)low, *o++ = (char)(low >> 8);
        } else {
            *o++ = (char)cp, *o++ = (char)(cp >> 8);
        }
        i += step;
    }
    *o = 0;
    out->len = (size_t)(o - out->buf);
}

/* Puts w->text into the entity's file. */
enum ec spool_emit(struct dmf_writer *w, struct spool *s, struct err *reterr)
{
    if (!s->held.cap)
        strbuf_reserve(&s->held, DEFLATE_BLOCK);
    if (w->format.kind == DMF_CSV && w->format.utf16)
        widen(&s->held, w->text.buf, w->text.len);
    else
        strbuf_add(&s->held, w->text.buf, w->text.len);
    return s->held.len >= BLOCK_OCTETS ? spool_flush(w, s, reterr) : EC_OK;
}

void csv_classify(const struct dmf_format *f, unsigned char class[static 256])
{
    for (int c = 0; c < 256; c++)
        class[c] = c >= 0x80 ? IS_HIGH : 0;
    class[0] = IS_NUL;
    class['\r'] = class['\n'] = IS_BREAK;
    if (f->kind != DMF_CSV)
        return;
    class[(unsigned char)f->delimiter] |= IS_DELIMITER;
    if (f->qualifier)
        class[(unsigned char)f->qualifier] |= IS_QUALIFIER;
}

static const char *why_not(const struct dmf_format *f, struct cell c, unsigned kinds)
{
    if (kinds & IS_NUL)
        return "a NUL octet";
    if ((kinds & IS_HIGH) && utf8_valid_prefix(c.ptr, c.len) < c.len)
        return "octets that are not valid UTF-8";
    if ((kinds & IS_QUALIFIER) && !f->doubled_quotes)
        return "the text qualifier of the CSV format";
    if ((kinds & IS_BREAK) && (!f->doubled_quotes || !f->qualifier))
        return "a line break";
    if ((kinds & IS_DELIMITER) && !f->qualifier)
        return "the delimiter of the CSV format, which has no text qualifier";
    return NULL;
}

/* "2024-05-01T12:00:00Z" */
static bool is_instant(struct cell c)
{
    unsigned odd = 0;

    if (c.len != 20 || c.ptr[4] != '-' || c.ptr[7] != '-' || c.ptr[10] != 'T' || c.ptr[13] != ':' ||
        c.ptr[16] != ':' || c.ptr[19] != 'Z')
        return false;
    for (size_t i = 0; i < 19; i++) /* digits, and what was looked at above */
        odd |= (unsigned)((unsigned char)(c.ptr[i] - '0') > 9) &
               (unsigned)(i != 4 && i != 7 && i != 10 && i != 13 && i != 16);
    return !odd;
}

const char *dmf_cell_refused(const struct dmf_format *f, struct cell c)
{
    struct strbuf scratch = STRBUF(0);
    unsigned char class[256];
    unsigned kinds = 0;
    const char *why;

    if (cell_blank(c))
        return NULL;
    if (f->kind != DMF_CSV) {
        why = dmf_xml_escape(&scratch, c);
        strbuf_release(&scratch);
        return why;
    }
    csv_classify(f, class);
    for (size_t i = 0; i < c.len; i++)
        kinds |= class[(unsigned char)c.ptr[i]];
    return why_not(f, c, kinds);
}

/* Appends one cell of a CSV row at *o, where there is room for twice its octets and two, or says why it cannot travel. */
static const char *csv_cell(const struct dmf_writer *w, char **o, struct cell c, bool datetime, bool *ret_qualified)
{
    char *out = *o, q = w->format.qualifier;
    unsigned kinds = 0;
    const char *why;

    if (datetime && is_instant(c)) {
        memcpy(out, c.ptr, 10);
        out[10] = ' ';
        memcpy(out + 11, c.ptr + 11, 8);
        *o = out + 19;
        return NULL;
    }
    for (size_t i = 0; i < c.len; i++) { /* copied on the chance that nothing is special about it */
        out[i] = c.ptr[i];
        kinds |= w->class[(unsigned char)c.ptr[i]];
    }
    *o = out + c.len;
    if (!kinds)
        return NULL;
    why = why_not(&w->format, c, kinds);
    if (why || !(kinds & (IS_QUALIFIER | IS_BREAK | IS_DELIMITER)))
        return why;
    *ret_qualified = true;
    *out++ = q;
    for (size_t i = 0; i < c.len; i++) {
        if (c.ptr[i] == q)
            *out++ = q;
        *out++ = c.ptr[i];
    }
    *out++ = q;
    *o = out;
    return NULL;
}

static const char *csv_row(struct dmf_writer *w, const struct dmf_entity *e, const struct cell *cells,
                           const bool *datetime, size_t *ret_field)
{
    size_t most = 4;
    bool first = true;
    char *o;

    for (size_t i = 0; i < e->n; i++)
        most += 2 * cells[i].len + 3;
    strbuf_reserve(&w->text, most);
    o = w->text.buf;
    for (size_t i = 0; i < e->n; i++) {
        const char *why;

        w->qualified[i] = false;
        if (e->fields[i].auto_generated)
            continue;
        if (!first)
            *o++ = w->format.delimiter;
        first = false;
        *ret_field = i;
        why = csv_cell(w, &o, cells[i], datetime && datetime[i], &w->qualified[i]);
        if (why)
            return why;
    }
    if (o == w->text.buf) { /* one column and no value: the row would be a blank line, which fails the whole file */
        if (!w->format.qualifier)
            return "nothing, and a row of one empty cell would be a blank line";
        *o++ = w->format.qualifier;
        *o++ = w->format.qualifier;
        w->qualified[*ret_field] = true;
    }
    *o = 0;
    w->text.len = (size_t)(o - w->text.buf);
    strbuf_adds(&w->text, writer_row_end(w));
    return NULL;
}

/* Short texts, mostly: two moves that overlap instead of a call. */
static inline char *put(char *o, const char *p, size_t n)
{
    if (n > 16) {
        memcpy(o, p, n);
    } else if (n >= 8) {
        uint64_t first, last;

        memcpy(&first, p, 8);
        memcpy(&last, p + n - 8, 8);
        memcpy(o, &first, 8);
        memcpy(o + n - 8, &last, 8);
    } else if (n >= 4) {
        uint32_t first, last;

        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        memcpy(o, &first, 4);
        memcpy(o + n - 4, &last, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            o[i] = p[i];
    }
    return o + n;
}

/* By the general way: what is refused is refused there, and named. */
static enum ec whole_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const size_t *index,
                         const struct dmf_verbatim *v, size_t *ret_field, struct err *reterr)
{
    struct arena a = { 0 };
    size_t n = w->p->entities[entity].n;
    struct cell *in_order = arena_alloc(&a, (n + 1) * sizeof(*in_order));
    bool *datetime = arena_alloc(&a, n + 1);
    enum ec rc;

    for (size_t i = 0; i < n; i++) {
        in_order[i] = cells[index[i]];
        datetime[i] = v->datetime >> i & 1;
    }
    rc = dmf_writer_row(w, entity, in_order, datetime, ret_field, reterr);
    arena_release(&a);
    return rc;
}

static void note_qualified(bool *qualified, uint64_t bits)
{
    for (; bits; bits &= bits - 1)
        qualified[__builtin_ctzll(bits)] = true;
}

enum ec dmf_writer_verbatim_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const size_t *index,
                                const struct dmf_verbatim *v, size_t *ret_field, struct err *reterr)
{
    const struct dmf_entity *e = &w->p->entities[entity];
    struct spool *s = &w->spools[entity];
    const bool quotes_travel = w->format.doubled_quotes && w->format.qualifier;
    const uint64_t copied = v->same & ~v->datetime & ~(quotes_travel ? 0 : v->quoted);
    const size_t end_n = strlen(writer_row_end(w));
    struct strbuf *out = w->format.utf16 ? &w->text : &s->held;
    uint64_t qualified = copied & v->quoted;
    size_t most = 2 * v->octets + 8 * e->n + 16, before;
    const char *why = NULL;
    char *o;

    if (w->format.kind != DMF_CSV || w->generated[entity])
        return whole_row(w, entity, cells, index, v, ret_field, reterr);
    for (uint64_t bits = ~copied & (e->n < 64 ? ((uint64_t)1 << e->n) - 1 : ~(uint64_t)0); bits; bits &= bits - 1)
        most += 2 * cells[index[__builtin_ctzll(bits)]].len;
    if (!s->held.cap)
        strbuf_reserve(&s->held, DEFLATE_BLOCK);
    if (w->format.utf16)
        strbuf_reset(&w->text);
    before = out->len;
    strbuf_reserve(out, most);
    o = out->buf + before;
    for (size_t i = 0; i < e->n && !why; i++) {
        const struct cell c = cells[index[i]];

        if (i)
            *o++ = w->format.delimiter;
        if (copied >> i & 1) { /* and the fields behind it, as long as they stand there side by side */
            int from = v->columns[i];
            uint64_t more = i < 63 ? ~((copied & v->adjacent) >> (i + 1)) : ~(uint64_t)0;
            size_t n = more ? (size_t)__builtin_ctzll(more) : 63 - i;

            n = n < e->n - i - 1 ? n : e->n - i - 1;
            o = put(o, v->begin[from], (size_t)(v->begin[from + (int)n + 1] - 1 - v->begin[from]));
            i += n;
        } else if ((v->same & v->datetime) >> i & 1 && c.len == 20) { /* "2024-05-01T12:00:00Z" */
            o = put(o, c.ptr, 19);
            o[-9] = ' ';
        } else {
            bool quoted = false;

            *ret_field = i;
            why = csv_cell(w, &o, c, v->datetime >> i & 1, &quoted);
            qualified |= (uint64_t)quoted << i;
        }
    }
    if (why || o == out->buf + before) { /* refused, or a blank line */
        out->buf[before] = 0;
        return whole_row(w, entity, cells, index, v, ret_field, reterr);
    }
    note_qualified(w->written[entity].qualified, qualified); /* of rows that are in the package only */
    o = put(o, writer_row_end(w), end_n);
    *o = 0;
    out->len = (size_t)(o - out->buf);
    w->written[entity].rows++;
    if (w->format.utf16)
        widen(&s->held, w->text.buf, w->text.len);
    return s->held.len >= BLOCK_OCTETS ? spool_flush(w, s, reterr) : EC_OK;
}

static const char *xml_row(struct dmf_writer *w, const struct dmf_entity *e, const struct spool *s,
                           const struct cell *cells, size_t *ret_field)
{
    bool attributes = w->format.kind == DMF_XML_ATTRIBUTE;

    strbuf_addf(&w->text, attributes ? "  <%s" : "  <%s>", s->element);
    for (size_t i = 0; i < e->n; i++) {
        struct cell name = field_column(&e->fields[i]);
        const char *why;

        w->qualified[i] = false;
        if (e->fields[i].auto_generated)
            continue;
        *ret_field = i;
        strbuf_addf(&w->text, attributes ? " %.*s=\"" : "<%.*s>", (int)name.len, name.ptr);
        why = dmf_xml_escape(&w->text, cells[i]);
        if (why)
            return why;
        if (attributes)
            strbuf_addc(&w->text, '"');
        else
            strbuf_addf(&w->text, "</%.*s>", (int)name.len, name.ptr);
    }
    if (attributes)
        strbuf_addf(&w->text, "/>%s", writer_row_end(w));
    else
        strbuf_addf(&w->text, "</%s>%s", s->element, writer_row_end(w));
    return NULL;
}

enum ec dmf_writer_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const bool *datetime,
                       size_t *ret_field, struct err *reterr)
{
    const struct dmf_entity *e = &w->p->entities[entity];
    struct spool *s = &w->spools[entity];
    size_t field = 0;
    const char *why;
    enum ec rc;

    BUG_IF(entity >= w->p->n, "a row for an entity that the package does not have");
    strbuf_reset(&w->text);
    why = w->format.kind == DMF_CSV ? csv_row(w, e, cells, datetime, &field) : xml_row(w, e, s, cells, &field);
    if (why) {
        *ret_field = field;
        err_set(reterr, EC_FORMAT, CELL_FMT " holds %s", CELL_ARG(e->fields[field].staging), why);
        if (w->format.kind == DMF_CSV)
            err_hint(reterr, "load in XML-Element, which carries every text, or allow doubled text qualifiers where "
                             "the environment reads them");
        return EC_FORMAT;
    }
    rc = spool_emit(w, s, reterr);
    if (rc)
        return rc;
    w->written[entity].rows++;
    for (size_t i = 0; i < e->n; i++)
        w->written[entity].qualified[i] |= w->qualified[i];
    return EC_OK;
}
