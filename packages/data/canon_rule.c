/* canon_rule.c -- what the settings change in a field's rule, and the rule in words. */
#include "data/canon_parts.h"

struct cell canon_round(struct cell number, int scale, struct arena *a)
{
    const struct canon_rule r = { .type = CANON_DECIMAL, .scale = scale };
    struct cell out;
    const char *why;

    /* What is no number (a lookup that was not resolved) is equal to nothing, rounded or not. */
    return canon_cell(&r, NULL, number, a, &out, &why) == CANON_FINE && out.ptr ? out : number;
}

static bool is_text(const struct canon_rule *r)
{
    return r->type == CANON_TEXT || r->type == CANON_KEY || r->type == CANON_WORD;
}

static bool set_scale(struct canon_rule *r, struct cell digits, const char **ret_why)
{
    int64_t n;

    *ret_why = "scale: takes a number from 0 to 16";
    if (!cell_to_i64(digits, &n) || n < 0 || n > 16)
        return false;
    *ret_why = "only numbers have a scale";
    if (r->type != CANON_DECIMAL && r->type != CANON_INT)
        return false;
    r->round = (int8_t)(n + 1);
    return r->tuned = true;
}

bool canon_rule_set(struct canon_rule *r, struct cell word, const char **ret_why)
{
    if (cell_is(word, "strict"))
        return r->strict = true;
    if (word.len > 6 && !memcmp(word.ptr, "scale:", 6))
        return set_scale(r, (struct cell){ word.ptr + 6, word.len - 6 }, ret_why);
    if (cell_is(word, "day")) {
        *ret_why = "only a date with a time can be compared by its day";
        if (r->type != CANON_DATETIME)
            return false;
        return r->day = r->tuned = true;
    }
    if (!cell_is(word, "nocase") && !cell_is(word, "case") && !cell_is(word, "blanks") && !cell_is(word, "exact")) {
        *ret_why = "known are strict, nocase, case, blanks, exact, day and scale:N";
        return false;
    }
    *ret_why = "only texts have case and blanks";
    if (!is_text(r))
        return false;
    if (cell_is(word, "nocase") || cell_is(word, "case")) {
        r->letters = cell_is(word, "case") ? CANON_CASE_KEPT : CANON_CASE_FOLDED;
        return r->tuned = true;
    }
    r->blanks = true;
    r->exact = r->exact || cell_is(word, "exact");
    return true;
}

const char *canon_type_name(enum canon_type t)
{
    static const char *const NAMES[] = { "text",      "integer", "decimal", "boolean", "date",
                                         "date-time", "word",    "key",     "company", "guid" };

    return (unsigned)t < COUNT(NAMES) ? NAMES[t] : "?";
}

static void null_words(const struct canon_rule *r, struct strbuf *out)
{
    if (r->strict) {
        strbuf_adds(out, "; strict: null is only null");
        return;
    }
    switch (r->type) {
    case CANON_TEXT:
    case CANON_KEY:
    case CANON_COMPANY: strbuf_adds(out, "; null is empty"); break;
    case CANON_INT:
    case CANON_DECIMAL: strbuf_adds(out, "; null is 0"); break;
    case CANON_BOOL: strbuf_adds(out, "; null is No"); break;
    case CANON_DATE:
    case CANON_DATETIME: strbuf_adds(out, "; null is 1900-01-01"); break;
    case CANON_GUID: strbuf_adds(out, "; null is the zero GUID"); break;
    case CANON_WORD:
        if (r->zero.ptr)
            strbuf_addf(out, "; null is '" CELL_FMT "'", CELL_ARG(r->zero));
        break;
    }
}

char *canon_rule_text(const struct canon_rule *r, struct arena *a)
{
    struct strbuf out = STRBUF(0);
    char *text;

    strbuf_adds(&out, canon_type_name(r->type));
    switch (r->type) {
    case CANON_TEXT:
    case CANON_KEY:
    case CANON_WORD:
        strbuf_addf(&out, ", case %s", canon_folds(r) ? "folded" : "counts");
        if (r->exact)
            strbuf_adds(&out, ", every octet counts");
        else if (r->blanks)
            strbuf_adds(&out, ", blanks at the end count");
        break;
    case CANON_DECIMAL:
        if (r->scale >= 0 && r->scale < 16 && !r->round)
            strbuf_addf(&out, ", rounded to %d place%s", r->scale, r->scale == 1 ? "" : "s");
        break;
    case CANON_DATE: strbuf_adds(&out, ", the written day"); break;
    case CANON_DATETIME: strbuf_adds(&out, r->day ? ", its day in UTC" : ", UTC to the second"); break;
    case CANON_INT:
    case CANON_BOOL:
    case CANON_COMPANY:
    case CANON_GUID: break;
    }
    if (r->round)
        strbuf_addf(&out, ", compared rounded to %d place%s", r->round - 1, r->round == 2 ? "" : "s");
    null_words(r, &out);
    text = arena_strdup(a, strbuf_str(&out));
    strbuf_release(&out);
    return text;
}
