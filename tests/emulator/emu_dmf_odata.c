/*
 * The data management entity sets: projects, their lines, jobs, job details, the entity list.
 *
 * Each set is a table of properties over an SQL source, so reading, filtering, sorting and writing are the same code for
 * all. What a job has done by now is computed in the source: the numbers of a step that is under way grow with the clock.
 */
#include "emu_dmf_parts.h"

#include "emu_fno.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PROPERTIES_MAX = 40 };

/* Kinds: s string, i Edm.Int32, e enum (element names in `members`), t date-time (SQL gives milliseconds), b binary. */
struct property {
    const char *name;
    char kind;
    bool key, writable;
    const char *dflt, *members;
    const char *sql; /* NULL = the column of the same name */
};
#define NOYES "No,Yes"

static const struct property GROUP[] = {
    { "Name", 's', true, true, NULL, NULL, NULL },
    { "Description", 's', false, true, "", NULL, NULL },
    { "OperationType", 'e', false, true, "Import", "Import,Export", NULL },
    { "ProjectCategory", 'e', false, true, "Project", "Project,Configuration,Integration,AsyncIntegration,DualWrite",
      NULL },
    { "GenerateDataPackage", 'e', false, true, "No", NOYES, NULL },
    { "TruncateEntityData", 'e', false, true, "No", NOYES, NULL },
};
static const struct property LINE[] = {
    { "DefinitionGroupId", 's', true, true, NULL, NULL, NULL },
    { "EntityName", 's', true, true, NULL, NULL, NULL },
    { "SourceFormat", 's', false, true, "", NULL, NULL },
    { "ExecutionUnit", 'i', false, true, "1", NULL, NULL },
    { "LevelInExecutionUnit", 'i', false, true, "1", NULL, NULL },
    { "SequenceInLevel", 'i', false, true, "1", NULL, NULL },
    { "DefaultRefreshType", 'e', false, true, "FullPush", "FullPush,IncrementalPush", NULL },
    { "SkipStaging", 'e', false, true, "No", NOYES, NULL },
    { "AutoGenerateMapping", 'e', false, true, "No", NOYES, NULL },
    { "RunValidateField", 'e', false, true, "No", NOYES, NULL },
    { "RunBusinessValidation", 'e', false, true, "No", NOYES, NULL },
    { "RunBusinessLogic", 'e', false, true, "No", NOYES, NULL },
    { "FailLevelOnError", 'e', false, true, "No", NOYES, NULL },
    { "FailExecutionUnitOnError", 'e', false, true, "No", NOYES, NULL },
    { "IsTransformed", 'e', false, true, "No", NOYES, NULL },
    { "Disable", 'e', false, true, "No", NOYES, NULL },
    { "ExcelSheetName", 's', false, true, "", NULL, NULL },
    { "InputFilePath", 's', false, true, "", NULL, NULL },
    { "SampleFilePath", 's', false, true, "", NULL, NULL },
    { "SampleFilePathOriginal", 's', false, true, "", NULL, NULL },
    { "PackageFilePath", 's', false, true, "", NULL, NULL },
    { "EntityXMLName", 's', false, true, "", NULL, NULL },
    { "ParentEntityName", 's', false, true, "", NULL, NULL },
    { "QueryForODBC", 's', false, true, "", NULL, NULL },
    { "QueryData", 'b', false, true, NULL, NULL, NULL },
    { "Tags", 's', false, true, "", NULL, NULL },
    { "SysModule", 's', false, true, "", NULL, NULL },
    { "EntityCategory", 's', false, true, "", NULL, NULL },
    { "ValidationStatus", 'e', false, true, "No", NOYES, NULL },
};
static const struct property JOB[] = {
    { "JobId", 's', true, false, NULL, NULL, "id" },
    { "DefinitionGroupId", 's', false, false, NULL, NULL, "project" },
    { "Description", 's', false, false, NULL, NULL, "''" },
    { "CompanyId", 's', false, false, NULL, NULL, "company" },
    { "StartDateTime", 't', false, false, NULL, NULL, "iif(start_ms <= ?1, start_ms, null)" },
    { "EndDateTime", 't', false, false, NULL, NULL, "end_ms" },
};
#define SHOWN(x, state, from, to)                                                                          \
    "cast(iif(n.state <> " state " or n." to " <= n." from ", " x ", (" x ") * (?1 - n." from ") / (n." to \
    " - n." from ")) as integer)"
static const struct property DETAIL[] = {
    { "JobId", 's', true, false, NULL, NULL, "j.id" },
    { "EntityName", 's', true, false, NULL, NULL, "n.entity" },
    { "DefinitionGroupId", 's', false, false, NULL, NULL, "j.project" },
    { "StagingStatus", 'e', false, false, NULL, "", "n.staging_status" },
    { "TargetStatus", 'e', false, false, NULL, "", "n.target_status" },
    { "StagingRecordsToBeProcessedCount", 'i', false, false, NULL, NULL, "n.to_process" },
    { "StagingRecordsCreatedCount", 'i', false, false, NULL, NULL,
      SHOWN("n.staged", "1", "staging_start", "staging_end") },
    { "TargetRecordsCreatedCount", 'i', false, false, NULL, NULL,
      SHOWN("n.created", "2", "target_start", "target_end") },
    { "TargetRecordsUpdatedCount", 'i', false, false, NULL, NULL,
      SHOWN("n.updated", "2", "target_start", "target_end") },
    { "StagingStartDateTime", 't', false, false, NULL, NULL, "n.staging_start" },
    { "StagingEndDateTime", 't', false, false, NULL, NULL, "iif(n.staging_end <= ?1, n.staging_end, null)" },
    { "TargetStartDateTime", 't', false, false, NULL, NULL, "n.target_start" },
    { "TargetEndDateTime", 't', false, false, NULL, NULL, "iif(n.target_end <= ?1, n.target_end, null)" },
    { "ExecutionUnit", 'i', false, false, NULL, NULL, "n.unit" },
    { "LevelInExecutionUnit", 'i', false, false, NULL, NULL, "n.level" },
    { "SequenceInLevel", 'i', false, false, NULL, NULL, "n.sequence" },
    { "SequenceNumber", 'i', false, false, NULL, NULL, "n.ord + 1" },
    { "ParallelTaskCount", 'i', false, false, NULL, NULL, "n.tasks" },
    { "NumberOfRowsToSkip", 'i', false, false, NULL, NULL, "0" },
    { "SourceFormat", 's', false, false, NULL, NULL, "n.format" },
    { "FilePath", 's', false, false, NULL, NULL, "n.file" },
    { "ExcelSheetName", 's', false, false, NULL, NULL, "n.sheet" },
    { "ExecuteTargetStep", 'e', false, false, NULL, NOYES, "iif(j.execute, 'Yes', 'No')" },
    { "IgnoreError", 'e', false, false, NULL, NOYES, "'No'" },
    { "CreateErrorFile", 'e', false, false, NULL, NOYES, "'No'" },
    { "FirstRowIsHeader", 'e', false, false, NULL, NOYES, "'Yes'" },
    { "RunBusinessLogic", 'e', false, false, NULL, NOYES, "iif(n.run_logic, 'Yes', 'No')" },
    { "RunBusinessValidation", 'e', false, false, NULL, NOYES, "iif(n.run_validation, 'Yes', 'No')" },
    { "FailLevelOnError", 'e', false, false, NULL, NOYES, "iif(n.fail_level, 'Yes', 'No')" },
    { "FailExecutionUnitOnError", 'e', false, false, NULL, NOYES, "iif(n.fail_unit, 'Yes', 'No')" },
};
static const struct property ENTITY[] = {
    { "EntityName", 's', true, false, NULL, NULL, NULL },
    { "TargetEntity", 's', false, false, NULL, NULL, NULL },
    { "StagingTable", 's', false, false, NULL, NULL, NULL },
    { "EntityCategory", 's', false, false, NULL, NULL, NULL },
    { "IsShared", 'e', false, false, NULL, NOYES, NULL },
    { "DataManagementEnabled", 'e', false, false, NULL, NOYES, NULL },
};

struct set {
    const char *path, *type, *label, *from;
    const struct property *p;
    size_t n;
    const char *table; /* of writable sets */
};
static const struct set SETS[] = {
    { "DataManagementDefinitionGroups", "DataManagementDefinitionGroup", "Data project (DMFDefinitionGroup)",
      "dmf_project", GROUP, COUNT(GROUP), "dmf_project" },
    { "DataManagementDefinitionGroupDetails", "DataManagementDefinitionGroupDetail",
      "Definition group entities "
      "(DMFDefinitionGroupEntity)",
      "dmf_line", LINE, COUNT(LINE), "dmf_line" },
    { "DataManagementExecutionJobs", "DataManagementExecutionJob", "", "dmf_job where visible_ms <= ?1", JOB,
      COUNT(JOB), NULL },
    { "DataManagementExecutionJobDetails", "DataManagementExecutionJobDetail", "",
      "dmf_job_entity n join dmf_job j on j.no = n.job where j.visible_ms <= ?1", DETAIL, COUNT(DETAIL), NULL },
    { "DataManagementEntities", "DataManagementEntity", "", "dmf_entity", ENTITY, COUNT(ENTITY), NULL },
};

/* One request against one set. */
struct ask {
    struct emu *e;
    struct emu_request *q;
    struct emu_response *r;
    const struct set *set;
};

static const struct property *find(const struct set *s, const char *name, size_t n)
{
    for (size_t i = 0; i < s->n; i++)
        if (strlen(s->p[i].name) == n && !strncmp(s->p[i].name, name, n))
            return &s->p[i];
    return NULL;
}

static const char *sql_of(const struct property *p)
{
    return p->sql ? p->sql : p->name;
}

static bool unknown(struct ask *a, const char *name, size_t n)
{
    emu_fno_error(a->r, a->q, 400,
                  "Could not find a property named '%.*s' on type 'Microsoft.Dynamics.DataEntities.%s'.",
                  (int)(n < 80 ? n : 80), name, a->set->type);
    return false;
}

static bool is_member(const char *members, const char *v)
{
    size_t n = strlen(v);

    for (const char *p = members; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && !strncmp(p, v, n))
            return true;
    return false;
}

/* ---- $filter -> SQL ---- */
struct filter {
    struct ask *a;
    const char *p;
    struct strbuf *sql;
    int depth;
};

static void blanks(struct filter *f)
{
    f->p += strspn(f->p, " ");
}

static bool bad_filter(struct filter *f)
{
    if (f->a->r->status == 0)
        emu_fno_error(f->a->r, f->a->q, 400,
                      "The query specified in the URI is not valid. Syntax error at '%.40s' in $filter.", f->p);
    return false;
}

static bool word(struct filter *f, const char *w)
{
    size_t n = strlen(w);

    blanks(f);
    if (strncmp(f->p, w, n) != 0 || (f->p[n] != ' ' && f->p[n] != '('))
        return false;
    f->p += n;
    return true;
}

static void add_sql_text(struct strbuf *out, const char *text)
{
    char *quoted = sqlite3_mprintf("%Q", text);

    strbuf_adds(out, quoted);
    sqlite3_free(quoted);
}

/* A quoted literal with doubled apostrophes; the text goes to `out`. */
static bool quoted_literal(struct filter *f, struct strbuf *out)
{
    for (f->p++; *f->p; f->p++) {
        if (*f->p == '\'' && f->p[1] == '\'')
            f->p++;
        else if (*f->p == '\'') {
            f->p++;
            return true;
        }
        strbuf_addc(out, *f->p);
    }
    return bad_filter(f);
}

/* The service's wildcard equality: '*' at either end of the text. */
static void add_match(struct filter *f, const char *text, bool equal)
{
    struct strbuf like = { 0 };

    if (!strchr(text, '*')) {
        strbuf_adds(f->sql, equal ? " = " : " <> ");
        add_sql_text(f->sql, text);
        strbuf_adds(f->sql, " collate nocase");
        return;
    }
    for (; *text; text++) {
        if (*text == '%' || *text == '_' || *text == '\\')
            strbuf_addc(&like, '\\');
        strbuf_addc(&like, *text == '*' ? '%' : *text);
    }
    strbuf_adds(f->sql, equal ? " like " : " not like ");
    add_sql_text(f->sql, strbuf_str(&like));
    strbuf_adds(f->sql, " escape '\\'");
    strbuf_release(&like);
}

static bool comparison(struct filter *f)
{
    static const struct {
        const char *word, *sql;
    } OPS[] = { { "eq", "=" }, { "ne", "<>" }, { "gt", ">" }, { "ge", ">=" }, { "lt", "<" }, { "le", "<=" } };
    size_t n = strcspn(f->p, " ()',"), op;
    const struct property *p = find(f->a->set, f->p, n);
    struct strbuf text = { 0 };
    bool ok = true;

    if (!p && n && f->p[n] != '(')
        return unknown(f->a, f->p, n);
    if (!p)
        return bad_filter(f); /* functions are not queryable */
    f->p += n;
    for (op = 0; op < COUNT(OPS) && !word(f, OPS[op].word); op++)
        continue;
    blanks(f);
    if (op == COUNT(OPS) || (p->kind == 'e' && op > 1))
        return bad_filter(f);
    strbuf_addf(f->sql, "(%s)", sql_of(p));
    if (p->kind == 'e') {
        f->p += strcspn(f->p, "' )"); /* Microsoft.Dynamics.DataEntities.NoYes'Yes' */
        if (*f->p != '\'')
            return bad_filter(f);
    }
    if (*f->p == '\'' && (p->kind == 's' || p->kind == 'e')) {
        ok = quoted_literal(f, &text);
        if (op < 2) {
            add_match(f, strbuf_str(&text), op == 0);
        } else {
            strbuf_addf(f->sql, " %s ", OPS[op].sql);
            add_sql_text(f->sql, strbuf_str(&text));
            strbuf_adds(f->sql, " collate nocase");
        }
    } else {
        int64_t v;
        char *end;

        n = strcspn(f->p, " )");
        v = strtoll(f->p, &end, 10);
        ok = n > 0 && (p->kind == 'i' ? end == f->p + n : p->kind == 't' && clock_parse_utc(f->p, n, &v));
        f->p += ok ? n : 0;
        strbuf_addf(f->sql, " %s %lld", OPS[op].sql, (long long)v);
        ok = ok || bad_filter(f);
    }
    strbuf_release(&text);
    return ok;
}

static bool disjunction(struct filter *f);

static bool unary(struct filter *f)
{
    blanks(f);
    if (++f->depth > 60)
        return bad_filter(f);
    if (word(f, "not")) {
        strbuf_adds(f->sql, " not ");
        return unary(f);
    }
    if (*f->p != '(')
        return comparison(f);
    f->p++;
    strbuf_addc(f->sql, '(');
    if (!disjunction(f))
        return false;
    blanks(f);
    if (*f->p != ')')
        return bad_filter(f);
    f->p++;
    strbuf_addc(f->sql, ')');
    return true;
}

static bool conjunction(struct filter *f)
{
    if (!unary(f))
        return false;
    while (word(f, "and")) {
        strbuf_adds(f->sql, " and ");
        if (!unary(f))
            return false;
    }
    return true;
}

static bool disjunction(struct filter *f)
{
    strbuf_addc(f->sql, '(');
    if (!conjunction(f))
        return false;
    while (word(f, "or")) {
        strbuf_adds(f->sql, ") or (");
        if (!conjunction(f))
            return false;
    }
    strbuf_addc(f->sql, ')');
    return true;
}

static bool add_filter(struct ask *a, const char *text, struct strbuf *sql)
{
    struct filter f = { .a = a, .p = text, .sql = sql };

    if (!disjunction(&f))
        return false;
    blanks(&f);
    return !*f.p || bad_filter(&f);
}

/* ---- reading ---- */
static void add_value(struct ask *a, sqlite3_stmt *s, int column, const struct property *p)
{
    struct strbuf *b = &a->r->body;
    char when[32];

    if (p->kind == 'i') {
        strbuf_addf(b, "%lld", (long long)sqlite3_column_int64(s, column));
    } else if (p->kind == 't') {
        clock_format_utc(
            sqlite3_column_type(s, column) == SQLITE_NULL ? -2208988800000LL : sqlite3_column_int64(s, column), when);
        strbuf_addf(b, "\"%s\"", when);
    } else if (p->kind == 'b' && sqlite3_column_type(s, column) == SQLITE_NULL) {
        strbuf_adds(b, "null");
    } else {
        emu_json_str(b, dmf_text(s, column), strlen(dmf_text(s, column)));
    }
}

static bool selected(const char *select, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = select; p && *p; p += strcspn(p, ","), p += *p == ',') {
        p += strspn(p, " ");
        if (!strncmp(p, name, n) && !p[n + strspn(p + n, " ")])
            return true;
        if (!strncmp(p, name, n) && p[n + strspn(p + n, " ")] == ',')
            return true;
    }
    return !select || !*select;
}

static void add_row(struct ask *a, sqlite3_stmt *s, const char *select)
{
    bool any = false;

    for (size_t i = 0; i < a->set->n; i++)
        if (selected(select, a->set->p[i].name)) {
            strbuf_addf(&a->r->body, "%s\"%s\":", any ? "," : "", a->set->p[i].name);
            add_value(a, s, (int)i, &a->set->p[i]);
            any = true;
        }
}

static bool check_select(struct ask *a, const char *select)
{
    for (const char *p = select; p && *p; p += *p == ',') {
        size_t n;

        p += strspn(p, " ");
        n = strcspn(p, ", ");
        if (!find(a->set, p, n))
            return unknown(a, p, n);
        p += strcspn(p, ",");
    }
    return true;
}

static bool add_order(struct ask *a, const char *order, struct strbuf *sql)
{
    for (const char *p = order; p && *p; p += *p == ',') {
        const struct property *prop;
        size_t n;

        p += strspn(p, " ");
        n = strcspn(p, ", ");
        prop = find(a->set, p, n);
        if (!prop)
            return unknown(a, p, n);
        p += n + strspn(p + n, " ");
        strbuf_addf(sql, "%s%s", sql_of(prop), !strncmp(p, "desc", 4) ? " desc, " : ", ");
        p += strcspn(p, ",");
    }
    return true;
}

static void select_sql(const struct set *set, struct strbuf *sql)
{
    strbuf_adds(sql, "select ");
    for (size_t i = 0; i < set->n; i++)
        strbuf_addf(sql, "%s%s", i ? ", " : "", sql_of(&set->p[i]));
    strbuf_addf(sql, " from %s%s ", set->from, strstr(set->from, " where ") ? " and " : " where ");
}

/* Runs text that depends on the request; such statements are not worth keeping. */
static sqlite3_stmt *prepare(struct ask *a, const struct strbuf *sql)
{
    sqlite3_stmt *s = NULL;

    if (sqlite3_prepare_v2(a->e->db, strbuf_str(sql), -1, &s, NULL) != SQLITE_OK) {
        fprintf(stderr, "dmfsync-emulator: %s in: %s\n", sqlite3_errmsg(a->e->db), strbuf_str(sql));
        abort();
    }
    if (sqlite3_bind_parameter_count(s))
        sqlite3_bind_int64(s, 1, emu_now_ms(a->e));
    return s;
}

static int64_t number(const struct emu_request *q, const char *name, int64_t dflt)
{
    const char *v = emu_query(q, name);
    char *end;
    int64_t n = v ? strtoll(v, &end, 10) : 0;

    return !v ? dflt : *end || end == v || n < 0 ? -1 : n;
}

static bool where(struct ask *a, struct strbuf *sql)
{
    const char *filter = emu_query(a->q, "$filter");

    if (filter && *filter)
        return add_filter(a, filter, sql);
    strbuf_addc(sql, '1');
    return true;
}

static int64_t count_rows(struct ask *a, const struct strbuf *inner)
{
    struct strbuf sql = { 0 };
    sqlite3_stmt *s;
    int64_t n;

    strbuf_addf(&sql, "select count(*) from (%s)", strbuf_str(inner));
    s = prepare(a, &sql);
    n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    strbuf_release(&sql);
    return n;
}

static void next_link(struct ask *a, int64_t skip)
{
    struct strbuf link = { 0 };
    bool first = true;

    strbuf_addf(&link, "%s%s?", dmf_base_url(a->q), a->q->path);
    for (size_t i = 0; i < a->q->n_query; i++) {
        if (!strcmp(a->q->query[i].name, "$skip") || !strcmp(a->q->query[i].name, "$skiptoken"))
            continue;
        strbuf_adds(&link, first ? "" : "&");
        strbuf_add_url(&link, a->q->query[i].name, strlen(a->q->query[i].name), "$");
        strbuf_addc(&link, '=');
        strbuf_add_url(&link, a->q->query[i].value, strlen(a->q->query[i].value), "");
        first = false;
    }
    strbuf_addf(&link, "%s$skiptoken=%lld", first ? "" : "&", (long long)skip);
    strbuf_adds(&a->r->body, ",\"@odata.nextLink\":");
    emu_json_str(&a->r->body, strbuf_str(&link), link.len);
    strbuf_release(&link);
}

static void read_collection(struct ask *a, bool count_only)
{
    const char *select = emu_query(a->q, "$select"), *want = emu_query(a->q, "$count");
    int64_t top = number(a->q, "$top", INT64_MAX),
            skip = number(a->q, emu_query(a->q, "$skiptoken") ? "$skiptoken" : "$skip", 0);
    int64_t page = EMU_KNOB(a->e, fno_odata_page), sent = 0, total = 0;
    struct strbuf sql = { 0 };
    sqlite3_stmt *s = NULL;

    select_sql(a->set, &sql);
    if (!where(a, &sql) || !check_select(a, select))
        goto out;
    if (top < 0 || skip < 0 || emu_query(a->q, "$expand")) {
        emu_fno_error(a->r, a->q, 400, "The query specified in the URI is not valid.");
        goto out;
    }
    if (count_only || (want && !strcmp(want, "true")))
        total = count_rows(a, &sql);
    if (count_only) {
        a->r->status = 200;
        emu_add_header(a->r, a->q, "Content-Type", "text/plain");
        strbuf_addf(&a->r->body, "%s%lld", EMU_KNOB(a->e, fno_count_bom) ? "\xef\xbb\xbf" : "", (long long)total);
        goto out;
    }
    strbuf_adds(&sql, " order by ");
    if (!add_order(a, emu_query(a->q, "$orderby"), &sql))
        goto out;
    /* The key settles what the request leaves open, so that pages fit together. */
    for (size_t i = 0, any = 0; i < a->set->n; i++)
        if (a->set->p[i].key)
            strbuf_addf(&sql, "%s%s", any++ ? ", " : "", sql_of(&a->set->p[i]));
    strbuf_addf(&sql, " limit -1 offset %lld", (long long)skip);
    a->r->status = 200;
    strbuf_addf(&a->r->body, "{\"@odata.context\":\"%s/data/$metadata#%s\",", dmf_base_url(a->q), a->set->path);
    if (want && !strcmp(want, "true"))
        strbuf_addf(&a->r->body, "\"@odata.count\":%lld,", (long long)total);
    strbuf_adds(&a->r->body, "\"value\":[");
    s = prepare(a, &sql);
    for (; sent < top && sent < page && sqlite3_step(s) == SQLITE_ROW; sent++) {
        strbuf_adds(&a->r->body, sent ? ",{" : "{");
        add_row(a, s, select);
        strbuf_addc(&a->r->body, '}');
    }
    strbuf_addc(&a->r->body, ']');
    if (sent == page && sent < top && sqlite3_step(s) == SQLITE_ROW)
        next_link(a, skip + sent);
    strbuf_addc(&a->r->body, '}');
out:
    sqlite3_finalize(s);
    strbuf_release(&sql);
}

/* ---- keys ---- */
/*
 * Turns "(...)" into SQL conditions. One unnamed string is enough where the key has one part; a project may also be
 * addressed with its OperationType. False = answered.
 */
static bool key_sql(struct ask *a, const char *key, struct strbuf *sql)
{
    const struct property *single = &a->set->p[0];
    struct filter f = { .a = a, .p = key + 1, .sql = sql };
    size_t given = 0, need = 0;
    bool ok = true;

    for (size_t i = 0; i < a->set->n; i++)
        need += a->set->p[i].key;
    for (; ok && *f.p && *f.p != ')'; f.p += *f.p == ',') {
        size_t n = strcspn(f.p, "='");
        const struct property *p = f.p[n] == '=' ? find(a->set, f.p, n) : need == 1 ? single : NULL;
        struct strbuf text = { 0 };

        ok = p && (p->kind == 's' || p->kind == 'e');
        if (ok) {
            f.p += strcspn(f.p, "'");
            ok = *f.p == '\'' && quoted_literal(&f, &text);
        }
        if (ok) {
            strbuf_addf(sql, "%s(%s)", given ? " and " : "", sql_of(p));
            strbuf_adds(sql, " = ");
            add_sql_text(sql, strbuf_str(&text));
            strbuf_adds(sql, " collate nocase");
            given++;
        }
        strbuf_release(&text);
    }
    ok = ok && !strcmp(f.p, ")") && given >= need;
    if (!ok && a->r->status == 0)
        emu_fno_error(a->r, a->q, 400, "The key '%.80s' is not valid for the entity set '%s'.", key, a->set->path);
    return ok;
}

static bool read_one(struct ask *a, const char *conditions, int status)
{
    struct strbuf sql = { 0 };
    const char *select = status == 200 ? emu_query(a->q, "$select") : NULL;
    sqlite3_stmt *s;
    bool found;

    if (!check_select(a, select))
        return true;
    select_sql(a->set, &sql);
    strbuf_adds(&sql, conditions);
    s = prepare(a, &sql);
    found = sqlite3_step(s) == SQLITE_ROW;
    if (found) {
        a->r->status = status;
        strbuf_addf(&a->r->body, "{\"@odata.context\":\"%s/data/$metadata#%s/$entity\",", dmf_base_url(a->q),
                    a->set->path);
        add_row(a, s, select);
        strbuf_addc(&a->r->body, '}');
    }
    sqlite3_finalize(s);
    strbuf_release(&sql);
    return found;
}

/* ---- writing ---- */
struct change {
    const struct property *p;
    const char *text; /* NULL = null */
};

static bool bad_value(struct ask *a, const char *name)
{
    emu_fno_error(a->r, a->q, 400, "Cannot convert the value of property '%s' to its type.", name);
    return false;
}

/* Body -> changes; every property known, writable, of its type. */
static bool read_body(struct ask *a, yajl_val body, struct change *ch, size_t *ret_n)
{
    if (!YAJL_IS_OBJECT(body) || YAJL_GET_OBJECT(body)->len > PROPERTIES_MAX) {
        emu_fno_error(a->r, a->q, 400, "The request body is not a valid entity.");
        return false;
    }
    *ret_n = 0;
    for (size_t i = 0; i < YAJL_GET_OBJECT(body)->len; i++) {
        const char *name = YAJL_GET_OBJECT(body)->keys[i];
        yajl_val v = YAJL_GET_OBJECT(body)->values[i];
        const struct property *p = find(a->set, name, strlen(name));
        const char *text = YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v) : NULL;

        if (strchr(name, '@')) /* annotations */
            continue;
        if (!p)
            return unknown(a, name, strlen(name));
        if ((p->kind == 'i') != (YAJL_IS_INTEGER(v) != 0) || (!text && p->kind != 'b' && !YAJL_IS_NULL(v)) ||
            (p->kind == 'e' && !(text && is_member(p->members, text))))
            return bad_value(a, name);
        ch[(*ret_n)++] = (struct change){ p, text };
    }
    return true;
}

static const char *changed(const struct change *ch, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(ch[i].p->name, name))
            return ch[i].text ? ch[i].text : "";
    return NULL;
}

static bool refuse_write(struct ask *a, const char *reason)
{
    emu_fno_error(
        a->r, a->q, 400,
        "Write failed for table row of type '%sEntity'. Infolog: Error: %s; Error: Update has been canceled..",
        a->set->type, reason);
    return false;
}

static bool line_valid(struct ask *a, const struct change *ch, size_t n, bool create)
{
    const char *project = changed(ch, n, "DefinitionGroupId"), *label = changed(ch, n, "EntityName"),
               *format = changed(ch, n, "SourceFormat"), *skip = changed(ch, n, "SkipStaging");
    const struct emu_entity *en = label ? emu_entity_by_label(&a->e->tenant, label) : NULL;

    if (create && !dmf_int(a->e, "select count(*) from dmf_project where Name = ?1", "t", project))
        return refuse_write(a, arena_printf(a->q->arena, "Data project %s does not exist.", project));
    if (create && !en)
        return refuse_write(a,
                            arena_printf(a->q->arena, "Entity %s does not exist in the target environment", label));
    if ((create || format) && !dmf_format(a->e, format ? format : ""))
        return refuse_write(
            a, arena_printf(a->q->arena,
                            "The value '%s' in field 'Source data format' is not found in the related table "
                            "'Source data formats'.",
                            format ? format : ""));
    /* postLoad() and virtual fields rule skipping out; entities of that kind also run on one thread only. */
    if (skip && !strcmp(skip, "Yes") && en && en->single_threaded)
        return refuse_write(a, arena_printf(a->q->arena, "Staging cannot be skipped for entity %s.", label));
    return true;
}

static bool write_valid(struct ask *a, const struct change *ch, size_t n, bool create)
{
    const char *name = changed(ch, n, "Name");

    for (size_t i = 0; i < a->set->n && create; i++) {
        const char *v = a->set->p[i].key ? changed(ch, n, a->set->p[i].name) : "x";

        if (!v || !*v)
            return refuse_write(a, arena_printf(a->q->arena, "Field '%s' must be filled in.", a->set->p[i].name));
    }
    for (size_t i = 0; i < n && !create; i++)
        if (ch[i].p->key)
            return refuse_write(a, arena_printf(a->q->arena, "Field '%s' cannot be changed.", ch[i].p->name));
    if (name && strpbrk(name, "\\/:*?\"<>|"))
        return refuse_write(a, arena_printf(a->q->arena, "The data project name '%s' is not valid.", name));
    return a->set->p != LINE || line_valid(a, ch, n, create);
}

static void key_of(struct ask *a, const struct change *ch, size_t n, struct strbuf *sql)
{
    bool any = false;

    for (size_t i = 0; i < n; i++)
        if (ch[i].p->key) {
            strbuf_addf(sql, "%s%s = ", any ? " and " : "", ch[i].p->name);
            add_sql_text(sql, ch[i].text ? ch[i].text : "");
            strbuf_adds(sql, " collate nocase");
            any = true;
        }
    (void)a;
}

static void run_change(struct ask *a, const struct strbuf *sql)
{
    sqlite3_stmt *s = prepare(a, sql);

    if (sqlite3_step(s) != SQLITE_DONE) {
        fprintf(stderr, "dmfsync-emulator: %s in: %s\n", sqlite3_errmsg(a->e->db), strbuf_str(sql));
        abort();
    }
    sqlite3_finalize(s);
}

static bool exists(struct ask *a, const char *conditions)
{
    struct strbuf sql = { 0 };
    bool found;

    strbuf_addf(&sql, "select 1 from %s where %s", a->set->table, conditions);
    found = count_rows(a, &sql) > 0;
    strbuf_release(&sql);
    return found;
}

static void create(struct ask *a, const struct change *ch, size_t n)
{
    struct strbuf sql = { 0 }, key = { 0 };

    if (!write_valid(a, ch, n, true))
        return;
    key_of(a, ch, n, &key);
    if (exists(a, strbuf_str(&key))) {
        refuse_write(
            a, arena_printf(a->q->arena, "Cannot create a record in %s. The record already exists.", a->set->label));
        strbuf_release(&key);
        return;
    }
    strbuf_addf(&sql, "insert into %s(", a->set->table);
    for (size_t i = 0; i < a->set->n; i++)
        strbuf_addf(&sql, "%s%s", i ? ", " : "", a->set->p[i].name);
    strbuf_adds(&sql, ") values(");
    for (size_t i = 0; i < a->set->n; i++) {
        const char *v = changed(ch, n, a->set->p[i].name);

        strbuf_adds(&sql, i ? ", " : "");
        add_sql_text(&sql, v ? v : a->set->p[i].dflt); /* %Q of NULL is null */
    }
    strbuf_addc(&sql, ')');
    run_change(a, &sql);
    read_one(a, strbuf_str(&key), 201);
    strbuf_release(&sql);
    strbuf_release(&key);
}

static void update(struct ask *a, const char *conditions, const struct change *ch, size_t n)
{
    struct strbuf sql = { 0 };

    if (!write_valid(a, ch, n, false))
        return;
    a->r->status = 204;
    if (!n)
        return;
    strbuf_addf(&sql, "update %s set ", a->set->table);
    for (size_t i = 0; i < n; i++) {
        strbuf_addf(&sql, "%s%s = ", i ? ", " : "", ch[i].p->name);
        add_sql_text(&sql, ch[i].text);
    }
    strbuf_addf(&sql, " where %s", conditions);
    run_change(a, &sql);
    strbuf_release(&sql);
}

static void delete_rows(struct ask *a, const char *conditions)
{
    struct strbuf sql = { 0 };

    if (a->set->p == GROUP) { /* a project takes its lines and positions with it */
        strbuf_addf(&sql, "delete from dmf_line where DefinitionGroupId in (select Name from dmf_project where %s)",
                    conditions);
        run_change(a, &sql);
        strbuf_reset(&sql);
        strbuf_addf(&sql, "delete from dmf_position where project in (select Name from dmf_project where %s)",
                    conditions);
        run_change(a, &sql);
        strbuf_reset(&sql);
    }
    strbuf_addf(&sql, "delete from %s where %s", a->set->table, conditions);
    run_change(a, &sql);
    strbuf_release(&sql);
    a->r->status = 204;
}

static void write_request(struct ask *a, const char *key)
{
    yajl_val body = strcmp(a->q->method, "DELETE") != 0 ? yajl_tree_parse(a->q->body, NULL, 0) : NULL;
    struct change ch[PROPERTIES_MAX];
    struct strbuf conditions = { 0 };
    size_t n = 0;

    if (*key && !key_sql(a, key, &conditions))
        goto out;
    if (*key && !exists(a, strbuf_str(&conditions))) {
        emu_fno_error(a->r, a->q, 400, "No resources were found when selecting for update.");
        goto out;
    }
    if (!strcmp(a->q->method, "DELETE"))
        delete_rows(a, strbuf_str(&conditions));
    else if (read_body(a, body, ch, &n)) {
        if (*key)
            update(a, strbuf_str(&conditions), ch, n);
        else
            create(a, ch, n);
    }
out:
    yajl_tree_free(body);
    strbuf_release(&conditions);
}

static void read_key(struct ask *a, const char *key)
{
    struct strbuf conditions = { 0 };

    if (key_sql(a, key, &conditions) && !read_one(a, strbuf_str(&conditions), 200))
        emu_fno_error(a->r, a->q, EMU_KNOB(a->e, fno_missing_key_400) ? 400 : 404,
                      "No HTTP resource was found that matches the request URI '%s%s'.", dmf_base_url(a->q),
                      a->q->path);
    strbuf_release(&conditions);
}

bool dmf_odata(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    const char *name = q->path + strlen("/data/"), *rest = name + strcspn(name, "(/");
    struct ask a = { .e = e, .q = q, .r = r };
    bool get = !strcmp(q->method, "GET"), patch = !strcmp(q->method, "PATCH") || !strcmp(q->method, "DELETE");

    for (size_t i = 0; i < COUNT(SETS) && !a.set; i++)
        if (strlen(SETS[i].path) == (size_t)(rest - name) && !strncmp(SETS[i].path, name, (size_t)(rest - name)))
            a.set = &SETS[i];
    if (!a.set)
        return false;
    r->status = 0;
    if (get && (!*rest || !strcmp(rest, "/$count")))
        read_collection(&a, *rest != '\0');
    else if (get && *rest == '(')
        read_key(&a, rest);
    else if (a.set->table && ((!strcmp(q->method, "POST") && !*rest) || (patch && *rest == '(')))
        write_request(&a, rest);
    else
        emu_fno_error(r, q, 405, "The requested resource does not support http method '%s'.", q->method);
    return true;
}
