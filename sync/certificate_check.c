/* certificate_check.c -- is a certificate as it was signed, and does a workspace still hold what it says? */
#include "data/sign.h"
#include "sync/certificate.h"

#include <stdio.h>

static const struct json_limits LIMITS = { .octets = (size_t)256 << 20, .depth = 16, .token = 1 << 20 };

static enum ec changed(struct err *reterr, const char *path, const char *what)
{
    err_set(reterr, EC_DIFFERENT, "certificate '%s' was changed: %s", path, what);
    return err_hint(reterr, "ask whoever gave it for the original file");
}

/* As we write it, to the octet: what a section's digest does not see (white space, order of members) counts, too. */
static enum ec as_written(const char *path, const struct strbuf *file, const struct json *doc, struct err *reterr)
{
    struct strbuf again = STRBUF(0);
    size_t i = 0, line = 1;
    char what[80];
    bool same;

    json_write_pretty(&again, doc);
    same = again.len == file->len && !memcmp(again.buf, file->buf, file->len);
    for (; !same && i < again.len && i < file->len && again.buf[i] == file->buf[i]; i++)
        line += file->buf[i] == '\n';
    strbuf_release(&again);
    if (same)
        return EC_OK;
    snprintf(what, sizeof(what), "line %zu is not written as dmfsync writes it", line);
    return changed(reterr, path, what);
}

static bool is_section(const struct json *v)
{
    return !cell_is(v->name, "sections") && !cell_is(v->name, "signature");
}

static enum ec check_sections(const char *path, const struct json *doc, const struct json *sections,
                              struct err *reterr)
{
    size_t n = 0;
    char what[300];

    for (const struct json *s = doc->child; s; s = s->next) {
        char hash[65];
        struct arena a = { 0 };
        struct cell want;

        if (!is_section(s))
            continue;
        n++;
        want = json_member(sections, cell_cstr(&a, s->name));
        certificate_section_hash(s, hash);
        arena_release(&a);
        if (cell_is(want, hash))
            continue;
        snprintf(what, sizeof(what), want.ptr ? "its part '" CELL_FMT "'" : "its part '" CELL_FMT "' was added",
                 CELL_ARG(s->name));
        return changed(reterr, path, what);
    }
    if (n == sections->n)
        return EC_OK;
    for (const struct json *s = sections->child; s; s = s->next) {
        struct arena a = { 0 };
        bool there = json_get(doc, cell_cstr(&a, s->name)) != NULL;

        arena_release(&a);
        if (there)
            continue;
        snprintf(what, sizeof(what), "its part '" CELL_FMT "' was taken out", CELL_ARG(s->name));
        return changed(reterr, path, what);
    }
    return changed(reterr, path, "its parts and their list are not the same");
}

static void count_maps(const struct json *doc, struct certificate_check *c)
{
    for (const struct json *s = doc->child; s; s = s->next) {
        if (s->name.len < 4 || memcmp(s->name.ptr, "map ", 4))
            continue;
        c->maps++;
        c->parity += cell_is(json_member(json_get(s, "counts"), "verdict"), "parity");
    }
}

enum ec certificate_verify(const char *path, const char *key_path, struct arena *a, struct certificate_check *ret,
                           struct err *reterr)
{
    struct certificate_check c = { 0 };
    struct strbuf file = STRBUF(0), text = STRBUF(0);
    const struct json *sections, *signature;
    struct cell public;
    enum ec rc = file_read(path, LIMITS.octets, &file, reterr);

    if (!rc)
        rc = json_parse("certificate", file.buf, file.len, &LIMITS, a, &c.doc, reterr);
    if (rc)
        goto out;
    sections = json_get(c.doc, "sections");
    signature = json_get(c.doc, "signature");
    if (!cell_is(json_member(json_get(c.doc, "head"), "what"), "dmfsync parity certificate") || !sections ||
        sections->type != JSON_OBJECT || !signature) {
        rc = err_set(reterr, EC_FORMAT, "'%s' is no parity certificate of dmfsync", path);
        goto out;
    }
    if (!cell_is(json_member(json_get(c.doc, "head"), "format"), CERTIFICATE_FORMAT)) {
        rc = err_set(reterr, EC_FORMAT, "certificate '%s' has a format that this version of dmfsync does not know",
                     path);
        goto out;
    }
    rc = check_sections(path, c.doc, sections, reterr);
    if (rc)
        goto out;
    public = json_member(signature, "public_key");
    certificate_signed_text(sections, &text);
    if (!cell_is(json_member(signature, "algorithm"), "Ed25519") ||
        !sign_verify(public, text.buf, text.len, json_member(signature, "value"))) {
        rc = changed(reterr, path, "the signature does not fit the list of its parts");
        goto out;
    }
    rc = as_written(path, &file, c.doc, reterr);
    if (rc)
        goto out;
    snprintf(c.key, sizeof(c.key), "%.*s", (int)public.len, public.ptr);
    if (key_path) {
        char mine[SIGN_KEY_HEX + 1];

        rc = sign_public_read(key_path, mine, reterr);
        if (!rc && strcmp(mine, c.key)) {
            rc = err_set(reterr, EC_DIFFERENT, "certificate '%s' is signed with another key than '%s'", path,
                         key_path);
            err_hint(reterr, "its key is %s; who holds that one?", c.key);
        }
        c.key_matches = !rc;
    }
    count_maps(c.doc, &c);
    if (!rc)
        *ret = c;
out:
    strbuf_release(&file);
    strbuf_release(&text);
    return rc;
}

/* ---- against a workspace ---- */

struct recipe { /* how the rows were made into a root */
    struct canon_rule *rules;
    uint16_t *compared;
    size_t n;
};

static bool small(const struct json *v, const char *name, int64_t min, int64_t max, int64_t *ret)
{
    struct cell c = json_member(v, name);

    return cell_to_i64(c, ret) && *ret >= min && *ret <= max;
}

static enum ec recipe_of(const struct json *map, struct arena *a, struct recipe *ret, struct err *reterr)
{
    const struct json *fields = json_get(map, "fields");
    int64_t max = 0, cell, type, scale, letters, round;

    for (const struct json *f = fields ? fields->child : NULL; f; f = f->next)
        if (small(f, "cell", 0, 65535, &cell) && cell > max)
            max = cell;
    *ret = (struct recipe){ .rules = arena_zalloc(a, (size_t)(max + 1) * sizeof(*ret->rules)),
                            .compared = arena_zalloc(a, ((fields ? fields->n : 0) + 1) * sizeof(*ret->compared)) };
    for (const struct json *f = fields ? fields->child : NULL; f; f = f->next) {
        if (!small(f, "cell", 0, 65535, &cell) || !small(f, "type", 0, CANON_GUID, &type) ||
            !small(f, "scale", -1, 40, &scale) || !small(f, "letters", 0, CANON_CASE_KEPT, &letters) ||
            !small(f, "round", 0, 17, &round))
            return err_set(reterr, EC_FORMAT, "the certificate's fields cannot be read");
        ret->rules[cell] = (struct canon_rule){ .type = (enum canon_type)type,
                                                .scale = (int)scale,
                                                .strict = json_bool(json_get(f, "strict"), false),
                                                .zero = json_member(f, "zero"),
                                                .day = json_bool(json_get(f, "day"), false),
                                                .round = (int8_t)round };
        ret->rules[cell].letters = letters;
        ret->rules[cell].tuned = letters || ret->rules[cell].day || round;
        ret->compared[ret->n++] = (uint16_t)cell;
    }
    return EC_OK;
}

/* A name of ours and nothing else: the file came from outside. */
static bool plain_name(struct cell c)
{
    for (size_t i = 0; i < c.len; i++)
        if (!((c.ptr[i] >= 'a' && c.ptr[i] <= 'z') || (c.ptr[i] >= '0' && c.ptr[i] <= '9') || c.ptr[i] == '-' ||
              c.ptr[i] == '_' || (c.ptr[i] == '.' && i && c.ptr[i - 1] != '.')))
            return false;
    return c.len > 0 && c.len < 100;
}

static enum ec one_side(const struct json *map, const char *side, struct cell alias, const char *workspace,
                        const struct recipe *how, struct output *o, struct err *reterr)
{
    const struct json *s = json_get(map, side);
    struct cell file = json_member(s, "snapshot");
    struct arena a = { 0 };
    char root[65], *path;
    enum ec rc = EC_OK;

    if (!plain_name(file) || !plain_name(alias))
        return err_set(reterr, EC_FORMAT, "the certificate names no snapshot of ours");
    path =
        arena_printf(&a, "%s/.dmfsync/maps/%.*s/%.*s", workspace, (int)alias.len, alias.ptr, (int)file.len, file.ptr);
    if (!file_exists(path)) {
        rc = err_set(reterr, EC_STATE, CELL_FMT ": the workspace no longer holds the snapshot " CELL_FMT,
                     CELL_ARG(alias), CELL_ARG(file));
        err_hint(reterr,
                 "newer comparisons replace it; check a certificate before them, or restore the archived snapshot");
    } else {
        rc = certificate_root(path, how->rules, how->compared, how->n, root, reterr);
    }
    if (!rc && !cell_is(json_member(s, "root"), root))
        rc = err_set(reterr, EC_DIFFERENT,
                     CELL_FMT ": the rows of %s in snapshot " CELL_FMT " are not those of the certificate",
                     CELL_ARG(alias), side, CELL_ARG(file));
    if (!rc)
        out_line(o, CELL_FMT ", %s: snapshot " CELL_FMT " has the certificate's root", CELL_ARG(alias), side,
                 CELL_ARG(file));
    arena_release(&a);
    return rc;
}

enum ec certificate_against(const struct certificate_check *c, const char *workspace, struct output *o,
                            struct err *reterr)
{
    int64_t canon = json_i64(json_get(json_get(c->doc, "head"), "canon"), 0);
    enum ec rc = EC_OK;

    if (canon != CANON_VERSION)
        return err_set(reterr, EC_STATE, "the certificate goes by the rules c%lld, this version of dmfsync by c%d",
                       (long long)canon, CANON_VERSION);
    for (const struct json *s = c->doc->child; s && !rc; s = s->next) {
        struct arena a = { 0 };
        struct recipe how;
        struct cell alias;

        if (s->name.len < 4 || memcmp(s->name.ptr, "map ", 4))
            continue;
        alias = (struct cell){ s->name.ptr + 4, s->name.len - 4 };
        rc = recipe_of(s, &a, &how, reterr);
        if (!rc)
            rc = one_side(s, "fno", alias, workspace, &how, o, reterr);
        if (!rc)
            rc = one_side(s, "dataverse", alias, workspace, &how, o, reterr);
        arena_release(&a);
    }
    return rc;
}
