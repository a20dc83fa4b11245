#include "loader/source_check.h"

const char *source_code_of(enum canon_type t)
{
    switch (t) {
    case CANON_DATE:
    case CANON_DATETIME: return "date";
    case CANON_DECIMAL: return "decimal";
    case CANON_INT: return "integer";
    case CANON_WORD:
    case CANON_BOOL: return "enum";
    case CANON_GUID: return "guid";
    case CANON_TEXT:
    case CANON_KEY:
    case CANON_COMPANY: break;
    }
    return "text";
}

/* False = enough is known of the row: its first fault, and nobody asks for more. */
static bool refuse(struct source *s, struct source_row *r, const char *code, struct cell field, struct cell value,
                   const char *why)
{
    if (s->on_fault)
        s->on_fault(s->fault_arg, r, code, field, value, why);
    if (r->verdict == SOURCE_REJECTED)
        return s->on_fault != NULL;
    r->verdict = SOURCE_REJECTED;
    r->code = code;
    r->field = field;
    r->value = value;
    r->why = why;
    return s->on_fault != NULL;
}

static bool control_character(struct cell c)
{
    for (size_t i = 0; i < c.len; i++)
        if ((unsigned char)c.ptr[i] < 0x20 && c.ptr[i] != '\t' && c.ptr[i] != '\n' && c.ptr[i] != '\r')
            return true;
    return false;
}

/* a < b for canonical decimal texts. */
static bool number_less(struct cell a, struct cell b)
{
    bool na = a.len && a.ptr[0] == '-', nb = b.len && b.ptr[0] == '-';
    const char *pa = a.ptr + na, *pb = b.ptr + nb, *ea = a.ptr + a.len, *eb = b.ptr + b.len;
    size_t ia = 0, ib = 0;
    int c = 0;

    if (na != nb)
        return na;
    while (pa + ia < ea && pa[ia] != '.')
        ia++;
    while (pb + ib < eb && pb[ib] != '.')
        ib++;
    if (ia != ib) {
        c = ia < ib ? -1 : 1;
    } else {
        size_t n = (size_t)(ea - pa) < (size_t)(eb - pb) ? (size_t)(ea - pa) : (size_t)(eb - pb);

        c = memcmp(pa, pb, n);
        if (!c)
            c = (ea - pa > (ptrdiff_t)n) - (eb - pb > (ptrdiff_t)n);
    }
    return na ? c > 0 : c < 0;
}

static struct cell plain_number(struct cell literal, struct arena *a)
{
    struct canon_rule r = { .type = CANON_DECIMAL, .scale = -1 };
    struct cell out = CELL_ABSENT;
    const char *why;

    if (canon_cell(&r, NULL, literal, a, &out, &why) != CANON_FINE)
        return CELL_ABSENT;
    return out;
}

static bool check_column(struct source *s, const struct bound_field *bf, struct cell c, struct arena *a,
                         struct source_row *r)
{
    const struct dv_column *col = bf->c;

    switch (col->type) {
    case DV_STRING:
    case DV_MEMO: {
        size_t n = col->max_length ? cell_utf16_units(c) : 0;

        if (col->max_length && n > (size_t)col->max_length)
            return refuse(s, r, "length", bf->name, c,
                          arena_printf(a, "%zu characters, but Dataverse column '" CELL_FMT "' holds %lld", n,
                                       CELL_ARG(col->name), (long long)col->max_length));
        break;
    }
    case DV_INTEGER:
    case DV_BIGINT:
    case DV_DECIMAL:
    case DV_DOUBLE:
    case DV_MONEY: {
        struct cell low = plain_number(col->min, a), high = plain_number(col->max, a);

        if (!strchr("-0123456789", c.ptr[0])) /* no number: told already */
            break;
        if ((!cell_absent(low) && number_less(c, low)) || (!cell_absent(high) && number_less(high, c)))
            return refuse(s, r, "range", bf->name, c,
                          arena_printf(a,
                                       "outside of " CELL_FMT " to " CELL_FMT " of Dataverse column '" CELL_FMT "'",
                                       CELL_ARG(low), CELL_ARG(high), CELL_ARG(col->name)));
        break;
    }
    default: break;
    }
    return true;
}

static size_t digits_before_point(struct cell c)
{
    size_t n = 0;

    for (size_t i = 0; i < c.len && c.ptr[i] != '.'; i++)
        n += c.ptr[i] >= '0' && c.ptr[i] <= '9';
    return n;
}

static bool year_out_of_range(struct cell c)
{
    return c.len >= 10 && (memcmp(c.ptr, "1900-01-01", 10) < 0 || memcmp(c.ptr, "2154-12-31", 10) > 0);
}

/*
 * What F&O's own types hold ("Data types" of X++): dates from 1900-01-01 to 2154-12-31, int of 32 and int64 of 64 bits, reals
 * as numeric(32,16), and the length of a text where it is known.
 */
static bool check_fno(struct source *s, const struct fno_field *f, struct cell c, struct arena *a,
                      struct source_row *r)
{
    int64_t n = 0;

    switch (f->type) {
    case FNO_DATE:
    case FNO_UTCDATETIME:
        if (year_out_of_range(c))
            return refuse(s, r, "date_range", f->staging, c, "F&O keeps dates from 1900-01-01 to 2154-12-31");
        break;
    case FNO_INT:
        if (!cell_to_i64(c, &n) || n < INT32_MIN || n > INT32_MAX)
            return refuse(s, r, "integer", f->staging, c, "beyond 32 bits: F&O's type holds up to 2147483647");
        break;
    case FNO_INT64:
        if (!cell_to_i64(c, &n))
            return refuse(s, r, "integer", f->staging, c,
                          "beyond 64 bits: F&O's type holds up to 9223372036854775807");
        break;
    case FNO_REAL:
        if (digits_before_point(c) > 16)
            return refuse(s, r, "decimal_range", f->staging, c,
                          "more than 16 digits before the point: F&O keeps 32 in all");
        break;
    case FNO_STRING:
        if (f->max_length > 0 && cell_utf16_units(c) > (size_t)f->max_length)
            return refuse(s, r, "length", f->staging, c,
                          arena_printf(a, "%zu characters, but F&O's field holds %lld", cell_utf16_units(c),
                                       (long long)f->max_length));
        break;
    case FNO_ENUM:
    case FNO_GUID:
    case FNO_OTHER: break;
    }
    return true;
}

void source_check_limits(struct source *s, struct arena *a, struct source_row *r)
{
    const struct binding *b = s->m->b;

    for (size_t i = 0; i < s->n; i++) {
        const struct fno_field *f = s->fields[i].f;
        struct cell c = r->values[i];

        if (!c.len)
            continue;
        if (control_character(c) &&
            !refuse(s, r, "control", f->staging, c, "a control character, which no data format carries"))
            return;
        if (!check_fno(s, f, c, a, r))
            return;
    }
    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].kind == BOUND_PLAIN && b->fields[i].c && map_dir_to_dv(b->fields[i].dir) &&
            !cell_blank(r->canon[i]) && !check_column(s, &b->fields[i], r->canon[i], a, r))
            return;
}
