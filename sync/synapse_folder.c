/* synapse_folder.c -- the folders of a Synapse Link container, and what each says of a table. */
#include "base/file.h"
#include "base/log.h"
#include "sync/synapse_parts.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { INFO_MAX = 4096, MODEL_MAX = 64 << 20, MAX_FOLDERS = 200000, MAX_FILES = 100000 };

/* "2024-05-01T10.15.00Z" */
static bool is_folder_name(const char *name, size_t n)
{
    static const char SHAPE[] = "dddd-dd-ddTdd.dd.ddZ";

    if (n != sizeof(SHAPE) - 1)
        return false;
    for (size_t i = 0; i < n; i++)
        if (SHAPE[i] == 'd' ? !isdigit((unsigned char)name[i]) : name[i] != SHAPE[i])
            return false;
    return true;
}

/* The folder that is being written, in `a`; "" = none. */
static enum ec being_written(const char *dir, struct arena *a, const char **ret, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    char *path = arena_printf(a, "%s/Changelog/changelog.info", dir);
    const char *at, *slash;
    size_t n;
    enum ec rc;

    if (!file_exists(path)) {
        err_set(reterr, EC_CONFIG,
                "'%s' has no Changelog/changelog.info: it cannot be told which of its folders is being "
                "written",
                dir);
        return err_hint(reterr, "name a copy of the whole container that Synapse Link writes in incremental folders");
    }
    rc = file_read(path, INFO_MAX, &text, reterr);
    if (rc)
        return rc;
    at = strbuf_str(&text);
    if (!strncmp(at, "\xef\xbb\xbf", 3))
        at += 3;
    while (isspace((unsigned char)*at))
        at++;
    n = strlen(at);
    while (n && (isspace((unsigned char)at[n - 1]) || at[n - 1] == '/'))
        n--;
    *ret = arena_dup(a, at, n);
    strbuf_release(&text);
    slash = strrchr(*ret, '/');
    if (slash)
        *ret = slash + 1;
    if (**ret && !is_folder_name(*ret, strlen(*ret)))
        return err_set(reterr, EC_FORMAT, "'%s' names no folder of this kind: '%.60s'", path, *ret);
    return EC_OK;
}

/* *ret NULL = it is empty or missing: whether that matters depends on what is in the folder. */
static enum ec read_model(const struct synapse_folder *f, struct arena *a, const struct json **ret,
                          struct err *reterr)
{
    struct json_limits lim = { .octets = MODEL_MAX, .depth = 32 };
    char *path = arena_printf(a, "%s/model.json", f->path);
    struct strbuf text = STRBUF(0);
    struct json *v = NULL;
    enum ec rc;

    *ret = NULL;
    if (file_size(path) <= 0)
        return EC_OK;
    rc = file_read(path, MODEL_MAX, &text, reterr);
    if (!rc)
        rc = json_parse(path, strbuf_str(&text), text.len, &lim, a, &v, reterr);
    strbuf_release(&text);
    if (!rc && (!json_get(v, "entities") || json_get(v, "entities")->type != JSON_ARRAY))
        rc = err_set(reterr, EC_FORMAT, "'%s' lists no entities", path);
    if (!rc)
        *ret = v;
    else
        err_hint(reterr, "the copy of the container is not whole: copy it again");
    return rc;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct synapse_folder *)x)->name, ((const struct synapse_folder *)y)->name);
}

static enum ec list_folders(struct synapse *s, const char *writing, struct err *reterr)
{
    struct dirent *e;
    size_t cap = 0;
    DIR *d = opendir(s->dir);

    if (!d)
        return err_errno(reterr, errno == ENOENT ? EC_CONFIG : EC_IO, errno, "read the folder '%s'", s->dir);
    while ((e = readdir(d))) {
        if (!is_folder_name(e->d_name, strlen(e->d_name)) || !strcmp(e->d_name, writing))
            continue;
        if (s->n == MAX_FOLDERS) {
            closedir(d);
            return err_set(reterr, EC_LIMIT, "'%s' has more than %d folders", s->dir, MAX_FOLDERS);
        }
        if (s->n == cap)
            s->folders = xrealloc(s->folders, (cap = cap ? cap * 2 : 64) * sizeof(*s->folders));
        s->folders[s->n] = (struct synapse_folder){ .name = arena_strdup(&s->a, e->d_name) };
        s->folders[s->n].path = arena_printf(&s->a, "%s/%s", s->dir, e->d_name);
        s->n++;
    }
    closedir(d);
    if (s->n)
        qsort(s->folders, s->n, sizeof(*s->folders), by_name);
    return EC_OK;
}

enum ec synapse_open(const char *dir, const char *tmp, struct synapse **ret, struct err *reterr)
{
    struct synapse *s = xcalloc(1, sizeof(*s));
    const char *writing = "", *last;
    enum ec rc;

    s->dir = arena_strdup(&s->a, dir);
    s->tmp = arena_strdup(&s->a, tmp);
    rc = being_written(dir, &s->a, &writing, reterr);
    if (!rc)
        rc = list_folders(s, writing, reterr);
    if (!rc && !s->n)
        rc = err_set(reterr, *writing ? EC_BUSY : EC_CONFIG, "'%s' has no folder that is finished%s%s", dir,
                     *writing ? "; being written: " : "", writing);
    if (rc) {
        synapse_close(s);
        return rc;
    }
    last = s->folders[s->n - 1].name; /* everything up to when it was begun */
    snprintf(s->as_of, sizeof(s->as_of), "%.13s:%.2s:%.2sZ", last, last + 14, last + 17);
    log_info("synapse", "'%s': %zu folders, as of %s%s%s", dir, s->n, s->as_of,
             *writing ? "; not read, since it is being written: " : "", writing);
    *ret = s;
    return EC_OK;
}

void synapse_close(struct synapse *s)
{
    if (!s)
        return;
    free(s->folders);
    arena_release(&s->a);
    free(s);
}

/* ---- one table in one folder ---- */

static const struct json *entity_of(const struct json *model, struct cell table)
{
    const struct json *list = json_get(model, "entities");

    for (const struct json *v = list ? list->child : NULL; v; v = v->next)
        if (cell_ieq(json_member(v, "name"), table))
            return v;
    return NULL;
}

static void take_annotations(const struct json *entity, struct synapse_files *f)
{
    const struct json *list = json_get(entity, "annotations");

    for (const struct json *v = list ? list->child : NULL; v; v = v->next)
        if (cell_is(json_member(v, "name"), "Athena:InitialSyncState"))
            f->initial = cell_ieq(json_member(v, "value"), CELL_LIT("Completed")) ? SYNC_COMPLETED : SYNC_GOING_ON;
}

static enum ec take_attributes(const struct synapse_folder *at, const struct json *entity, struct arena *a,
                               struct synapse_files *f, struct err *reterr)
{
    const struct json *list = json_get(entity, "attributes");

    if (!list || list->type != JSON_ARRAY || !list->n || list->n > 10000)
        return err_set(reterr, EC_FORMAT, "'%s/model.json': entity '" CELL_FMT "' has no attributes", at->path,
                       CELL_ARG(json_member(entity, "name")));
    f->attributes = arena_zalloc(a, list->n * sizeof(*f->attributes));
    f->booleans = arena_zalloc(a, list->n);
    for (const struct json *v = list->child; v; v = v->next) {
        f->attributes[f->n] = json_member(v, "name");
        f->booleans[f->n++] = cell_ieq(json_member(v, "dataType"), CELL_LIT("boolean"));
    }
    return EC_OK;
}

/* The storage's address as a path below the folder: what stands behind "/FOLDER/". */
static enum ec local_path(const struct synapse_folder *at, struct cell location, struct arena *a, char **ret,
                          struct err *reterr)
{
    char *text = cell_cstr(a, location), *rest = strstr(text, arena_printf(a, "/%s/", at->name)), *to;

    rest = rest ? rest + strlen(at->name) + 2 : NULL;
    if (rest) {
        rest[strcspn(rest, "?")] = 0; /* a signature, if there is one, is nobody's business */
        to = rest;
        for (char *p = rest; *p; p++)
            if (*p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
                char hex[3] = { p[1], p[2], 0 };

                *to++ = (char)strtol(hex, NULL, 16);
                p += 2;
            } else {
                *to++ = *p;
            }
        *to = 0;
    }
    if (!rest || !*rest || *rest == '/' || strstr(rest, "..") || strlen(rest) > 500)
        return err_set(reterr, EC_FORMAT, "'%s/model.json' names a file outside of its folder: '" CELL_FMT "'",
                       at->path, CELL_ARG(location));
    *ret = arena_printf(a, "%s/%s", at->path, rest);
    return EC_OK;
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* FILE.csv of the table's folder, sorted. */
static void list_files(const struct synapse_folder *at, struct cell table, struct arena *a, struct synapse_files *f)
{
    char *dir = arena_printf(a, "%s/" CELL_FMT, at->path, CELL_ARG(table)), **found = NULL;
    size_t n = 0, cap = 0;
    struct dirent *e;
    DIR *d = opendir(dir);

    while (d && (e = readdir(d))) {
        size_t len = strlen(e->d_name);

        if (len < 5 || strcasecmp(e->d_name + len - 4, ".csv") != 0 || n == MAX_FILES)
            continue;
        if (n == cap)
            found = xrealloc(found, (cap = cap ? cap * 2 : 16) * sizeof(*found));
        found[n++] = arena_printf(a, "%s/%s", dir, e->d_name);
    }
    if (d)
        closedir(d);
    if (n)
        qsort(found, n, sizeof(*found), by_text);
    f->paths = arena_alloc(a, (n + 1) * sizeof(*f->paths));
    if (n)
        memcpy(f->paths, found, n * sizeof(*found));
    f->n_files = n;
    free(found);
}

static enum ec take_partitions(const struct synapse_folder *at, const struct json *list, struct arena *a,
                               struct synapse_files *f, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (list->n > MAX_FILES)
        return err_set(reterr, EC_LIMIT, "'%s/model.json' names more than %d files", at->path, MAX_FILES);
    f->paths = arena_alloc(a, (list->n + 1) * sizeof(*f->paths));
    for (const struct json *v = list->child; v && !rc; v = v->next) {
        rc = local_path(at, json_member(v, "location"), a, &f->paths[f->n_files], reterr);
        if (!rc && !file_exists(f->paths[f->n_files]))
            rc = err_set(reterr, EC_FORMAT, "'%s' is not there, though '%s/model.json' names it",
                         f->paths[f->n_files], at->path);
        f->n_files += !rc;
    }
    if (rc)
        err_hint(reterr, "the copy of the container is not whole: copy it again");
    return rc;
}

enum ec synapse_files_of(const struct synapse *s, size_t folder, struct cell table, struct arena *a,
                         struct synapse_files *ret, struct err *reterr)
{
    const struct synapse_folder *at = &s->folders[folder];
    const struct json *model, *entity, *list;
    struct synapse_files f = { 0 };
    enum ec rc = read_model(at, a, &model, reterr);

    if (rc)
        return rc;
    entity = model ? entity_of(model, table) : NULL;
    if (!entity) {
        list_files(at, table, a, &f);
        if (f.n_files) {
            err_set(reterr, EC_FORMAT, "'%s' has rows of '" CELL_FMT "', but %s", at->path, CELL_ARG(table),
                    model ? "its model.json does not describe that table" : "no model.json, or an empty one");
            return err_hint(reterr, "without it nobody knows their columns: copy the folder again");
        }
        *ret = f;
        return EC_OK;
    }
    take_annotations(entity, &f);
    list = json_get(entity, "partitions");
    if (list && list->type == JSON_ARRAY)
        rc = take_partitions(at, list, a, &f, reterr);
    else
        list_files(at, table, a, &f);
    if (!rc)
        rc = take_attributes(at, entity, a, &f, reterr);
    if (!rc)
        *ret = f;
    return rc;
}
