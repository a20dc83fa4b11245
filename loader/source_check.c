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

static void refuse(struct source_row *r, const char *code, struct cell field, struct cell value, const char *why)
{
    r->verdict = SOURCE_REJECTED;
    r->code = code;
    r->field = field;
    r->value = value;
    r->why = why;
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

static void check_column(const struct bound_field *bf, struct cell c, struct arena *a, struct source_row *r)
{
    const struct dv_column *col = bf->c;

    switch (col->type) {
    case DV_STRING:
    case DV_MEMO: {
        size_t n = col->max_length ? cell_utf16_units(c) : 0;

        if (col->max_length && n > (size_t)col->max_length)
            refuse(r, "length", bf->name, c,
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

        if ((!cell_absent(low) && number_less(c, low)) || (!cell_absent(high) && number_less(high, c)))
            refuse(r, "range", bf->name, c,
                   arena_printf(a, "outside of " CELL_FMT " to " CELL_FMT " of Dataverse column '" CELL_FMT "'",
                                CELL_ARG(low), CELL_ARG(high), CELL_ARG(col->name)));
        break;
    }
    default: break;
    }
}

void source_check_limits(struct source *s, struct arena *a, struct source_row *r)
{
    const struct binding *b = s->m->b;

    for (size_t i = 0; i < s->n; i++)
        if (control_character(r->values[i])) {
            refuse(r, "control", s->fields[i].f->staging, r->values[i],
                   "a control character, which no data format carries");
            return;
        }
    for (size_t i = 0; i < b->n && r->verdict == SOURCE_GOOD; i++)
        if (b->fields[i].kind == BOUND_PLAIN && b->fields[i].c && map_dir_to_dv(b->fields[i].dir) &&
            !cell_blank(r->canon[i]))
            check_column(&b->fields[i], r->canon[i], a, r);
}
