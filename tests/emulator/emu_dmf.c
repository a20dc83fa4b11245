/*
 * The DMF part's tables and its entry.
 */
#include "emu_dmf_parts.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SCHEMA[] =
    "create table if not exists dmf_project(Name text primary key collate nocase, OperationType text, "
    "ProjectCategory text, "
    "Description text, GenerateDataPackage text, TruncateEntityData text);"
    /* Definition lines: one column per property of DataManagementDefinitionGroupDetails. */
    "create table if not exists dmf_line(DefinitionGroupId text collate nocase, EntityName text collate nocase, "
    "SourceFormat "
    "text, ExecutionUnit integer, LevelInExecutionUnit integer, SequenceInLevel integer, DefaultRefreshType text, "
    "SkipStaging "
    "text, AutoGenerateMapping text, RunValidateField text, RunBusinessValidation text, RunBusinessLogic text, "
    "FailLevelOnError "
    "text, FailExecutionUnitOnError text, IsTransformed text, Disable text, ExcelSheetName text, InputFilePath text, "
    "SampleFilePath text, SampleFilePathOriginal text, PackageFilePath text, EntityXMLName text, ParentEntityName "
    "text, "
    "QueryForODBC text, QueryData text, Tags text, SysModule text, EntityCategory text, ValidationStatus text, "
    "primary "
    "key(DefinitionGroupId, EntityName));"
    "create table if not exists dmf_job(no integer primary key autoincrement, id text unique collate nocase, project "
    "text "
    "collate nocase, company text, import integer, execute integer, package_name text, submitted_ms integer, "
    "visible_ms integer, "
    "start_ms integer, end_ms integer, status text, unknown_served integer default 0, fail_every integer default 0, "
    "stop_at "
    "integer default 0, stop_partial integer default 0, rows_seen integer default 0, kept integer default 1, url "
    "text, url_ms integer);"
    "create index if not exists dmf_job_open on dmf_job(status, start_ms);"
    "create index if not exists dmf_job_project on dmf_job(project);"
    "create table if not exists dmf_job_entity(job integer, ord integer, entity text, unit integer, level integer, "
    "sequence "
    "integer, format text, file text, sheet text, refresh text, fail_level integer, fail_unit integer, run_logic "
    "integer, "
    "run_validation integer, hangs integer, state integer default 0, due_ms integer, staging_status text default "
    "'Waiting', "
    "target_status text default 'NotStarted', to_process integer default 0, staged integer default 0, created "
    "integer default 0, "
    "updated integer default 0, staging_failed integer default 0, target_failed integer default 0, broken integer "
    "default 0, "
    "tasks integer default 1, staging_start integer, staging_end integer, target_start integer, target_end integer, "
    "primary "
    "key(job, ord)) without rowid;"
    "create index if not exists dmf_agenda on dmf_job_entity(due_ms) where due_ms is not null;"
    "create table if not exists dmf_staging(job integer, ord integer, line integer, key text, record text, row blob, "
    "primary key(job, ord, line)) without rowid;"
    "create unique index if not exists dmf_staging_key on dmf_staging(job, ord, key);"
    "create table if not exists dmf_error(no integer primary key, job integer, ord integer, stage text, line "
    "integer, record "
    "text, field text, text text);"
    "create index if not exists dmf_error_job on dmf_error(job, ord, stage);"
    "create table if not exists dmf_key_file(job integer, ord integer, stage text, url text, ready_ms integer, "
    "primary key(job, "
    "ord, stage));"
    "create table if not exists dmf_entity(EntityName text primary key collate nocase, TargetEntity text, "
    "StagingTable text, "
    "EntityCategory text, IsShared text, DataManagementEnabled text);"
    "create table if not exists dmf_position(project text collate nocase, entity text, company text, change integer, "
    "primary "
    "key(project, entity, company));";

void emu_dmf_init(struct emu *e)
{
    struct strbuf path = { 0 };
    struct err err = { 0 };
    char *text = NULL;

    strbuf_addf(&path, "%s/dmf", e->dir);
    if (dir_make(strbuf_str(&path), 0700, &err) || sqlite3_exec(e->db, SCHEMA, NULL, NULL, &text) != SQLITE_OK) {
        fprintf(stderr, "dmfsync-emulator: data management: %s\n", text ? text : err.msg);
        abort();
    }
    strbuf_release(&path);
    emu_exec(e, "delete from dmf_entity", "");
    for (size_t i = 0; i < e->tenant.n_entities; i++) {
        const struct emu_entity *en = &e->tenant.entities[i];

        emu_exec(e, "insert into dmf_entity values(?1, ?2, ?2 || 'Staging', 'Master', ?3, ?4)", "tttt", en->label,
                 en->aot, en->shared ? "Yes" : "No", en->dmf_import ? "Yes" : "No");
    }
}

const struct emu_format *dmf_format(const struct emu *e, const char *name)
{
    for (size_t i = 0; i < e->tenant.n_formats; i++)
        if (!strcmp(e->tenant.formats[i].name, name))
            return &e->tenant.formats[i];
    return NULL;
}

bool emu_dmf_handle(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    static const char ACTION[] = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.";
    static const char ENTITY_ACTION[] = "/data/DataManagementEntities/Microsoft.Dynamics.DataEntities.";

    if (!strncmp(q->path, ACTION, sizeof(ACTION) - 1)) {
        dmf_actions(e, q, r, q->path + sizeof(ACTION) - 1);
        return true;
    }
    if (!strncmp(q->path, ENTITY_ACTION, sizeof(ENTITY_ACTION) - 1)) {
        dmf_entity_actions(e, q, r, q->path + sizeof(ENTITY_ACTION) - 1);
        return true;
    }
    return !strncmp(q->path, "/data/", 6) && dmf_odata(e, q, r);
}
