/*
 * Addresses of rows: set(guid), set(pk=guid), set(key='..',_lookup_value=guid). Sources: "Retrieve a table row using the
 * Web API", "Use an alternate key to reference a record", "Define alternate keys": values with / < > * % & : \ ? + # cannot
 * be used in a key.
 */
#include "emu_dv.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

char *dv_percent_decode(struct arena *a, const char *s, size_t n, size_t *ret_n)
{
    char *out = arena_alloc(a, n + 1);
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] != '%') {
            out[k++] = s[i];
            continue;
        }
        if (i + 2 >= n || !isxdigit((unsigned char)s[i + 1]) || !isxdigit((unsigned char)s[i + 2]))
            return NULL;
        out[k] = (char)strtol((char[]){ s[i + 1], s[i + 2], 0 }, NULL, 16);
        if (!out[k++])
            return NULL;
        i += 2;
    }
    out[k] = '\0';
    *ret_n = k;
    return out;
}

static bool utf8(const char *p, size_t n)
{
    const char *end = p + n;

    while (p < end) {
        unsigned char c = (unsigned char)*p++;
        int more = c < 0x80                ? 0
                   : c >= 0xc2 && c < 0xe0 ? 1
                   : c >= 0xe0 && c < 0xf0 ? 2
                   : c >= 0xf0 && c < 0xf5 ? 3
                                           : -1;

        if (more < 0 || end - p < more)
            return false;
        for (; more; more--)
            if (((unsigned char)*p++ & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* One name=value of an address. */
struct part {
    const char *name;
    size_t n_name;
    const char *value; /* unquoted */
    bool quoted;
};
enum { PARTS_MAX = 16 };

/* "a='x''y',b=3" -> parts; false = not of this shape. `s` is written to. */
static bool split(char *s, struct part *parts, size_t *ret_n)
{
    size_t n = 0;

    while (*s) {
        struct part *p = &parts[n];
        char *to;

        if (n == PARTS_MAX)
            return false;
        p->name = s;
        while (isalnum((unsigned char)*s) || *s == '_')
            s++;
        p->n_name = (size_t)(s - p->name);
        if (!p->n_name || *s != '=')
            return false;
        s++;
        p->value = to = s;
        p->quoted = *s == '\'';
        if (p->quoted) {
            s++;
            for (;; s++) {
                if (!*s)
                    return false;
                if (*s == '\'') {
                    if (s[1] != '\'')
                        break;
                    s++;
                }
                *to++ = *s;
            }
            s++;
        } else {
            while (*s && *s != ',')
                s++;
            to = s;
        }
        n++;
        if (*s == ',') {
            s++;
            if (!*s)
                return false;
        } else if (*s) {
            return false;
        }
        *to = '\0';
    }
    *ret_n = n;
    return n > 0;
}

static bool bad_key(struct dv_op *op, const struct dv_table *t)
{
    return dv_refuse(
        &op->fail, 400, "0x80060890",
        "The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.%s'. Ensure that the "
        "names and number of key properties match the declared or alternate key properties",
        t->logical);
}

/* Characters that break a key, wherever it stands. */
static bool hostile(struct dv_op *op, const char *value, enum dv_place place, const char *raw, size_t n_raw)
{
    if (place != DV_IN_URL && EMU_KNOB(op->e, dv_key_chars_in_body_ok))
        return false;
    if (strpbrk(value, "/<>*%&:\\?+")) {
        dv_bad_syntax(&op->fail);
        return true;
    }
    if (strchr(value, '#')) {
        if (memchr(raw, '#', n_raw)) /* not encoded: the rest is cut off as a fragment */
            dv_bad_syntax(&op->fail);
        else
            dv_refuse(&op->fail, 404, "0x80060891", "A record with the specified key values does not exist.");
        return true;
    }
    return false;
}

static bool part_col(const struct dv_table *t, const struct part *p, int *ret)
{
    int col = dv_col_by_value_name(t, p->name, p->n_name);

    if (col < 0) {
        col = dv_col_by_name(t, p->name, p->n_name);
        if (col >= 0 && (t->cols[col].role == DV_HIDDEN || dv_is_lookup(&t->cols[col])))
            return false; /* lookups in a key are named _x_value */
    }
    *ret = col;
    return col >= 0;
}

/* Canonical text of a key part; false: the literal does not fit the column. */
static bool part_value(struct dv_op *op, const struct dv_table *t, int col, const struct part *p, const char **ret)
{
    const struct dv_col *c = &t->cols[col];
    char guid[37];

    if (dv_is_lookup(c) || c->type == C_UNIQUEIDENTIFIER) {
        if (p->quoted || !dv_guid(p->value, strlen(p->value), guid))
            return dv_bad_syntax(&op->fail);
        *ret = arena_strdup(op->a, guid);
        return true;
    }
    if ((c->type == C_STRING || c->type == C_MEMO) != p->quoted)
        return dv_bad_syntax(&op->fail);
    if (p->quoted) { /* no limit of length: a longer text just finds nothing */
        *ret = p->value;
        return true;
    }
    return dv_value_from_text(op, t, col, p->value, ret);
}

static const struct dv_key *key_of(const struct dv_table *t, const int *cols, size_t n)
{
    for (size_t k = 0; k < t->n_keys; k++) {
        size_t same = 0;

        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < t->keys[k].n; c++)
                same += t->keys[k].cols[c] == cols[i];
        if (same == n && t->keys[k].n == n)
            return &t->keys[k];
    }
    return NULL;
}

static bool read_parts(struct dv_op *op, struct dv_address *ad, char *inside, enum dv_place place, const char *raw,
                       size_t n_raw)
{
    const struct dv_table *t = ad->t;
    struct part parts[PARTS_MAX];
    int cols[PARTS_MAX];
    size_t n = 0;

    if (!split(inside, parts, &n))
        return dv_bad_syntax(&op->fail);
    for (size_t i = 0; i < n; i++) {
        if (!part_col(t, &parts[i], &cols[i]))
            return bad_key(op, t);
        for (size_t k = 0; k < i; k++)
            if (cols[k] == cols[i])
                return bad_key(op, t);
    }
    if (n == 1 && cols[0] == 0) {
        if (!strcmp(t->logical, "systemuser") || !strcmp(t->logical, "team"))
            return bad_key(op, t);
        if (parts[0].quoted || !dv_guid(parts[0].value, strlen(parts[0].value), ad->id))
            return dv_bad_syntax(&op->fail);
        return true;
    }
    ad->key = key_of(t, cols, n);
    if (!ad->key)
        return bad_key(op, t);
    ad->values = arena_zalloc(op->a, n * sizeof(*ad->values));
    for (size_t i = 0; i < n; i++) {
        const char *v = NULL;

        if (parts[i].quoted && hostile(op, parts[i].value, place, raw, n_raw))
            return false;
        if (dv_is_lookup(&t->cols[cols[i]]) && place == DV_IN_ODATA_ID &&
            EMU_KNOB(op->e, dv_lookup_in_odata_id_refused))
            return dv_refuse(&op->fail, 400, "0x80060888",
                             "The alternate key of '%s' contains a lookup column, which is not supported here.",
                             t->logical);
        if (!part_value(op, t, cols[i], &parts[i], &v))
            return false;
        if (!v)
            return dv_refuse(&op->fail, 400, "0x8006088F", "A key of '%s' cannot have an empty value.", t->logical);
        for (size_t c = 0; c < ad->key->n; c++)
            if (ad->key->cols[c] == cols[i])
                ad->values[c] = v;
    }
    return true;
}

/* "http://host/api/data/v9.2/accounts(..)" of this service -> behind the root. */
static bool strip_root(struct dv_op *op, const char **text, size_t *n)
{
    const char *p = *text, *end = p + *n, *slash;

    if (*n > 7 && (!strncasecmp(p, "http://", 7) || !strncasecmp(p, "https://", 8))) {
        p = strstr(p, "//") + 2;
        slash = memchr(p, '/', (size_t)(end - p));
        if (!slash || !op->q || !op->q->host || strlen(op->q->host) != (size_t)(slash - p) ||
            strncasecmp(p, op->q->host, (size_t)(slash - p)) != 0)
            return dv_bad_syntax(&op->fail);
        p = slash;
    }
    if (end - p > 10 && !strncasecmp(p, "/api/data/v", 11)) {
        slash = memchr(p + 11, '/', (size_t)(end - p - 11));
        if (!slash)
            return dv_bad_syntax(&op->fail);
        p = slash;
    }
    if (p < end && *p == '/')
        p++;
    *text = p;
    *n = (size_t)(end - p);
    return true;
}

static bool reference(struct dv_op *op, const char *text, size_t n, struct dv_address *ret)
{
    for (size_t i = 0; i < op->n_refs; i++)
        if (strlen(op->refs[i].content_id) == n - 1 && !memcmp(op->refs[i].content_id, text + 1, n - 1))
            return dv_address_parse(op, op->refs[i].address, strlen(op->refs[i].address), DV_IN_URL, ret);
    return dv_refuse(&op->fail, 400, "0x80048d19",
                     "Content-ID Reference: '%.*s' does not exist in the batch context.", (int)(n > 60 ? 60 : n),
                     text);
}

bool dv_address_parse(struct dv_op *op, const char *text, size_t n, enum dv_place place, struct dv_address *ret)
{
    const char *open;
    char *inside;
    size_t k;

    *ret = (struct dv_address){ .text = NULL };
    if (n > 1 && text[0] == '$')
        return reference(op, text, n, ret);
    if (place != DV_IN_URL && !strip_root(op, &text, &n))
        return false;
    open = memchr(text, '(', n);
    if (!open)
        return place == DV_IN_URL ? dv_no_segment(&op->fail, text, n) : dv_bad_syntax(&op->fail);
    ret->t = dv_table_by_set(op->e, text, (size_t)(open - text));
    if (!ret->t)
        return dv_no_segment(&op->fail, text, (size_t)(open - text));
    ret->text = arena_dup(op->a, text, n);
    if (place != DV_IN_URL && memchr(text, '#', n) && !EMU_KNOB(op->e, dv_key_chars_in_body_ok))
        return dv_bad_syntax(&op->fail);
    inside = dv_percent_decode(op->a, open + 1, n - (size_t)(open + 1 - text), &k);
    if (!inside && place != DV_IN_URL && EMU_KNOB(op->e, dv_key_chars_in_body_ok)) {
        k = n - (size_t)(open + 1 - text); /* a bare % stands for itself */
        inside = arena_dup(op->a, open + 1, k);
    }
    if (!inside || !k || inside[k - 1] != ')' || !utf8(inside, k))
        return dv_bad_syntax(&op->fail);
    inside[--k] = '\0';
    if (dv_guid(inside, k, ret->id))
        return true;
    return read_parts(op, ret, inside, place, text, n);
}

bool dv_key_find(struct emu *e, const struct dv_table *t, const struct dv_key *k, const char *const *values,
                 char ret_id[static 37])
{
    char sql[1200];
    size_t n = (size_t)snprintf(sql, sizeof(sql), "select \"%s\" from \"dv_%s\" where ", t->cols[0].name, t->logical);
    sqlite3_stmt *s;
    bool found;

    for (size_t i = 0; i < k->n; i++) {
        if (!values[i])
            return false;
        n += (size_t)snprintf(sql + n, sizeof(sql) - n, "%s\"%s\" = ?%zu", i ? " and " : "", t->cols[k->cols[i]].name,
                              i + 1);
        BUG_IF(n >= sizeof(sql), "the columns of a key have very long names");
    }
    s = emu_sql(e, sql);
    for (size_t i = 0; i < k->n; i++)
        dv_bind(s, (int)i + 1, values[i]);
    found = dv_step(e, s);
    if (found)
        snprintf(ret_id, 37, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_reset(s);
    return found;
}

bool dv_address_find(struct dv_op *op, const struct dv_address *ad, char ret_id[static 37])
{
    if (!ad->key) {
        snprintf(ret_id, 37, "%s", ad->id);
        return dv_exists(op->e, ad->t, ad->id) || dv_not_there(&op->fail, ad->t, ad->id);
    }
    if (dv_key_find(op->e, ad->t, ad->key, ad->values, ret_id))
        return true;
    return dv_refuse(&op->fail, 404, "0x80060891",
                     "A record with the specified key values does not exist in %s entity", ad->t->logical);
}
