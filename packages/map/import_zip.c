/*
 * import_zip.c -- a solution zip searched for maps by content. Everything that the directory says is checked before a member
 * is read, and what a member inflates to is counted against what the directory promised. Nothing is ever extracted to a
 * file, so that names only serve messages; those that would lead elsewhere mark a zip that was made to harm.
 */
#include "map/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <zip.h>

enum { MAX_MEMBERS = 20000, MAX_RATIO = 1000, RATIO_FLOOR = 1 << 16, MAX_MEMBER = 64 << 20, MAX_ZIP_DEPTH = 2 };
#define MAX_TOTAL ((uint64_t)1 << 30) /* of all members that are looked into */

struct zip_walk {
    struct import *i;
    const char *what;
    zip_t *zip;
    uint64_t total;
    int depth;
};

static enum ec check_name(const struct zip_walk *w, const char *name, struct err *reterr)
{
    const char *why = NULL;
    size_t n = strlen(name);

    if (!n)
        why = "has no name";
    else if (name[0] == '/' || name[0] == '\\' || strchr(name, ':'))
        why = "has an absolute name";
    else if (utf8_valid_prefix(name, n) < n)
        why = "has a name that is not text";
    for (const char *at = name; !why && *at; at += strcspn(at, "/\\"), at += *at != 0)
        if (!strncmp(at, "..", 2) && (!at[2] || at[2] == '/' || at[2] == '\\'))
            why = "leads out of its folder";
    return why ? err_set(reterr, EC_FORMAT, "%s: member '%.100s' %s", w->what, name, why) : EC_OK;
}

static enum ec check_member(const struct zip_walk *w, const zip_stat_t *st, struct err *reterr)
{
    const zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;

    if ((st->valid & need) != need)
        return err_set(reterr, EC_FORMAT, "%s: member '%s' does not state its sizes", w->what, st->name);
    if (st->encryption_method != ZIP_EM_NONE)
        return err_set(reterr, EC_FORMAT, "%s: member '%s' is encrypted", w->what, st->name);
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
        return err_set(reterr, EC_FORMAT, "%s: member '%s' is compressed by method %u, which solutions do not use",
                       w->what, st->name, st->comp_method);
    if (st->size > RATIO_FLOOR && st->size / MAX_RATIO > st->comp_size)
        return err_set(reterr, EC_LIMIT, "%s: member '%s' inflates to over %d times its size", w->what, st->name,
                       MAX_RATIO);
    return EC_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Everything that the directory can be checked for before a member is read. */
static enum ec check_directory(struct zip_walk *w, size_t octets, struct err *reterr)
{
    zip_int64_t n = zip_get_num_entries(w->zip, 0);
    struct arena a = { 0 };
    const char **names;
    uint64_t packed = 0;
    enum ec rc = EC_OK;

    if (n < 0 || n > MAX_MEMBERS)
        return err_set(reterr, EC_LIMIT, "%s has %lld members, over the limit of %d", w->what, (long long)n,
                       MAX_MEMBERS);
    names = arena_zalloc(&a, ((size_t)n + 1) * sizeof(*names));
    for (zip_int64_t k = 0; k < n && !rc; k++) {
        zip_stat_t st;

        if (zip_stat_index(w->zip, (zip_uint64_t)k, 0, &st) || !(st.valid & ZIP_STAT_NAME))
            rc = err_set(reterr, EC_FORMAT, "%s, member %lld: %s", w->what, (long long)k, zip_strerror(w->zip));
        if (!rc)
            rc = check_name(w, st.name, reterr);
        if (!rc)
            rc = check_member(w, &st, reterr);
        if (rc)
            break;
        packed = st.comp_size > UINT64_MAX - packed ? UINT64_MAX : packed + st.comp_size;
        names[k] = arena_strdup(&a, st.name);
    }
    if (!rc && packed > octets)
        rc = err_set(reterr, EC_FORMAT, "%s: its members overlap", w->what);
    if (!rc && n > 1)
        qsort(names, (size_t)n, sizeof(*names), by_name);
    for (zip_int64_t k = 1; k < n && !rc; k++)
        if (!strcmp(names[k - 1], names[k]))
            rc = err_set(reterr, EC_FORMAT, "%s has two members named '%.100s'", w->what, names[k]);
    arena_release(&a);
    return rc;
}

static enum ec read_member(struct zip_walk *w, zip_uint64_t at, const zip_stat_t *st, struct strbuf *out,
                           struct err *reterr)
{
    zip_file_t *f;
    zip_int64_t got = 0;
    enum ec rc = EC_OK;

    w->total += st->size;
    if (w->total > MAX_TOTAL)
        return err_set(reterr, EC_LIMIT, "%s: its members inflate to more than %llu octets", w->what,
                       (unsigned long long)MAX_TOTAL);
    f = zip_fopen_index(w->zip, at, 0);
    if (!f)
        return err_set(reterr, EC_FORMAT, "%s, member '%s': %s", w->what, st->name, zip_strerror(w->zip));
    strbuf_reserve(out, (size_t)st->size + 2);
    while (!rc && (got = zip_fread(f, out->buf + out->len, (size_t)st->size + 1 - out->len)) > 0) {
        out->len += (size_t)got;
        if (out->len > st->size)
            rc = err_set(reterr, EC_FORMAT, "%s, member '%s' is damaged: its size is not the one stated", w->what,
                         st->name);
    }
    if (!rc && (got < 0 || out->len < st->size))
        rc = err_set(reterr, EC_FORMAT, "%s, member '%s' is damaged: %s", w->what, st->name,
                     got < 0 ? zip_file_strerror(f) : "it ends too early");
    out->buf[out->len] = 0;
    zip_fclose(f);
    return rc;
}

static bool begins_with_zip(const struct strbuf *s)
{
    return s->len >= 4 && !memcmp(s->buf, "PK\3\4", 4);
}

static bool is_xml(const struct strbuf *s)
{
    size_t at = s->len >= 3 && !memcmp(s->buf, "\xEF\xBB\xBF", 3) ? 3 : 0;

    at += strspn(s->buf + at, " \t\r\n");
    return at < s->len && s->buf[at] == '<';
}

static enum ec look_into(struct zip_walk *w, zip_uint64_t at, const zip_stat_t *st, struct err *reterr)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(0), decoded = STRBUF(0);
    const char *what = arena_printf(&a, "'%s' of %s", st->name, w->what);
    size_t before = w->i->n, found = 0;
    struct err e = { 0 };
    enum ec rc = read_member(w, at, st, &text, reterr);

    if (rc)
        goto out;
    if (import_from_utf16(text.buf, text.len, &decoded)) {
        strbuf_release(&text);
        text = decoded;
        decoded = (struct strbuf){ 0 };
        strbuf_reserve(&text, 1);
    }
    if (begins_with_zip(&text)) {
        if (w->depth < MAX_ZIP_DEPTH)
            rc = import_zip(w->i, what, text.buf, text.len, w->depth + 1, reterr);
        else
            rc = err_set(reterr, EC_LIMIT, "%s: zips in zips deeper than %d", what, MAX_ZIP_DEPTH);
    } else if (is_xml(&text)) {
        bool claims = memmem(text.buf, text.len, "msdyn_mapping", 13) || memmem(text.buf, text.len, "legs", 4);

        /* Other XML of a solution (forms, web resources) need not even be well-formed. */
        if (claims && import_xml(w->i, what, text.buf, text.len, &found, &e))
            import_note(w->i, "%s", e.msg);
    } else if (import_looks_like_map((struct cell){ text.buf, text.len })) {
        if (import_text(w->i, what, text.buf, text.len, &e))
            import_note(w->i, "%s", e.msg);
    }
    w->i->others += w->i->n == before;
out:
    strbuf_release(&text);
    arena_release(&a);
    return rc;
}

enum ec import_zip(struct import *i, const char *what, const char *p, size_t n, int depth, struct err *reterr)
{
    struct zip_walk w = { .i = i, .depth = depth };
    struct arena a = { 0 };
    zip_error_t ze;
    zip_source_t *src;
    size_t before = i->n;
    enum ec rc = EC_OK;

    w.what = depth ? arena_strdup(&a, what) : arena_printf(&a, "'%s'", what);
    zip_error_init(&ze);
    src = zip_source_buffer_create(p, n, 0, &ze);
    if (src)
        w.zip = zip_open_from_source(src, ZIP_RDONLY, &ze);
    if (!w.zip) {
        rc = err_set(reterr, EC_FORMAT, "%s is not a whole zip: %s", w.what, zip_error_strerror(&ze));
        err_hint(reterr, "the file begins like a zip but was cut off or damaged: export or copy it again");
        zip_source_free(src);
        goto out;
    }
    rc = check_directory(&w, n, reterr);
    for (zip_int64_t k = 0; !rc && k < zip_get_num_entries(w.zip, 0); k++) {
        zip_stat_t st;

        if (zip_stat_index(w.zip, (zip_uint64_t)k, 0, &st))
            rc = err_set(reterr, EC_FORMAT, "%s: %s", w.what, zip_strerror(w.zip));
        else if (!st.size)
            continue; /* a folder, or nothing */
        else if (st.size > MAX_MEMBER)
            import_note(i, "'%s' of %s was not looked into: %llu octets", st.name, w.what,
                        (unsigned long long)st.size);
        else
            rc = look_into(&w, (zip_uint64_t)k, &st, reterr);
    }
    if (!rc && !depth && i->n == before) {
        rc = err_set(reterr, EC_FORMAT, "%s holds no dual-write map", w.what);
        err_hint(reterr,
                 "export the solution that has the component 'Dual Write entity map', or use 'dmfsync map pull'");
    }
out:
    if (w.zip)
        zip_discard(w.zip);
    zip_error_fini(&ze);
    arena_release(&a);
    return rc;
}
