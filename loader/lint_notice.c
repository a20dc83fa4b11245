/*
 * lint_notice.c -- what a row's cells tell that loading does not refuse (blanks, formulas, characters, precision), and what the
 * package's format cannot carry, which otherwise shows when the package is made.
 */
#include "dmf/pkgwrite.h"
#include "loader/lint_profile.h"

void lint_fault(struct lint_profile *p, enum lint_severity severity, const char *code, struct cell field,
                struct cell value, const char *why)
{
    if (p->n_faults < LINT_MAX_FAULTS)
        p->faults[p->n_faults++] =
            (struct lint_fault){ .code = code, .why = why, .severity = severity, .field = field, .value = value };
}

enum { HIGH = 1, QUOTE = 2, BREAK = 4, DELETE_ = 8 };

/* One look at each octet; what is usual has no bit. */
static unsigned look(struct cell c, char qualifier)
{
    unsigned seen = 0;

    for (size_t i = 0; i < c.len; i++) {
        unsigned char ch = (unsigned char)c.ptr[i];

        seen |= (ch >= 0x80 ? HIGH : 0) | (ch == '\n' || ch == '\r' ? BREAK : 0) | (ch == 0x7F ? DELETE_ : 0) |
                (ch == (unsigned char)qualifier ? QUOTE : 0);
    }
    return seen;
}

static bool alphabetic(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '(';
}

static bool formula(struct cell c)
{
    if (c.ptr[0] == '=' || c.ptr[0] == '@')
        return c.len > 1;
    return (c.ptr[0] == '+' || c.ptr[0] == '-') && c.len > 1 && alphabetic(c.ptr[1]);
}

static void look_at_characters(struct lint_profile *p, struct cell field, struct cell c)
{
    bool non_bmp = false, invisible = false;
    uint32_t cp;

    for (size_t i = 0, step; i < c.len; i += step) {
        step = 1;
        if ((unsigned char)c.ptr[i] < 0x80) {
            invisible = invisible || c.ptr[i] == 0x7F;
            continue;
        }
        step = utf8_decode(c.ptr + i, c.len - i, &cp);
        if (!step)
            return; /* told as a fault of the CSV */
        non_bmp = non_bmp || cp > 0xFFFF;
        /* C1 controls, soft hyphen, zero width and direction marks, line separators, byte order mark */
        invisible = invisible || (cp >= 0x80 && cp < 0xA0) || cp == 0xAD || (cp >= 0x200B && cp <= 0x200F) ||
                    (cp >= 0x2028 && cp <= 0x202E) || (cp >= 0x2060 && cp <= 0x2064) || cp == 0xFEFF;
    }
    if (non_bmp)
        lint_fault(p, LINT_WARNING, "non_bmp", field, c,
                   "a character beyond U+FFFF: it takes two places of the length");
    if (invisible)
        lint_fault(p, LINT_WARNING, "invisible", field, c, "a character that nobody sees");
}

static bool no_break_space(struct cell c, size_t at)
{
    return at + 1 < c.len && (unsigned char)c.ptr[at] == 0xC2 && (unsigned char)c.ptr[at + 1] == 0xA0;
}

static void look_at_text(struct lint_profile *p, const struct source_field *sf, struct cell raw, unsigned seen)
{
    struct cell field = sf->f->staging;
    char first = raw.ptr[0], last = raw.ptr[raw.len - 1];

    if (first == ' ' || last == ' ' || first == '\t' || last == '\t' ||
        ((seen & HIGH) && (no_break_space(raw, 0) || (raw.len > 1 && no_break_space(raw, raw.len - 2)))))
        lint_fault(p, LINT_WARNING, "blanks", field, raw,
                   sf->key ? "leading or trailing blanks in a key" : "leading or trailing blanks");
    if (formula(raw))
        lint_fault(p, LINT_WARNING, "formula", field, raw, "begins like a formula");
    if (seen & (HIGH | DELETE_))
        look_at_characters(p, field, raw);
}

static size_t decimals(struct cell c)
{
    const char *point = c.len ? memchr(c.ptr, '.', c.len) : NULL;

    return point ? (size_t)(c.ptr + c.len - point) - 1 : 0;
}

static void look_at_number(struct lint_profile *p, const struct source *s, const struct source_field *sf,
                           struct cell raw, struct cell value, struct arena *a)
{
    const struct bound_field *bf = sf->bound >= 0 ? &s->m->b->fields[sf->bound] : NULL;
    const char *point = memchr(raw.ptr, s->format.decimal ? s->format.decimal : '.', raw.len);
    size_t n = decimals(value);

    if (point && raw.ptr + raw.len - point - 1 > 16)
        lint_fault(p, LINT_WARNING, "precision", sf->f->staging, raw, "more than 16 decimals: F&O rounds to 16");
    else if (bf && bf->kind == BOUND_PLAIN && bf->c && bf->c->precision >= 0 && map_dir_to_dv(bf->dir) &&
             (bf->c->type == DV_DECIMAL || bf->c->type == DV_DOUBLE || bf->c->type == DV_MONEY) &&
             n > (size_t)bf->c->precision)
        lint_fault(p, LINT_WARNING, "precision", sf->f->staging, raw,
                   arena_printf(a, "more decimals than the %d of Dataverse column '" CELL_FMT "': rounded there",
                                bf->c->precision, CELL_ARG(bf->c->name)));
}

/* A control character is told as such, whatever format it would not fit into. */
static bool told(const struct lint_profile *p, const char *code, struct cell field)
{
    for (size_t i = 0; i < p->n_faults; i++)
        if (!strcmp(p->faults[i].code, code) && cell_eq(p->faults[i].field, field))
            return true;
    return false;
}

void lint_notice(struct lint_profile *p, const struct source *s, const struct source_row *r, struct arena *a)
{
    char qualifier = p->format.kind == DMF_CSV ? p->format.qualifier : 0;
    bool bare = r->quick && !s->row.high && s->n <= 64;

    for (size_t i = 0; i < s->n; i++) {
        const struct source_field *sf = &s->fields[i];
        struct cell raw = sf->column >= 0 && (size_t)sf->column < r->n_raw ? r->raw[sf->column] : sf->constant;
        unsigned seen;
        const char *why;

        if (cell_blank(raw))
            continue;
        if (sf->f->type == FNO_REAL) {
            look_at_number(p, s, sf, raw, r->values[i], a);
            continue;
        }
        if (sf->f->type != FNO_STRING && sf->f->type != FNO_OTHER)
            continue;
        /* what the reader saw of a regular row need not be looked for again; its bits are of the first 64 columns */
        seen = bare && sf->column >= 0 && sf->column < 64 && !(s->row.quoted >> sf->column & 1) &&
                       (!qualifier || qualifier == '"')
                   ? 0
                   : look(raw, qualifier);
        look_at_text(p, sf, raw, seen);
        if (p->format.kind == DMF_CSV && !(seen & (QUOTE | BREAK)) && p->format.qualifier)
            continue; /* nothing that the format could stumble over */
        why = dmf_cell_refused(&p->format, r->values[i]);
        if (why && p->or_xml)
            lint_fault(p, LINT_WARNING, "format", sf->f->staging, raw,
                       arena_printf(a, "holds %s: the whole map will travel in XML-Element", why));
        else if (why && !told(p, "control", sf->f->staging))
            lint_fault(p, LINT_ERROR, "format", sf->f->staging, raw, arena_printf(a, "holds %s", why));
        else if (!why && seen & QUOTE && p->format.kind == DMF_CSV)
            lint_fault(p, LINT_WARNING, "doubled_quote", sf->f->staging, raw,
                       "a quote, which goes out doubled: whether F&O reads that depends on the environment");
    }
}
