#include "dmf/datafile.h"

#include "base/arena.h"
#include "dmf/dmf_parts.h"

#include <stdlib.h>

/* What is special about an octet of a CSV cell. */
enum { IS_DELIMITER = 1, IS_QUALIFIER = 2, IS_BREAK = 4, IS_NUL = 8, IS_HIGH = 16 };

/* Puts r->text behind the other rows. */
static void emit(struct dmf_data *r)
{
    if (r->format.kind == DMF_CSV && r->format.utf16)
        dmf_widen(&r->out, r->text.buf, r->text.len);
    else
        strbuf_add(&r->out, r->text.buf, r->text.len);
}

static void csv_classify(const struct dmf_format *f, unsigned char class[static 256])
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
static const char *csv_cell(const struct dmf_data *r, char **o, struct cell c, bool datetime, bool *ret_qualified)
{
    char *out = *o, q = r->format.qualifier;
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
        kinds |= r->class[(unsigned char)c.ptr[i]];
    }
    *o = out + c.len;
    if (!kinds)
        return NULL;
    why = why_not(&r->format, c, kinds);
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

static void qualify(struct dmf_data *r, size_t field)
{
    if (field < 64)
        r->qualified |= (uint64_t)1 << field;
    if (r->qualified_all)
        r->qualified_all[field] = true;
}

static void begin_row(struct dmf_data *r)
{
    strbuf_reset(&r->text);
    r->qualified = 0;
    if (r->qualified_all)
        memset(r->qualified_all, 0, r->e->n);
}

static const char *csv_row(struct dmf_data *r, const struct cell *cells, const bool *datetime, size_t *ret_field)
{
    const struct dmf_entity *e = r->e;
    size_t most = 4;
    bool first = true;
    char *o;

    for (size_t i = 0; i < e->n; i++)
        most += 2 * cells[i].len + 3;
    strbuf_reserve(&r->text, most);
    o = r->text.buf;
    for (size_t i = 0; i < e->n; i++) {
        bool qualified = false;
        const char *why;

        if (e->fields[i].auto_generated)
            continue;
        if (!first)
            *o++ = r->format.delimiter;
        first = false;
        *ret_field = i;
        why = csv_cell(r, &o, cells[i], datetime && datetime[i], &qualified);
        if (why)
            return why;
        if (qualified)
            qualify(r, i);
    }
    if (o == r->text.buf) { /* one column and no value: the row would be a blank line, which fails the whole file */
        if (!r->format.qualifier)
            return "nothing, and a row of one empty cell would be a blank line";
        *o++ = r->format.qualifier;
        *o++ = r->format.qualifier;
        qualify(r, *ret_field);
    }
    *o = 0;
    r->text.len = (size_t)(o - r->text.buf);
    strbuf_adds(&r->text, r->end);
    return NULL;
}

/* Short texts, mostly: moves of which the last two overlap, instead of a call. */
static inline char *put(char *o, const char *p, size_t n)
{
    if (n > 256) {
        memcpy(o, p, n);
    } else if (n > 16) {
        for (size_t i = 0; i < n - 16; i += 16)
            memcpy(o + i, p + i, 16);
        memcpy(o + n - 16, p + n - 16, 16);
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
static enum ec whole_row(struct dmf_data *r, const struct cell *cells, const size_t *index,
                         const struct dmf_verbatim *v, size_t *ret_field, struct err *reterr)
{
    struct cell in_order[64];
    bool datetime[64];

    for (size_t i = 0; i < r->e->n; i++) {
        in_order[i] = cells[index[i]];
        datetime[i] = v->datetime >> i & 1;
    }
    return dmf_data_add(r, in_order, datetime, ret_field, reterr);
}

bool dmf_data_copy(struct dmf_data *r, const struct cell *cells, const size_t *index, const struct dmf_verbatim *v)
{
    const struct dmf_entity *e = r->e;
    const struct csv_plain *row = v->row;
    const bool quotes_travel = r->format.doubled_quotes && r->format.qualifier;
    const uint64_t copied = v->same & ~v->datetime & ~(quotes_travel ? 0 : v->quoted);
    struct strbuf *out = r->format.utf16 ? &r->text : &r->out;
    uint64_t qualified = copied & v->quoted;
    size_t most = 2 * (row->end[row->n - 1] - row->begin) + 8 * e->n + 16, before;
    char *o;

    for (uint64_t bits = ~copied & (e->n < 64 ? ((uint64_t)1 << e->n) - 1 : ~(uint64_t)0); bits; bits &= bits - 1)
        most += 2 * cells[index[__builtin_ctzll(bits)]].len;
    if (r->format.utf16)
        strbuf_reset(&r->text);
    before = out->len;
    strbuf_reserve(out, most);
    o = out->buf + before;
    for (size_t i = 0; i < e->n; i++) {
        if (i)
            *o++ = r->format.delimiter;
        if (copied >> i & 1) { /* and the fields behind it, as long as they stand there side by side */
            size_t from = (size_t)v->columns[i];
            uint32_t begin = csv_plain_begin(row, from);
            uint64_t more = i < 63 ? ~((copied & v->adjacent) >> (i + 1)) : ~(uint64_t)0;
            size_t n = more ? (size_t)__builtin_ctzll(more) : 63 - i;

            n = n < e->n - i - 1 ? n : e->n - i - 1;
            o = put(o, row->w + begin, row->end[from + n] - begin);
            i += n;
        } else if ((v->same & v->datetime) >> i & 1 && cells[index[i]].len == 20) { /* "2024-05-01T12:00:00Z" */
            o = put(o, cells[index[i]].ptr, 19);
            o[-9] = ' ';
        } else {
            bool quoted = false;

            if (csv_cell(r, &o, cells[index[i]], v->datetime >> i & 1, &quoted))
                goto refused;
            qualified |= (uint64_t)quoted << i;
        }
    }
    if (o == out->buf + before) /* a blank line */
        goto refused;
    r->qualified = qualified;
    o = put(o, r->end, r->end_n);
    *o = 0;
    out->len = (size_t)(o - out->buf);
    if (r->format.utf16)
        dmf_widen(&r->out, r->text.buf, r->text.len);
    return true;
refused:
    out->buf[before] = 0;
    return false;
}

enum ec dmf_data_verbatim(struct dmf_data *r, const struct cell *cells, const size_t *index,
                          const struct dmf_verbatim *v, size_t *ret_field, struct err *reterr)
{
    if (r->format.kind == DMF_CSV && !r->generated && dmf_data_copy(r, cells, index, v))
        return EC_OK;
    return whole_row(r, cells, index, v, ret_field, reterr);
}

static const char *xml_row(struct dmf_data *r, const struct cell *cells, size_t *ret_field)
{
    const struct dmf_entity *e = r->e;
    bool attributes = r->format.kind == DMF_XML_ATTRIBUTE;

    strbuf_addf(&r->text, attributes ? "  <%s" : "  <%s>", r->element);
    for (size_t i = 0; i < e->n; i++) {
        struct cell name = field_column(&e->fields[i]);
        const char *why;

        if (e->fields[i].auto_generated)
            continue;
        *ret_field = i;
        strbuf_addf(&r->text, attributes ? " %.*s=\"" : "<%.*s>", (int)name.len, name.ptr);
        why = dmf_xml_escape(&r->text, cells[i]);
        if (why)
            return why;
        if (attributes)
            strbuf_addc(&r->text, '"');
        else
            strbuf_addf(&r->text, "</%.*s>", (int)name.len, name.ptr);
    }
    if (attributes)
        strbuf_addf(&r->text, "/>%s", r->end);
    else
        strbuf_addf(&r->text, "</%s>%s", r->element, r->end);
    return NULL;
}

enum ec dmf_data_add(struct dmf_data *r, const struct cell *cells, const bool *datetime, size_t *ret_field,
                     struct err *reterr)
{
    size_t field = 0;
    const char *why;

    begin_row(r);
    why = r->format.kind == DMF_CSV ? csv_row(r, cells, datetime, &field) : xml_row(r, cells, &field);
    if (why) {
        *ret_field = field;
        err_set(reterr, EC_FORMAT, CELL_FMT " holds %s", CELL_ARG(r->e->fields[field].staging), why);
        if (r->format.kind == DMF_CSV)
            err_hint(reterr, "load in XML-Element, which carries every text, or allow doubled text qualifiers where "
                             "the environment reads them");
        return EC_FORMAT;
    }
    emit(r);
    return EC_OK;
}

/* ---- begin and end of a file ---- */

static bool is_name(struct cell c)
{
    for (size_t i = 0; i < c.len; i++) {
        char k = c.ptr[i];
        bool letter = (k >= 'a' && k <= 'z') || (k >= 'A' && k <= 'Z') || k == '_';

        if (!letter && (!i || !((k >= '0' && k <= '9') || k == '.' || k == '-')))
            return false;
    }
    return c.len > 0;
}

static enum ec check_format(const struct dmf_format *f, struct err *reterr)
{
    if (f->kind == DMF_CSV &&
        ((signed char)f->delimiter <= 0 || strchr("\r\n", f->delimiter) || f->delimiter == f->qualifier ||
         (signed char)f->qualifier < 0 || (f->qualifier && strchr("\r\n", f->qualifier))))
        return err_set(reterr, EC_FORMAT, "delimiter and text qualifier must be two different ASCII characters");
    return EC_OK;
}

/* The names that rows and cells get in XML. */
static enum ec name_elements(struct dmf_data *r, struct err *reterr)
{
    const struct dmf_entity *e = r->e;
    struct arena a = { 0 };
    struct cell name = cell_upper(&a, e->aot);
    enum ec rc = EC_OK;

    if (!is_name(name)) {
        rc = err_set(reterr, EC_FORMAT,
                     "entity '" CELL_FMT "': its rows in XML are named after its AOT name, which is not known",
                     CELL_ARG(e->label));
        goto out;
    }
    r->element = xstrdup(cell_cstr(&a, name));
    for (size_t i = 0; i < e->n && !rc; i++)
        if (!is_name(field_column(&e->fields[i])))
            rc = err_set(reterr, EC_FORMAT,
                         "entity '" CELL_FMT "': '" CELL_FMT "' cannot be the name of an XML element",
                         CELL_ARG(e->label), CELL_ARG(field_column(&e->fields[i])));
out:
    arena_release(&a);
    return rc;
}

enum ec dmf_data_new(const struct dmf_entity *e, const struct dmf_format *f, struct dmf_data **ret,
                     struct err *reterr)
{
    struct dmf_data *r;
    enum ec rc = check_format(f, reterr);

    if (rc)
        return rc;
    r = xcalloc(1, sizeof(*r));
    r->e = e;
    r->format = *f;
    r->end = f->row_end && *f->row_end ? f->row_end : "\r\n";
    r->end_n = strlen(r->end);
    csv_classify(f, r->class);
    for (size_t i = 0; i < e->n; i++)
        r->generated |= e->fields[i].auto_generated;
    if (e->n > 64)
        r->qualified_all = xcalloc(e->n, sizeof(*r->qualified_all));
    if (f->kind != DMF_CSV)
        rc = name_elements(r, reterr);
    if (rc)
        dmf_data_free(r);
    else
        *ret = r;
    return rc;
}

void dmf_data_free(struct dmf_data *r)
{
    if (!r)
        return;
    strbuf_release(&r->text);
    strbuf_release(&r->out);
    free(r->qualified_all);
    free(r->element);
    free(r);
}

enum ec dmf_data_begin(struct dmf_data *r, struct err *reterr)
{
    const struct dmf_entity *e = r->e;
    bool first = true;

    strbuf_reset(&r->text);
    if (r->format.kind != DMF_CSV) {
        strbuf_addf(&r->text, "<?xml version=\"1.0\" encoding=\"utf-8\"?>%s<Document>%s", r->end, r->end);
        emit(r);
        return EC_OK;
    }
    if (r->format.utf16)
        strbuf_adds(&r->text, "\xEF\xBB\xBF"); /* becomes FF FE */
    for (size_t i = 0; i < e->n; i++) {
        struct cell name = field_column(&e->fields[i]);

        if (e->fields[i].auto_generated)
            continue;
        if (!is_name(name)) /* so that no reader can disagree about quoting a header */
            return err_set(reterr, EC_FORMAT, "entity '" CELL_FMT "': '" CELL_FMT "' cannot be a column name",
                           CELL_ARG(e->label), CELL_ARG(name));
        if (!first)
            strbuf_addc(&r->text, r->format.delimiter);
        strbuf_add(&r->text, name.ptr, name.len);
        first = false;
    }
    if (first)
        return err_set(reterr, EC_FORMAT, "entity '" CELL_FMT "' has no column to write", CELL_ARG(e->label));
    strbuf_adds(&r->text, r->end);
    emit(r);
    return EC_OK;
}

void dmf_data_end(struct dmf_data *r)
{
    strbuf_reset(&r->text);
    if (r->format.kind == DMF_CSV)
        return;
    strbuf_addf(&r->text, "</Document>%s", r->end);
    emit(r);
}
