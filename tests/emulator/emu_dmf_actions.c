/*
 * The actions on DataManagementDefinitionGroups: table, parameter checks, and those about jobs and packages.
 * (emu_dmf_errors.c has the ones about errors.)
 *
 * ImportFromPackage validates and unpacks inside the call: what is wrong with a package mostly answers 400 here,
 * before any execution exists. Texts follow what clients of live environments have recorded.
 */
#include "emu_dmf_parts.h"

#include "emu_blob.h"
#include "emu_fault.h"
#include "emu_fno.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- answers ---- */
const char *dmf_base_url(const struct emu_request *q)
{
    return arena_printf(q->arena, "%s://%s", emu_scheme, q->host);
}

const char *dmf_arg(const struct dmf_call *c, const char *name)
{
    const char *path[] = { name, NULL };
    const char *v = YAJL_GET_STRING(yajl_tree_get(c->body, path, yajl_t_string));

    return v ? v : "";
}

static bool flag(const struct dmf_call *c, const char *name)
{
    const char *path[] = { name, NULL };

    return YAJL_IS_TRUE(yajl_tree_get(c->body, path, yajl_t_any));
}

static void answer_open(struct dmf_call *c, const char *type)
{
    c->r->status = 200;
    strbuf_addf(&c->r->body, "{\"@odata.context\":\"%s/data/$metadata#%s\",\"value\":", dmf_base_url(c->q), type);
    if (EMU_KNOB(c->e, fno_value_nested))
        strbuf_adds(&c->r->body, "{\"value\":");
}

static void answer_close(struct dmf_call *c)
{
    strbuf_adds(&c->r->body, EMU_KNOB(c->e, fno_value_nested) ? "}}" : "}");
}

void dmf_answer(struct dmf_call *c, const char *text, size_t n)
{
    answer_open(c, "Edm.String");
    emu_json_str(&c->r->body, text, n);
    answer_close(c);
}

void dmf_answer_bool(struct dmf_call *c, bool value)
{
    answer_open(c, "Edm.Boolean");
    strbuf_adds(&c->r->body, value ? "true" : "false");
    answer_close(c);
}

static void answer_text(struct dmf_call *c, const char *text)
{
    dmf_answer(c, text, strlen(text));
}

void dmf_refuse(struct dmf_call *c, int status, const char *fmt, ...)
{
    char text[DMF_MSG];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    emu_fno_error(c->r, c->q, status,
                  "Exception occurred while executing action %s on Entity DataManagementDefinitionGroup: %s",
                  c->action, text);
}

bool dmf_call_job(struct dmf_call *c, struct dmf_job *ret)
{
    const char *id = dmf_arg(c, "executionId");

    if (dmf_job_find(c->e, id, true, c->q->arena, ret))
        return true;
    dmf_refuse(c, 400, "Execution details were not found for execution id: %s", id);
    return false;
}

/* ---- checks that several actions share ---- */
/* The company of the job, lower case; NULL when refused. An empty one is the calling user's own. */
static const char *company_of(struct dmf_call *c)
{
    const char *id = dmf_arg(c, "legalEntityId");
    const char *known = emu_fno_company(c->e, id);

    if (strlen(id) > 4)
        dmf_refuse(c, 400, "The legal entity id '%.40s' is longer than 4 characters.", id);
    else if (!known)
        dmf_refuse(c, 400, "The company '%s' does not exist.", id);
    return strlen(id) > 4 ? NULL : known;
}

/* An id that is not taken; NULL when refused. Empty = the service makes one. */
static const char *execution_id(struct dmf_call *c, const char *project)
{
    const char *id = dmf_arg(c, "executionId");
    struct dmf_job used;
    char stamp[32], guid[37];
    int64_t n;

    if (*id) {
        if (!dmf_job_find(c->e, id, false, c->q->arena, &used))
            return id;
        dmf_refuse(c, 400, "The execution id '%s' already exists.", id);
        return NULL;
    }
    clock_format_utc(emu_now_ms(c->e), stamp);
    stamp[19] = '\0';
    n = emu_int(c->e, "select coalesce(max(no), 0) + 1 from dmf_job", "");
    emu_guid(c->e, arena_printf(c->q->arena, "execution|%s|%lld", project, (long long)n), guid);
    return arena_printf(c->q->arena, "%s-%s-%.8s%.4s%.4s%.4s%.12s", project, stamp, guid, guid + 9, guid + 14,
                        guid + 19, guid + 24);
}

static bool project_name_ok(struct dmf_call *c, const char *name)
{
    if (*name && !strpbrk(name, "\\/:*?\"<>|"))
        return true;
    dmf_refuse(c, 400, "The data project name '%.80s' is not valid.", name);
    return false;
}

/* ---- import ---- */
static void mapping_incorrect(struct dmf_call *c, const char *prefix, const char *label)
{
    char guid[37];

    /* The id in this message means nothing; it differs each time on live environments, too. */
    emu_guid(c->e, arena_printf(c->q->arena, "mapping|%s|%s", label, dmf_arg(c, "executionId")), guid);
    for (char *p = guid; *p; p++)
        if (*p >= 'a' && *p <= 'f')
            *p = (char)(*p - 32);
    dmf_refuse(c, 400, "%sthe mapping is incorrect for entity %s and field {%s}", prefix, label, guid);
}

/* Everything about one entity of the manifest that the call itself checks. */
static bool check_entity(struct dmf_call *c, zip_t *z, const struct dmf_entity *d)
{
    const struct emu_entity *en = emu_entity_by_label(&c->e->tenant, d->label);
    const struct emu_format *f = dmf_format(c->e, d->format);
    zip_int64_t file = dmf_member(z, d->file);

    if (!en) {
        dmf_refuse(c, 400, "Entity %s does not exist in the target environment", d->label);
        return false;
    }
    if (!en->dmf_import) {
        dmf_refuse(c, 400, "Entity %s is not enabled for import.", d->label);
        return false;
    }
    if (!f) {
        dmf_refuse(c, 400, "Source data format %s does not exist.", d->format);
        return false;
    }
    for (size_t i = 0; i < d->n_maps; i++)
        if (!emu_field_by_name(en, d->maps[i].field)) {
            dmf_refuse(c, 400, "There are field(s), which are not mapped to Entity %s: %s", d->label,
                       d->maps[i].field);
            return false;
        }
    if (d->n_maps && file >= 0 && !strcmp(f->type, "csv") && dmf_csv_lf_only(z, file, f)) {
        mapping_incorrect(c, "", d->label);
        return false;
    }
    return true;
}

static bool copy_file(const char *from, const char *to)
{
    char buf[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = -1;
    bool ok = in >= 0 && out >= 0;

    while (ok && (n = read(in, buf, sizeof(buf))) > 0)
        ok = write(out, buf, (size_t)n) == n;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return ok && n == 0;
}

/* The project is made of the package: its lines are what the manifest says. */
static void write_project(struct dmf_call *c, const char *project, const struct dmf_manifest *m)
{
    emu_exec(c->e,
             "insert into dmf_project(Name, OperationType, ProjectCategory, Description, GenerateDataPackage, "
             "TruncateEntityData) values(?1, 'Import', 'Project', ?2, 'No', 'No') on conflict(Name) do update set "
             "Description = excluded.Description, OperationType = 'Import'",
             "tt", project, m->description);
    emu_exec(c->e, "delete from dmf_line where DefinitionGroupId = ?1", "t", project);
    for (size_t i = 0; i < m->n; i++) {
        const struct dmf_entity *d = &m->entities[i];

        emu_exec(c->e,
                 "insert or replace into dmf_line(DefinitionGroupId, EntityName, SourceFormat, ExecutionUnit, "
                 "LevelInExecutionUnit, "
                 "SequenceInLevel, Disable, InputFilePath, ExcelSheetName, AutoGenerateMapping, FailLevelOnError, "
                 "FailExecutionUnitOnError, RunBusinessLogic, RunBusinessValidation, DefaultRefreshType, "
                 "ValidationStatus) "
                 "values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 'FullPush', 'Yes')",
                 "tttiiitttttttt", project, d->label, d->format, d->unit, d->level, d->sequence,
                 d->disable ? "Yes" : "No", d->file, d->sheet, d->n_maps ? "Yes" : "No", d->fail_level ? "Yes" : "No",
                 d->fail_unit ? "Yes" : "No", d->run_logic ? "Yes" : "No", d->run_validation ? "Yes" : "No");
    }
}

static void set_faults(struct emu *e, int64_t job)
{
    int64_t stop_at = emu_fault_import(e, "stop-at"), every = emu_fault_import(e, "fail-rows");

    emu_exec(e, "update dmf_job set stop_at = ?2, stop_partial = ?3, fail_every = ?4 where no = ?1", "iiii", job,
             stop_at, stop_at ? emu_fault_import(e, "partial") : (int64_t)0, every);
}

static void submit_import(struct dmf_call *c, const char *package, struct dmf_job *j, const struct dmf_manifest *m)
{
    struct strbuf path = { 0 };
    bool ok;

    emu_exec(c->e, "savepoint dmf_import", "");
    dmf_job_sweep(c->e);
    write_project(c, j->project, m);
    dmf_job_add(c->e, j);
    for (size_t i = 0; i < m->n; i++)
        if (!m->entities[i].disable)
            dmf_job_add_entity(c->e, j->no, (int)i, &m->entities[i], "FullPush", false);
    set_faults(c->e, j->no);
    dmf_job_path(c->e, j->no, ".zip", &path);
    ok = copy_file(package, strbuf_str(&path));
    if (ok) {
        emu_count(c->e, "fno.import.executed", 1);
        answer_text(c, j->id);
    } else {
        emu_exec(c->e, "rollback to dmf_import", "");
        dmf_refuse(c, 500, "There is not enough space on the disk.");
    }
    emu_exec(c->e, "release dmf_import", "");
    strbuf_release(&path);
}

static bool project_free(struct dmf_call *c, const char *project, const struct dmf_manifest *m)
{
    bool exists = emu_int(c->e, "select count(*) from dmf_project where Name = ?1", "t", project) != 0;

    if (exists && !flag(c, "overwrite") && !(EMU_KNOB(c->e, fno_overwrite_name_lenient) && flag(c, "overWrite"))) {
        dmf_refuse(c, 400, "The data project '%s' exists and overwrite has not been specified.", project);
        return false;
    }
    if (emu_int(c->e, "select count(*) from dmf_job where project = ?1 and end_ms is null", "t", project)) {
        mapping_incorrect(c, "DMF2025: The data project is being executed; ", m->n ? m->entities[0].label : project);
        return false;
    }
    return true;
}

static void import_from_package(struct dmf_call *c)
{
    const char *project = dmf_arg(c, "definitionGroupId"), *package = NULL;
    struct dmf_job j = { .project = project, .import = true, .execute = flag(c, "execute"), .package_name = "" };
    struct dmf_manifest m;
    zip_t *z = NULL;
    char msg[DMF_MSG] = "";
    bool ok;

    emu_count(c->e, "fno.import.calls", 1);
    if (*dmf_arg(c, "executionId") &&
        dmf_job_find(c->e, dmf_arg(c, "executionId"), false, c->q->arena, &(struct dmf_job){ 0 }))
        emu_count(c->e, "fno.import.repeated", 1);
    if (!(j.company = company_of(c)) || !project_name_ok(c, project) || !(j.id = execution_id(c, project)))
        return;
    package = emu_blob_open_for_read(c->e, c->q->arena, dmf_arg(c, "packageUrl"), msg, sizeof(msg));
    if (!package) {
        dmf_refuse(c, 400, "Error downloading data package %.60s: %s",
                   strchr(dmf_arg(c, "packageUrl"), '?') ? "" : "URL", msg);
        return;
    }
    switch (dmf_package_open(package, EMU_KNOB(c->e, fno_manifest_order_strict) != 0, c->q->arena, &z, &m, msg,
                             sizeof(msg))) {
    case DMF_PACKAGE_OK: break;
    case DMF_PACKAGE_REFUSED: dmf_refuse(c, 400, "%s", msg); return;
    case DMF_PACKAGE_NOT_ZIP: dmf_refuse(c, 500, "%s", msg); return;
    }
    ok = project_free(c, project, &m);
    for (size_t i = 0; ok && i < m.n; i++)
        ok = m.entities[i].disable || check_entity(c, z, &m.entities[i]);
    zip_discard(z);
    if (ok)
        submit_import(c, package, &j, &m);
}

/* ---- export ---- */
static bool wanted(const char *list, const char *label)
{
    size_t n = strlen(label);

    for (const char *p = list; *p; p += strcspn(p, ",")) {
        p += strspn(p, ", ");
        if (!strncasecmp(p, label, n) && (!p[n] || p[n] == ','))
            return true;
    }
    return !*list;
}

static void add_export_entities(struct dmf_call *c, const struct dmf_job *j)
{
    sqlite3_stmt *s = emu_select(
        c->e,
        "select EntityName, SourceFormat, ExecutionUnit, LevelInExecutionUnit, SequenceInLevel, "
        "DefaultRefreshType, AutoGenerateMapping, FailLevelOnError, FailExecutionUnitOnError, ExcelSheetName "
        "from dmf_line where DefinitionGroupId = ?1 and coalesce(Disable, 'No') <> 'Yes' order by 3, 4, 5, 1",
        "t", j->project);
    int ord = 0;

    while (emu_step(c->e, s)) {
        struct dmf_entity d = { .label = arena_strdup(c->q->arena, emu_text(s, 0)),
                                .format = arena_strdup(c->q->arena, emu_text(s, 1)),
                                .unit = sqlite3_column_int64(s, 2),
                                .level = sqlite3_column_int64(s, 3),
                                .sequence = sqlite3_column_int64(s, 4),
                                .fail_level = !strcmp(emu_text(s, 7), "Yes"),
                                .fail_unit = !strcmp(emu_text(s, 8), "Yes"),
                                .sheet = arena_strdup(c->q->arena, emu_text(s, 9)),
                                .run_logic = true,
                                .run_validation = true };

        if (!wanted(dmf_arg(c, "entityList"), d.label))
            continue;
        d.file = dmf_export_file(c->q->arena, &d, dmf_format(c->e, d.format));
        dmf_job_add_entity(c->e, j->no, ord++, &d, arena_strdup(c->q->arena, emu_text(s, 5)),
                           strcmp(emu_text(s, 6), "Yes") != 0);
    }
}

static void export_to_package(struct dmf_call *c)
{
    struct dmf_job j = { .execute = true, .package_name = dmf_arg(c, "packageName") }, old;
    sqlite3_stmt *s = emu_select(c->e, "select Name from dmf_project where Name = ?1 and OperationType = 'Export'",
                                 "t", dmf_arg(c, "definitionGroupId"));

    if (!emu_step(c->e, s)) {
        dmf_refuse(c, 400, "Data project %s does not exist.", dmf_arg(c, "definitionGroupId"));
        return;
    }
    j.project = arena_strdup(c->q->arena, emu_text(s, 0));
    sqlite3_reset(s);
    j.company = company_of(c);
    if (!j.company)
        return;
    emu_exec(c->e, "savepoint dmf_export", "");
    if (flag(c, "reExecute") && *dmf_arg(c, "executionId") &&
        dmf_job_find(c->e, dmf_arg(c, "executionId"), false, c->q->arena, &old) && !old.import)
        dmf_job_delete(c->e, old.no);
    j.id = execution_id(c, j.project);
    if (j.id) {
        dmf_job_add(c->e, &j);
        add_export_entities(c, &j);
        emu_count(c->e, "fno.export.executed", 1);
        answer_text(c, j.id);
    }
    emu_exec(c->e, "release dmf_export", "");
}

static void exported_url(struct dmf_call *c)
{
    struct dmf_job j;
    sqlite3_stmt *s;

    if (!dmf_call_job(c, &j))
        return;
    s = emu_select(c->e, "select url from dmf_job where no = ?1 and url_ms <= ?2", "ii", j.no, emu_now_ms(c->e));
    answer_text(c, emu_step(c->e, s) ? arena_strdup(c->q->arena, emu_text(s, 0)) : "");
    sqlite3_reset(s);
}

/* ---- the rest ---- */
static void write_url(struct dmf_call *c)
{
    const char *name = dmf_arg(c, "uniqueFileName");
    char guid[37];
    struct strbuf inner = { 0 }, url = { 0 };

    if (!*name || strpbrk(name, "\\/?#%")) {
        dmf_refuse(c, 400, "The file name '%.80s' is not valid.", name);
        return;
    }
    emu_blob_write_url(c->e, c->q, name, &url);
    emu_guid(c->e, arena_printf(c->q->arena, "blob|%s", name), guid);
    for (char *p = guid; *p; p++)
        if (*p >= 'a' && *p <= 'f')
            *p = (char)(*p - 32);
    strbuf_addf(&inner, "{\"BlobId\":\"{%s}\",\"BlobUrl\":", guid);
    emu_json_str(&inner, strbuf_str(&url), url.len);
    strbuf_addc(&inner, '}');
    dmf_answer(c, strbuf_str(&inner), inner.len);
    strbuf_release(&inner);
    strbuf_release(&url);
}

static void summary_status(struct dmf_call *c)
{
    struct dmf_job j;
    sqlite3_stmt *s;
    const char *status;

    if (!dmf_call_job(c, &j))
        return;
    s = emu_select(c->e, "select status, unknown_served from dmf_job where no = ?1", "i", j.no);
    emu_step(c->e, s);
    status = arena_strdup(c->q->arena, emu_text(s, 0));
    if (EMU_KNOB(c->e, fno_unknown_status_first) && !sqlite3_column_int(s, 1))
        status = "Unknown";
    sqlite3_reset(s);
    emu_exec(c->e, "update dmf_job set unknown_served = 1 where no = ?1 and unknown_served = 0", "i", j.no);
    answer_text(c, status);
}

static void entity_statuses(struct dmf_call *c)
{
    struct dmf_job j;
    sqlite3_stmt *s;
    bool first = true;

    if (!dmf_call_job(c, &j))
        return;
    c->r->status = 200;
    strbuf_addf(&c->r->body, "{\"@odata.context\":\"%s/data/$metadata#Collection(Edm.String)\",\"value\":[",
                dmf_base_url(c->q));
    s = emu_select(
        c->e,
        "select entity, iif(target_status in ('NotStarted', 'NotRun'), staging_status, target_status) from "
        "dmf_job_entity where job = ?1 order by ord",
        "i", j.no);
    for (; emu_step(c->e, s); first = false) {
        struct strbuf item = { 0 };

        strbuf_adds(&item, "{\"EntityName\":");
        emu_json_str(&item, emu_text(s, 0), strlen(emu_text(s, 0)));
        strbuf_addf(&item, ",\"EntityStatus\":\"%s\"}", emu_text(s, 1));
        if (!first)
            strbuf_addc(&c->r->body, ',');
        emu_json_str(&c->r->body, strbuf_str(&item), item.len);
        strbuf_release(&item);
    }
    strbuf_adds(&c->r->body, "]}");
}

static void summary_page(struct dmf_call *c)
{
    struct dmf_job j;
    struct strbuf url = { 0 };

    if (!dmf_call_job(c, &j))
        return;
    strbuf_addf(&url, "%s/?cmp=%s&mi=DM_DataManagementWorkspaceMenuItem&executionId=", dmf_base_url(c->q), j.company);
    strbuf_add_url(&url, j.id, strlen(j.id), "");
    dmf_answer(c, strbuf_str(&url), url.len);
    strbuf_release(&url);
}

static void delete_history(struct dmf_call *c)
{
    struct dmf_job j;

    if (!dmf_call_job(c, &j))
        return;
    emu_exec(c->e, "savepoint dmf_delete", "");
    dmf_job_delete(c->e, j.no);
    emu_exec(c->e, "release dmf_delete", "");
    c->r->status = 204;
}

static void reset_token(struct dmf_call *c)
{
    const char *project = dmf_arg(c, "definitionGroupId"), *entity = dmf_arg(c, "entityName");

    if (!emu_int(c->e, "select count(*) from dmf_line where DefinitionGroupId = ?1 and EntityName = ?2", "tt",
                 project, entity)) {
        dmf_refuse(c, 400, "Entity %s does not exist in the data project %s.", entity, project);
        return;
    }
    emu_exec(c->e, "delete from dmf_position where project = ?1 and entity = ?2 collate nocase", "tt", project,
             entity);
    dmf_answer_bool(c, true);
}

static void initialize(struct dmf_call *c)
{
    c->r->status = 204;
}

/* ---- actions of the neighbouring set DataManagementEntities: what is asked to see whether anybody is there ---- */
static const struct {
    const char *name, *version;
} VERSIONS[] = {
    { "GetApplicationVersion", "10.0.2015.87" },
    { "GetPlatformBuildVersion", "7.0.7367.92" },
    { "GetApplicationBuildVersion", "10.0.2015.87" },
};

void dmf_entity_actions(struct emu *e, struct emu_request *q, struct emu_response *r, const char *action)
{
    struct dmf_call c = { .e = e, .q = q, .r = r, .action = action };

    for (size_t i = 0; i < COUNT(VERSIONS); i++)
        if (!strcmp(VERSIONS[i].name, action) && !strcmp(q->method, "POST")) {
            answer_text(&c, VERSIONS[i].version);
            return;
        }
    emu_fno_error(r, q, 404, "No HTTP resource was found that matches the request URI '%s%s'.", dmf_base_url(q),
                  q->path);
}

/* ---- the table ---- */
/* Parameters: type (s, b, i) and name; '?' in front = not in every version of the service, so it may be absent. */
#define IMPORT_PARAMETERS "s packageUrl,s definitionGroupId,s executionId,b execute,b overwrite,s legalEntityId"
#define EXPORT_PARAMETERS "s definitionGroupId,s packageName,s executionId,b reExecute,s legalEntityId"

static const struct {
    const char *name, *parameters;
    char returns;
    void (*run)(struct dmf_call *c);
} ACTIONS[] = {
    { "GetAzureWriteUrl", "s uniqueFileName", 's', write_url },
    { "ImportFromPackage", IMPORT_PARAMETERS, 's', import_from_package },
    { "ImportFromPackageAsync", IMPORT_PARAMETERS ",b failOnError,b runAsyncWithoutBatch,i thresholdToRunInBatch",
      's', import_from_package },
    { "ExportToPackage", EXPORT_PARAMETERS, 's', export_to_package },
    { "ExportToPackageAsync", EXPORT_PARAMETERS ",?s entityList", 's', export_to_package },
    { "GetExportedPackageUrl", "s executionId", 's', exported_url },
    { "GetExecutionSummaryStatus", "s executionId", 's', summary_status },
    { "GetEntityExecutionSummaryStatusList", "s executionId", 'c', entity_statuses },
    { "GetExecutionErrors", "s executionId", 's', dmf_execution_errors },
    { "GetExecutionSummaryPageUrl", "s executionId", 's', summary_page },
    { "DeleteExecutionHistoryJob", "s executionId", '-', delete_history },
    { "GetImportStagingErrorFileUrl", "s executionId,s entityName", 's', dmf_staging_error_url },
    { "GenerateImportTargetErrorKeysFile", "s executionId,s entityName", 'b', dmf_generate_keys },
    { "GetImportTargetErrorKeysFileUrl", "s executionId,s entityName", 's', dmf_keys_url },
    { "ResetVersionToken", "s definitionGroupId,s entityName,s sourceName", 'b', reset_token },
    { "InitializeDataManagement", "", '-', initialize },
    { "InitializeDataManagementAsync", "", '-', initialize },
};

bool emu_dmf_action(size_t i, const char **ret_name, const char **ret_parameters, char *ret_returns)
{
    if (i >= COUNT(ACTIONS))
        return false;
    *ret_name = ACTIONS[i].name;
    *ret_parameters = ACTIONS[i].parameters;
    *ret_returns = ACTIONS[i].returns;
    return true;
}

static bool type_ok(yajl_val v, char type)
{
    return type == 's' ? YAJL_IS_STRING(v) : type == 'b' ? YAJL_IS_TRUE(v) || YAJL_IS_FALSE(v) : YAJL_IS_INTEGER(v);
}

/* Every parameter there, of its type, and none that the action does not have. */
static bool model_valid(struct dmf_call *c, const char *parameters)
{
    size_t known = 0;
    char name[64];

    for (const char *p = parameters; *p; p += strcspn(p, ","), p += *p == ',') {
        bool optional = *p == '?';
        const char *path[] = { name, NULL };
        char type = p[optional];
        yajl_val v;

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(p + optional + 2, ","), p + optional + 2);
        v = yajl_tree_get(c->body, path, yajl_t_any);
        if (!v && !strcmp(name, "overwrite") && EMU_KNOB(c->e, fno_overwrite_name_lenient)) {
            snprintf(name, sizeof(name), "overWrite");
            v = yajl_tree_get(c->body, path, yajl_t_any);
        }
        if (v ? !type_ok(v, type) : !optional)
            return false;
        known += v != NULL;
    }
    return YAJL_GET_OBJECT(c->body)->len == known;
}

void dmf_actions(struct emu *e, struct emu_request *q, struct emu_response *r, const char *action)
{
    struct dmf_call c = { .e = e, .q = q, .r = r, .action = action };
    size_t i;

    for (i = 0; i < COUNT(ACTIONS) && strcmp(ACTIONS[i].name, action) != 0; i++)
        continue;
    if (i == COUNT(ACTIONS)) {
        emu_fno_error(r, q, 404, "No HTTP resource was found that matches the request URI '%s%s'.", dmf_base_url(q),
                      q->path);
        return;
    }
    if (strcmp(q->method, "POST") != 0) {
        emu_fno_error(r, q, 405, "The requested resource does not support http method '%s'.", q->method);
        return;
    }
    if (q->body_len)
        c.body = yajl_tree_parse(q->body, NULL, 0);
    if ((q->body_len || *ACTIONS[i].parameters) &&
        (!YAJL_IS_OBJECT(c.body) || !model_valid(&c, ACTIONS[i].parameters)))
        emu_fno_error(r, q, 400,
                      "Exception occurred while executing action %s on Entity DataManagementDefinitionGroup: "
                      "InvokeAction - Model state is invalid",
                      action);
    else
        ACTIONS[i].run(&c);
    yajl_tree_free(c.body);
}
