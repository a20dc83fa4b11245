/*
 * The entity sets' tables: projects, their lines, jobs, job details, the entity list. What a job has done by now is
 * computed in the source: the numbers of a step that is under way grow with the clock.
 */
#include "emu_dmf_sets.h"

#include "emu_fno.h"

#include <string.h>

#define NOYES "No,Yes"

static const struct dmf_property GROUP[] = {
    { "Name", 's', true, true, NULL, NULL, NULL },
    { "Description", 's', false, true, "", NULL, NULL },
    { "OperationType", 'e', false, true, "Import", "Import,Export", NULL },
    { "ProjectCategory", 'e', false, true, "Project", "Project,Configuration,Integration,AsyncIntegration,DualWrite",
      NULL },
    { "GenerateDataPackage", 'e', false, true, "No", NOYES, NULL },
    { "TruncateEntityData", 'e', false, true, "No", NOYES, NULL },
};
static const struct dmf_property LINE[] = {
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
static const struct dmf_property JOB[] = {
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
static const struct dmf_property DETAIL[] = {
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
static const struct dmf_property ENTITY[] = {
    { "EntityName", 's', true, false, NULL, NULL, NULL },
    { "TargetEntity", 's', false, false, NULL, NULL, NULL },
    { "StagingTable", 's', false, false, NULL, NULL, NULL },
    { "EntityCategory", 's', false, false, NULL, NULL, NULL },
    { "IsShared", 'e', false, false, NULL, NOYES, NULL },
    { "DataManagementEnabled", 'e', false, false, NULL, NOYES, NULL },
};

static const struct dmf_set SETS[] = {
    { DMF_GROUPS, "DataManagementDefinitionGroups", "DataManagementDefinitionGroup",
      "Data project (DMFDefinitionGroup)", "dmf_project", GROUP, COUNT(GROUP), "dmf_project" },
    { DMF_LINES, "DataManagementDefinitionGroupDetails", "DataManagementDefinitionGroupDetail",
      "Definition group entities "
      "(DMFDefinitionGroupEntity)",
      "dmf_line", LINE, COUNT(LINE), "dmf_line" },
    { DMF_JOBS, "DataManagementExecutionJobs", "DataManagementExecutionJob", "", "dmf_job where visible_ms <= ?1",
      JOB, COUNT(JOB), NULL },
    { DMF_DETAILS, "DataManagementExecutionJobDetails", "DataManagementExecutionJobDetail", "",
      "dmf_job_entity n join dmf_job j on j.no = n.job where j.visible_ms <= ?1", DETAIL, COUNT(DETAIL), NULL },
    { DMF_ENTITIES, "DataManagementEntities", "DataManagementEntity", "", "dmf_entity", ENTITY, COUNT(ENTITY), NULL },
};

const struct dmf_set *dmf_set_by_path(const char *p, size_t n)
{
    for (size_t i = 0; i < COUNT(SETS); i++)
        if (strlen(SETS[i].path) == n && !strncmp(SETS[i].path, p, n))
            return &SETS[i];
    return NULL;
}

const struct dmf_property *dmf_property(const struct dmf_set *s, const char *name, size_t n)
{
    for (size_t i = 0; i < s->n; i++)
        if (strlen(s->p[i].name) == n && !strncmp(s->p[i].name, name, n))
            return &s->p[i];
    return NULL;
}

bool dmf_unknown_property(struct dmf_ask *a, const char *name, size_t n)
{
    emu_fno_error(a->r, a->q, 400,
                  "Could not find a property named '%.*s' on type 'Microsoft.Dynamics.DataEntities.%s'.",
                  (int)(n < 80 ? n : 80), name, a->set->type);
    return false;
}
