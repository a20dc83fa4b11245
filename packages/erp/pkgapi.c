/* pkgapi.c -- the actions of the package API: places, import, status, counters, export. */
#include "erp/pkgapi.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "erp/erp_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_CALL_MS = 30 * 60 * 1000, ACTION_MS = 120000 };

static void one_parameter(struct strbuf *b, const char *name, const char *value)
{
    struct jsonw w = { .out = b };

    jw_begin(&w, '{');
    jw_ps(&w, name, value);
    jw_end(&w, '}');
}

/* "se=2026-01-05T09%3A30%3A00Z" of the signed URL. */
static int64_t expiry_of(const char *url)
{
    const char *p = strstr(url, "se=");
    char text[40];
    size_t n = 0;
    int64_t t;

    while (p && p > url && p[-1] != '?' && p[-1] != '&')
        p = strstr(p + 1, "se=");
    if (!p)
        return 0;
    for (p += 3; *p && *p != '&' && n < sizeof(text) - 1; p++) {
        if (!strncmp(p, "%3A", 3) || !strncmp(p, "%3a", 3)) {
            text[n++] = ':';
            p += 2;
        } else {
            text[n++] = *p;
        }
    }
    return clock_parse_utc(text, n, &t) ? t : 0;
}

enum ec erp_write_url(struct erp *e, const char *file_name, struct arena *a, struct erp_place *ret,
                      struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct json *v = NULL;
    struct cell value, url;
    enum ec rc;

    one_parameter(&body, "uniqueFileName", file_name);
    STEP(url_ask);
    rc = erp_action(e, "GetAzureWriteUrl", &body, CALL_REPEATABLE, ACTION_MS, a, &value, reterr);
    STEP(url_given);
    strbuf_release(&body);
    /* The result is a JSON text inside a JSON string. */
    if (!rc && json_parse("GetAzureWriteUrl", value.ptr, value.len, NULL, a, &v, NULL))
        rc = err_set(reterr, EC_FNO, "GetAzureWriteUrl answered with something that is not JSON");
    if (rc)
        return rc;
    url = json_member(v, "BlobUrl");
    if (cell_blank(url))
        return err_set(reterr, EC_FNO, "GetAzureWriteUrl answered without a BlobUrl");
    ret->blob_id = cell_cstr(a, json_member(v, "BlobId"));
    ret->url = cell_cstr(a, url);
    ret->expires_ms = expiry_of(ret->url);
    return EC_OK;
}

enum ec erp_import(struct erp *e, const struct erp_import *i, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct jsonw w = { .out = &body };
    struct arena a = { 0 };
    struct cell value;
    struct err local = { 0 };
    enum ec rc;

    if (!reterr)
        reterr = &local;
    jw_begin(&w, '{');
    jw_ps(&w, "packageUrl", i->package_url);
    jw_ps(&w, "definitionGroupId", i->project);
    jw_ps(&w, "executionId", i->execution_id);
    jw_pbool(&w, "execute", i->execute);
    jw_pbool(&w, "overwrite", i->overwrite);
    jw_ps(&w, "legalEntityId", i->company);
    jw_end(&w, '}');
    STEP(import_call);
    rc = erp_action(e, "ImportFromPackage", &body, CALL_ONCE, LONG_CALL_MS, &a, &value, reterr);
    STEP(import_called);
    if (rc == EC_FNO && (strstr(reterr->msg, "xecution id") || strstr(reterr->msg, "xecutionId")) &&
        strstr(reterr->msg, "exist"))
        rc = reterr->code = EC_STATE;
    if (!rc && !cell_blank(value) && !cell_ieq(value, cell_of(i->execution_id)))
        log_warn("erp", "ImportFromPackage answered with execution id '" CELL_FMT "' instead of '%s'",
                 CELL_ARG(value), i->execution_id);
    strbuf_release(&body);
    arena_release(&a);
    return rc;
}

static const struct {
    const char *word;
    enum erp_status s;
} STATUSES[] = {
    { "(no job yet)", ERP_PENDING }, { "Unknown", ERP_UNKNOWN },     { "NotRun", ERP_NOT_RUN },
    { "Executing", ERP_EXECUTING },  { "Succeeded", ERP_SUCCEEDED }, { "PartiallySucceeded", ERP_PARTIAL },
    { "Failed", ERP_FAILED },        { "Canceled", ERP_CANCELED },
};

const char *erp_status_word(enum erp_status s)
{
    for (size_t i = 0; i < COUNT(STATUSES); i++)
        if (STATUSES[i].s == s)
            return STATUSES[i].word;
    return "?";
}

bool erp_status_final(enum erp_status s)
{
    return s == ERP_SUCCEEDED || s == ERP_PARTIAL || s == ERP_FAILED || s == ERP_CANCELED;
}

enum ec erp_status(struct erp *e, const char *execution_id, enum erp_status *ret, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct arena a = { 0 };
    struct cell value;
    struct err local = { 0 };
    enum ec rc;

    if (!reterr)
        reterr = &local;
    one_parameter(&body, "executionId", execution_id);
    STEP(status_poll);
    rc = erp_action(e, "GetExecutionSummaryStatus", &body, CALL_REPEATABLE, ACTION_MS, &a, &value, reterr);
    STEP(status_polled);
    strbuf_release(&body);
    if (rc == EC_FNO && reterr->http_status == 400 && strstr(reterr->msg, "xecution details were not found")) {
        *ret = ERP_PENDING;
        rc = EC_OK;
    } else if (!rc) {
        *ret = ERP_EXECUTING; /* words of newer builds ("Queued") are not final */
        for (size_t i = 1; i < COUNT(STATUSES); i++)
            if (cell_ieq(value, cell_of(STATUSES[i].word)))
                *ret = STATUSES[i].s;
    }
    arena_release(&a);
    return rc;
}

struct details {
    struct erp_counters *c;
    size_t max, n;
};

static void copy_text(char *to, size_t n, struct cell c)
{
    snprintf(to, n, "%.*s", (int)(c.len < n ? c.len : n - 1), c.ptr ? c.ptr : "");
}

static enum ec take_details(void *arg, const struct json *rec, struct err *reterr)
{
    struct details *d = arg;
    struct erp_counters *c = &d->c[d->n];

    (void)reterr;
    if (d->n == d->max)
        return EC_OK;
    memset(c, 0, sizeof(*c));
    copy_text(c->entity, sizeof(c->entity), json_member(rec, "EntityName"));
    copy_text(c->staging_status, sizeof(c->staging_status), json_member(rec, "StagingStatus"));
    copy_text(c->target_status, sizeof(c->target_status), json_member(rec, "TargetStatus"));
    c->staging_total = json_i64(json_get(rec, "StagingRecordsToBeProcessedCount"), 0);
    c->staging_created = json_i64(json_get(rec, "StagingRecordsCreatedCount"), 0);
    c->target_created = json_i64(json_get(rec, "TargetRecordsCreatedCount"), 0);
    c->target_updated = json_i64(json_get(rec, "TargetRecordsUpdatedCount"), 0);
    d->n++;
    return EC_OK;
}

enum ec erp_job_details(struct erp *e, const char *execution_id, struct erp_counters *ret, size_t max, size_t *ret_n,
                        struct err *reterr)
{
    struct details d = { .c = ret, .max = max };
    struct strbuf url = STRBUF(0);
    enum ec rc;

    strbuf_adds(&url, "/data/DataManagementExecutionJobDetails?$filter=JobId%20eq%20");
    erp_add_literal(&url, cell_of(execution_id));
    rc = erp_read_rows(e, "DataManagementExecutionJobDetails", url.buf, take_details, &d, reterr);
    strbuf_release(&url);
    *ret_n = d.n;
    return rc;
}

enum ec erp_job_exists(struct erp *e, const char *execution_id, bool *ret, struct err *reterr)
{
    struct erp_counters c;
    size_t n = 0;
    enum ec rc = erp_job_details(e, execution_id, &c, 1, &n, reterr);

    enum erp_status s;

    /* The entities' rows come a little after the job itself, which the status call knows first. */
    if (!rc && !n) {
        rc = erp_status(e, execution_id, &s, reterr);
        n = !rc && s != ERP_PENDING;
    }
    if (!rc)
        *ret = n > 0;
    return rc;
}

/* ---- export ---- */

struct seen_project {
    const char *name;
    bool there, imports;
};

static enum ec take_project(void *arg, const struct json *rec, struct err *reterr)
{
    struct seen_project *s = arg;
    struct cell type = json_member(rec, "OperationType");

    (void)reterr;
    if (cell_ieq(json_member(rec, "Name"), cell_of(s->name))) {
        s->there = true;
        s->imports = !cell_blank(type) && !cell_ieq(type, CELL_LIT("Export"));
    }
    return EC_OK;
}

/* By filter: the key has been seen with and without the operation type, and a missing one as 404 and as 400. */
static enum ec look_for_project(struct erp *e, struct seen_project *s, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    enum ec rc;

    strbuf_adds(&url, "/data/DataManagementDefinitionGroups?$filter=Name%20eq%20");
    erp_add_literal(&url, cell_of(s->name));
    rc = erp_read_rows(e, "DataManagementDefinitionGroups", url.buf, take_project, s, reterr);
    strbuf_release(&url);
    return rc;
}

enum ec erp_project_exists(struct erp *e, const char *name, bool *ret, struct err *reterr)
{
    struct seen_project seen = { .name = name };
    enum ec rc = look_for_project(e, &seen, reterr);

    if (!rc)
        *ret = seen.there;
    return rc;
}

static enum ec post(struct erp *e, const char *set, const struct strbuf *body, struct err *reterr)
{
    static const struct http_header JSON_BODY[] = { { "Content-Type", "application/json; charset=utf-8" } };
    struct arena a = { 0 };
    struct call c = { .http = { .method = "POST",
                                .url = arena_printf(&a, "/data/%s", set),
                                .headers = JSON_BODY,
                                .n_headers = 1,
                                .body = strbuf_str(body),
                                .body_len = body->len,
                                .what = set },
                      .repeat = CALL_ONCE,
                      .user = -1 };
    struct http_response r;
    enum ec rc;

    http_response_init(&r);
    for (int tries = 0;; tries++) {
        rc = session_do(e->s, &c, &r, reterr);
        /* Posts in quick succession are known to meet an update conflict that is gone a little later. */
        if (rc != EC_FNO || tries == 3 || !strstr(reterr->msg, "update conflict") || !clock_sleep_ms(5000))
            break;
    }
    http_response_release(&r);
    arena_release(&a);
    return rc;
}

static enum ec make_group(struct erp *e, const struct erp_project *p, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct jsonw w = { .out = &body };
    enum ec rc;

    jw_begin(&w, '{');
    jw_ps(&w, "Name", p->name);
    jw_ps(&w, "OperationType", "Export");
    jw_ps(&w, "ProjectCategory", "Integration");
    jw_ps(&w, "Description", p->description ? p->description : "");
    jw_ps(&w, "GenerateDataPackage", "No");
    jw_ps(&w, "TruncateEntityData", "No");
    jw_end(&w, '}');
    rc = post(e, "DataManagementDefinitionGroups", &body, reterr);
    strbuf_release(&body);
    return rc;
}

static enum ec make_detail(struct erp *e, const struct erp_project *p, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct jsonw w = { .out = &body };
    enum ec rc;

    jw_begin(&w, '{');
    jw_ps(&w, "DefinitionGroupId", p->name);
    jw_ps(&w, "EntityName", p->entity_label);
    jw_ps(&w, "SourceFormat", p->source_format);
    jw_ps(&w, "DefaultRefreshType", p->incremental ? "IncrementalPush" : "FullPush");
    /* Without a field map an export stages no rows and its job never ends. */
    jw_ps(&w, "AutoGenerateMapping", "Yes");
    jw_ps(&w, "SkipStaging", "No");
    jw_pi64(&w, "ExecutionUnit", 1);
    jw_pi64(&w, "LevelInExecutionUnit", 1);
    jw_pi64(&w, "SequenceInLevel", 1);
    jw_end(&w, '}');
    rc = post(e, "DataManagementDefinitionGroupDetails", &body, reterr);
    strbuf_release(&body);
    return rc;
}

struct seen_lines {
    const struct erp_project *p;
    size_t n;
};

/* A project of that name which does something else is somebody else's: never changed, never run. */
static enum ec take_line(void *arg, const struct json *rec, struct err *reterr)
{
    struct seen_lines *s = arg;
    struct cell entity = json_member(rec, "EntityName"), refresh = json_member(rec, "DefaultRefreshType");
    bool full = cell_ieq(refresh, CELL_LIT("FullPush"));

    s->n++;
    if (!cell_ieq(entity, cell_of(s->p->entity_label)))
        err_set(reterr, EC_GUARD, "it exists, but exports '" CELL_FMT "' instead of '%s'", CELL_ARG(entity),
                s->p->entity_label);
    else if (!cell_blank(refresh) && full == s->p->incremental)
        err_set(reterr, EC_GUARD, "it exists, but its refresh type is " CELL_FMT, CELL_ARG(refresh));
    else
        return EC_OK;
    return err_hint(reterr, "rename or delete the data project '%s' in F&O, then run the command again", s->p->name);
}

enum ec erp_project_ensure(struct erp *e, const struct erp_project *p, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    struct seen_project seen = { .name = p->name };
    struct seen_lines lines = { .p = p };
    struct err local = { 0 };
    enum ec rc;

    if (!reterr)
        reterr = &local;
    rc = look_for_project(e, &seen, reterr);
    if (!rc && seen.imports) {
        rc = err_set(reterr, EC_GUARD, "it exists, but is not an export project");
        err_hint(reterr, "rename or delete the data project '%s' in F&O, then run the command again", p->name);
    }
    STEP(project_make);
    if (!rc && !seen.there)
        rc = make_group(e, p, reterr);
    /* Group and detail are two calls: an earlier try may have made only the first. */
    strbuf_adds(&url, "/data/DataManagementDefinitionGroupDetails?$filter=DefinitionGroupId%20eq%20");
    erp_add_literal(&url, cell_of(p->name));
    if (!rc)
        rc = erp_read_rows(e, "DataManagementDefinitionGroupDetails", url.buf, take_line, &lines, reterr);
    if (!rc && !lines.n)
        rc = make_detail(e, p, reterr);
    STEP(project_made);
    strbuf_release(&url);
    return rc ? err_ctx(reterr, rc, "export project '%s'", p->name) : EC_OK;
}

enum ec erp_export(struct erp *e, const char *project, const char *package_name, const char *execution_id,
                   const char *company, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct jsonw w = { .out = &body };
    struct arena a = { 0 };
    struct cell value;
    enum ec rc;

    jw_begin(&w, '{');
    jw_ps(&w, "definitionGroupId", project);
    jw_ps(&w, "packageName", package_name);
    jw_ps(&w, "executionId", execution_id);
    jw_pbool(&w, "reExecute", false);
    jw_ps(&w, "legalEntityId", company);
    jw_end(&w, '}');
    STEP(export_call);
    rc = erp_action(e, "ExportToPackage", &body, CALL_ONCE, LONG_CALL_MS, &a, &value, reterr);
    STEP(export_called);
    strbuf_release(&body);
    arena_release(&a);
    return rc;
}

enum ec erp_exported_url(struct erp *e, const char *execution_id, struct arena *a, char **ret, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct cell value;
    enum ec rc;

    one_parameter(&body, "executionId", execution_id);
    rc = erp_action(e, "GetExportedPackageUrl", &body, CALL_REPEATABLE, ACTION_MS, a, &value, reterr);
    strbuf_release(&body);
    if (!rc)
        *ret = cell_cstr(a, value);
    return rc;
}

enum ec erp_reset_position(struct erp *e, const char *project, const char *entity, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct jsonw w = { .out = &body };
    struct arena a = { 0 };
    struct cell value;
    enum ec rc;

    jw_begin(&w, '{');
    jw_ps(&w, "definitionGroupId", project);
    jw_ps(&w, "entityName", entity);
    jw_ps(&w, "sourceName", "");
    jw_end(&w, '}');
    rc = erp_action(e, "ResetVersionToken", &body, CALL_REPEATABLE, ACTION_MS, &a, &value, reterr);
    strbuf_release(&body);
    arena_release(&a);
    return rc;
}

/* ---- error files: where they are ---- */

enum ec erp_error_file(struct erp *e, const char *execution_id, const char *entity, bool staging, const char *path,
                       bool *ret_found, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct jsonw w = { .out = &body };
    struct arena a = { 0 };
    struct cell value = CELL_ABSENT;
    const char *action = staging ? "GetImportStagingErrorFileUrl" : "GetImportTargetErrorKeysFileUrl";
    enum ec rc = EC_OK;

    *ret_found = false;
    jw_begin(&w, '{');
    jw_ps(&w, "executionId", execution_id);
    jw_ps(&w, "entityName", entity);
    jw_end(&w, '}');
    STEP(errors_read);
    if (!staging) {
        rc = erp_action(e, "GenerateImportTargetErrorKeysFile", &body, CALL_REPEATABLE, LONG_CALL_MS, &a, &value,
                        reterr);
        if (rc || !cell_ieq(value, CELL_LIT("true")))
            goto out; /* false: there are no errors, and the URL would stay empty for ever */
    }
    for (int tries = 0; tries < 120; tries++) {
        rc = erp_action(e, action, &body, CALL_REPEATABLE, ACTION_MS, &a, &value, reterr);
        if (rc || !cell_blank(value) || staging)
            break;
        if (!clock_sleep_ms(tries < 10 ? 200 : 5000)) {
            rc = err_set(reterr, EC_STOPPED, "stopped while waiting for the error keys of %s", execution_id);
            break;
        }
    }
    if (!rc && !cell_blank(value)) {
        rc = erp_blob_get(e, cell_cstr(&a, value), NULL, path, reterr);
        *ret_found = !rc;
    }
out:
    STEP(errors_done);
    strbuf_release(&body);
    arena_release(&a);
    return rc;
}

enum ec erp_execution_errors(struct erp *e, const char *execution_id, erp_error_fn *fn, void *arg, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct arena a = { 0 };
    struct cell value;
    enum ec rc;

    one_parameter(&body, "executionId", execution_id);
    rc = erp_action(e, "GetExecutionErrors", &body, CALL_REPEATABLE, LONG_CALL_MS, &a, &value, reterr);
    if (!rc)
        erp_errors_parse(value.ptr, value.len, fn, arg, &rc, reterr);
    strbuf_release(&body);
    arena_release(&a);
    return rc;
}
