#include "loader/package_import.h"
#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

enum { URL_RESERVE_MS = 5 * 60 * 1000 };

enum ec package_upload(struct map_ctx *m, const char *path, const char *name, struct arena *a, struct erp_place *ret,
                       struct err *reterr)
{
    struct erp *erp = m->pair->app->erp;
    enum ec rc = EC_OK;

    for (int tries = 0; tries < 3; tries++) {
        int64_t left;

        rc = erp_write_url(erp, name, a, ret, reterr);
        if (rc)
            return err_ctx(reterr, rc, "ask for a place for '%s'", path);
        left = ret->expires_ms ? ret->expires_ms - session_server_now_ms(erp_session(erp)) : INT64_MAX;
        if (left < URL_RESERVE_MS && tries < 2) {
            log_warn("send", "%s: the upload URL has %lld s left, asking for another", m->cfg->alias,
                     (long long)(left / 1000));
            continue;
        }
        rc = erp_blob_put(erp, ret, path, reterr);
        if (rc != EC_STATE) /* EC_STATE: the URL expired on the way */
            break;
        log_warn("send", "%s: the upload URL was refused, asking for another", m->cfg->alias);
    }
    return rc ? err_ctx(reterr, rc == EC_STATE ? EC_FNO : rc, "upload '%s'", path) : EC_OK;
}

/* Known texts of refused packages, with what to do (F&O "Error descriptions for data management"). */
void package_advise(struct err *e)
{
    static const struct {
        const char *text, *hint;
    } KNOWN[] = {
        { "does not exist in the target environment",
          "the label is not the environment's: refresh the entity list, check the language" },
        { "overwrite has not been specified", "a data project of that name exists with another definition" },
        { "mapping is incorrect",
          "another import of this data project runs, or the source data format was changed in F&O" },
        { "PackageHeader.xml", "the package is damaged on its way: look for proxies that rewrite uploads" },
    };

    for (size_t i = 0; i < COUNT(KNOWN); i++)
        if (strstr(e->msg, KNOWN[i].text)) {
            err_hint(e, "%s", KNOWN[i].hint);
            return;
        }
}

enum ec package_error_keys(struct map_ctx *m, const char *execution_id, struct cell entity_label, bool staging,
                           erp_key_fn *fn, void *arg, struct err *reterr)
{
    struct arena a = { 0 };
    struct cell names[32];
    size_t n = key_names(m, names, COUNT(names));
    char *path = workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp/errors-%ld.txt", (long)getpid());
    bool found = false;
    struct err soft = { 0 };
    enum ec rc =
        erp_error_file(m->pair->app->erp, execution_id, cell_cstr(&a, entity_label), staging, path, &found, &soft);

    if (!rc && found) {
        rc = erp_key_file(path, names, n, fn, arg, &soft);
        (void)unlink(path);
    }
    if (rc == EC_FNO || rc == EC_FORMAT) {
        log_warn("settle", "%s: the %s error file cannot be used: %s", m->cfg->alias, staging ? "staging" : "target",
                 soft.msg);
        rc = EC_OK;
    } else if (rc && reterr) {
        *reterr = soft;
    }
    arena_release(&a);
    return rc;
}

bool record_parts(size_t n_key, struct cell id, record_known *fn, void *arg)
{
    static const char SEPARATORS[] = "|,;\t-_/: ";
    struct cell parts[32];

    if (n_key == 1)
        return fn(arg, &id, 1);
    for (size_t k = 0; SEPARATORS[k]; k++) {
        size_t found = 0;
        const char *p = id.ptr, *end = id.ptr + id.len;

        while (found < n_key && found < COUNT(parts)) {
            const char *sep = found + 1 < n_key ? memchr(p, SEPARATORS[k], (size_t)(end - p)) : NULL;

            parts[found++] = (struct cell){ p, (size_t)((sep ? sep : end) - p) };
            if (!sep)
                break;
            p = sep + 1;
        }
        if (found == n_key && fn(arg, parts, n_key))
            return true;
    }
    return false;
}
