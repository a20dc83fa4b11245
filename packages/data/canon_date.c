#include "data/canon_parts.h"

#include "base/clock.h"

#include <stdio.h>

/* A date and time as it is written, before any offset is applied. */
struct moment {
    unsigned year, month, day, hour, minute, second;
    int offset_minutes; /* east of UTC */
};

static const char NOT_A_DATE[] = "not a date";

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Between min and max digits, as many as there are. */
static bool take_digits(struct cell *c, int min, int max, unsigned *ret)
{
    unsigned v = 0;
    int n = 0;

    for (; n < max && c->len && digit(c->ptr[0]); n++) {
        v = v * 10 + (unsigned)(c->ptr[0] - '0');
        c->ptr++;
        c->len--;
    }
    *ret = v;
    return n >= min;
}

static bool take(struct cell *c, char ch)
{
    if (!c->len || c->ptr[0] != ch)
        return false;
    c->ptr++;
    c->len--;
    return true;
}

static bool take_offset(struct cell *c, int *ret_minutes)
{
    unsigned h, m = 0;
    bool west;

    if (take(c, 'Z') || take(c, 'z')) {
        *ret_minutes = 0;
        return true;
    }
    west = take(c, '-');
    if (!west && !take(c, '+'))
        return false;
    if (!take_digits(c, 2, 2, &h))
        return false;
    if (take(c, ':') ? !take_digits(c, 2, 2, &m) : c->len && !take_digits(c, 2, 2, &m))
        return false;
    if (m > 59 || h * 60 + m > 14 * 60)
        return false;
    *ret_minutes = (int)(h * 60 + m) * (west ? -1 : 1);
    return true;
}

/* yyyy-MM-dd[(T| )HH:mm[:ss[.f..]][Z|+hh:mm|+hhmm|+hh]] */
static bool read_iso(struct cell c, struct moment *ret)
{
    struct moment m = { 0 };

    if (!take_digits(&c, 4, 4, &m.year) || !take(&c, '-') || !take_digits(&c, 2, 2, &m.month) || !take(&c, '-') ||
        !take_digits(&c, 2, 2, &m.day))
        return false;
    if (c.len) {
        if (!take(&c, 'T') && !take(&c, 't') && !take(&c, ' '))
            return false;
        if (!take_digits(&c, 2, 2, &m.hour) || !take(&c, ':') || !take_digits(&c, 2, 2, &m.minute))
            return false;
        if (take(&c, ':')) {
            if (!take_digits(&c, 2, 2, &m.second))
                return false;
            if (take(&c, '.')) {
                if (!c.len || !digit(c.ptr[0]))
                    return false;
                while (c.len && digit(c.ptr[0])) /* fractions are dropped */
                    take(&c, c.ptr[0]);
            }
        }
        if (c.len && !take_offset(&c, &m.offset_minutes))
            return false;
    }
    if (c.len)
        return false;
    *ret = m;
    return true;
}

enum part {
    PART_LITERAL,
    PART_DAY,
    PART_MONTH,
    PART_YEAR,
    PART_HOUR24,
    PART_HOUR12,
    PART_MINUTE,
    PART_SECOND,
    PART_AMPM
};
struct element {
    enum part part;
    unsigned run; /* letters in the pattern */
    char literal;
};

/* The next element of a pattern; false at its end, *ret_why set when the pattern cannot be used. */
static bool next_element(const char **p, char *in_quote, struct element *ret, const char **ret_why)
{
    static const char LETTERS[] = "dMyHhmst";
    static const enum part PARTS[] = { PART_DAY,    PART_MONTH,  PART_YEAR,   PART_HOUR24,
                                       PART_HOUR12, PART_MINUTE, PART_SECOND, PART_AMPM };
    const char *at;
    unsigned run = 1;
    char c;

    while ((**p == '\'' || **p == '"') && (!*in_quote || *in_quote == **p)) {
        *in_quote = *in_quote ? 0 : **p;
        (*p)++;
    }
    c = **p;
    if (!c) {
        if (*in_quote)
            *ret_why = "a quote is not closed in the date pattern";
        return false;
    }
    at = *in_quote ? NULL : strchr(LETTERS, c);
    if (!at) {
        if (c == '\\' && !*in_quote) {
            c = *++*p;
            if (!c) {
                *ret_why = "the date pattern ends in a backslash";
                return false;
            }
        } else if (!*in_quote && strchr("fFgKz", c)) { /* letters with a meaning that is not read here */
            *ret_why = "the date pattern has a letter that is not supported (quote it if it is text)";
            return false;
        }
        (*p)++;
        *ret = (struct element){ PART_LITERAL, 1, c };
        return true;
    }
    while ((*p)[run] == c)
        run++;
    *p += run;
    *ret = (struct element){ PARTS[at - LETTERS], run, 0 };
    if (ret->part == PART_YEAR ? run != 2 && run != 4 : ret->part == PART_AMPM ? run != 2 : run > 2) {
        *ret_why = "the date pattern has a part of a length that is not supported (names of months and days are not)";
        return false;
    }
    return true;
}

static bool is_date_part(enum part p)
{
    return p == PART_DAY || p == PART_MONTH || p == PART_YEAR;
}

bool canon_date_pattern_ok(const char *pattern, const char **ret_why)
{
    unsigned seen[PART_AMPM + 1] = { 0 };
    const char *why = NULL;
    struct element e;
    char quote = 0;

    if (!pattern)
        return true;
    while (next_element(&pattern, &quote, &e, &why))
        seen[e.part]++;
    if (!why && (seen[PART_DAY] != 1 || seen[PART_MONTH] != 1 || seen[PART_YEAR] != 1))
        why = "the date pattern needs day (d), month (M) and year (yyyy) once each";
    for (enum part p = PART_HOUR24; !why && p <= PART_AMPM; p++)
        if (seen[p] > 1)
            why = "the date pattern has a part of the time twice";
    if (!why && seen[PART_HOUR12] != seen[PART_AMPM])
        why = "the date pattern needs h and tt together";
    if (!why && seen[PART_HOUR12] && seen[PART_HOUR24])
        why = "the date pattern has both h and H";
    if (why && ret_why)
        *ret_why = why;
    return !why;
}

/* With a good pattern (canon_date_pattern_ok). */
static bool read_pattern(const char *pattern, struct cell c, struct moment *ret)
{
    struct moment m = { 0 };
    unsigned date_parts = 0, time_parts = 0, half = 0;
    struct element e;
    const char *why = NULL;
    bool twelve = false, after_date = false;
    char quote = 0;

    while (next_element(&pattern, &quote, &e, &why)) {
        int min = (int)e.run, max = e.run == 4 ? 4 : 2;

        if (!c.len && after_date)
            break; /* a date in a column whose pattern has a time: the time is missing as a whole */
        switch (e.part) {
        case PART_LITERAL:
            if (!take(&c, e.literal))
                return false;
            break;
        case PART_DAY:
            if (!take_digits(&c, min, max, &m.day))
                return false;
            break;
        case PART_MONTH:
            if (!take_digits(&c, min, max, &m.month))
                return false;
            break;
        case PART_YEAR:
            if (!take_digits(&c, min, max, &m.year))
                return false;
            if (e.run == 2)
                m.year += m.year < 50 ? 2000 : 1900;
            break;
        case PART_HOUR12:
            twelve = true;
            if (!take_digits(&c, min, max, &m.hour) || m.hour < 1 || m.hour > 12)
                return false;
            break;
        case PART_HOUR24:
            if (!take_digits(&c, min, max, &m.hour))
                return false;
            break;
        case PART_MINUTE:
            if (!take_digits(&c, min, max, &m.minute))
                return false;
            break;
        case PART_SECOND:
            if (!take_digits(&c, min, max, &m.second))
                return false;
            break;
        case PART_AMPM:
            if (take(&c, 'P') || take(&c, 'p'))
                half = 12;
            else if (!take(&c, 'A') && !take(&c, 'a'))
                return false;
            if (!take(&c, 'M') && !take(&c, 'm'))
                return false;
            break;
        }
        date_parts += is_date_part(e.part);
        time_parts += !is_date_part(e.part) && e.part != PART_LITERAL;
        after_date = date_parts == 3 && !time_parts && is_date_part(e.part);
    }
    if (c.len)
        return false;
    if (twelve)
        m.hour = m.hour % 12 + half;
    *ret = m;
    return true;
}

static bool exists(const struct moment *m, struct arena *a, const char **ret_why)
{
    static const char *const MONTHS[] = { "January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December" };

    if (!civil_valid(m->year, m->month, m->day)) {
        if (m->month < 1 || m->month > 12)
            *ret_why = arena_printf(a, "month %u does not exist", m->month);
        else if (m->year < 1 || m->year > 9999)
            *ret_why = arena_printf(a, "year %u does not exist", m->year);
        else if (m->month == 2 && m->day == 29)
            *ret_why = arena_printf(a, "29 February %u does not exist", m->year);
        else
            *ret_why = arena_printf(a, "%u %s does not exist", m->day, MONTHS[m->month - 1]);
        return false;
    }
    if (m->hour > 23 || m->minute > 59 || m->second > 59) {
        /* The services refuse 24:00 and leap seconds too; guessing the next day would move a date silently. */
        *ret_why = arena_printf(a, "%02u:%02u:%02u is not a time of day", m->hour, m->minute, m->second);
        return false;
    }
    return true;
}

enum canon_outcome canon_date(const struct canon_rule *rule, const struct canon_format *fmt, struct cell in,
                              struct arena *a, struct cell *ret, const char **ret_why)
{
    struct moment m;
    int64_t seconds;
    char text[32];
    bool sentinel;

    *ret_why = NOT_A_DATE;
    if (fmt->date) {
        if (!canon_date_pattern_ok(fmt->date, ret_why) || !read_pattern(fmt->date, in, &m))
            return CANON_BAD;
    } else if (!read_iso(in, &m)) {
        return CANON_BAD;
    }
    if (!exists(&m, a, ret_why))
        return CANON_BAD;
    sentinel = m.year == 1900 && m.month == 1 && m.day == 1;
    if (rule->type == CANON_DATE) {
        /* F&O writes a date as noon UTC, older builds as midnight: the written date is the date. */
        snprintf(text, sizeof(text), "%04u-%02u-%02u", m.year % 10000, m.month % 100, m.day % 100);
    } else {
        seconds = days_from_civil(m.year, m.month, m.day) * 86400 + m.hour * 3600 + m.minute * 60 + m.second -
                  (int64_t)m.offset_minutes * 60;
        if (seconds < days_from_civil(1, 1, 1) * 86400 || seconds >= (days_from_civil(9999, 12, 31) + 1) * 86400) {
            *ret_why = "outside the years 1 to 9999 in UTC";
            return CANON_BAD;
        }
        clock_format_utc(seconds * 1000, text);
        sentinel |= !strncmp(text, "1900-01-01", 10);
    }
    if (sentinel && !rule->strict)
        *ret = CELL_ABSENT;
    else if (!fmt->date && in.len >= strlen(text) && !memcmp(in.ptr, text, strlen(text)))
        *ret = (struct cell){ in.ptr, strlen(text) }; /* written as services do: nothing to copy */
    else
        *ret = cell_dup(a, cell_of(text));
    return CANON_FINE;
}
