/*
 * emu_dmf_parts.h -- what the files of the DMF part (emu_dmf*.c) share among themselves.
 *
 * Conventions: functions that can be refused return false and fill `msg` (one sentence in the service's words). Texts
 * in a manifest live in the arena it was read into. Times are simulated milliseconds.
 */
#ifndef EMU_DMF_PARTS_H
#define EMU_DMF_PARTS_H

#include "emu_dmf.h"
#include "emu_store.h"

#include <zip.h>

enum { DMF_MSG = 1024 };

/* ---- packages (emu_dmf_package.c) ---- */
struct dmf_map {
    const char *field; /* EntityField: staging field */
    const char *column; /* XMLField: column, tag or attribute in the file */
    bool auto_default, auto_generated;
    bool qualifier; /* UseTextQualifier */
};
struct dmf_entity {
    const char *label, *file, *format, *sheet;
    int64_t unit, level, sequence;
    bool disable, fail_level, fail_unit, run_logic, run_validation;
    struct dmf_map *maps;
    size_t n_maps;
};
struct dmf_manifest {
    const char *project, *description;
    struct dmf_entity *entities;
    size_t n;
};
enum dmf_package { DMF_PACKAGE_OK, DMF_PACKAGE_REFUSED, DMF_PACKAGE_NOT_ZIP };
/*
 * Opens `path`, checks header and manifest, and reads the manifest. ret_zip is NULL unless the answer is OK; the
 * caller discards it. `strict` = out-of-order elements are ignored, as a DataContract reader does.
 */
enum dmf_package dmf_package_open(const char *path, bool strict, struct arena *a, zip_t **ret_zip,
                                  struct dmf_manifest *ret_m, char *msg, size_t msg_size);
/* Index of a member at the root, any case; -1 = none. */
zip_int64_t dmf_member(zip_t *z, const char *name);

/* ---- data files in (emu_dmf_csv.c, emu_dmf_xml.c, emu_dmf_xlsx.c) ---- */
struct dmf_cell {
    const char *p; /* UTF-8, valid until the next row is read */
    size_t n;
    bool absent; /* not in this row (XML) */
};
enum dmf_read { DMF_ROW, DMF_END, DMF_BAD_ROW, DMF_BAD_FILE };
struct dmf_csv;
/*
 * Opens member `index` as CSV of format `f`; `doubled` = doubled qualifiers are understood in columns whose map says
 * UseTextQualifier. Reads the header row and matches it with the maps. NULL = the file as a whole is refused.
 */
struct dmf_csv *dmf_csv_open(zip_t *z, zip_int64_t index, const struct emu_format *f, const struct dmf_entity *d,
                             bool doubled, char *msg, size_t msg_size);
/* cells[0..n_maps) in the order of the maps. */
enum dmf_read dmf_csv_next(struct dmf_csv *c, struct dmf_cell *cells, int64_t *ret_line, char *msg, size_t msg_size);
void dmf_csv_close(struct dmf_csv *c);
/* True when the file's rows end in LF where the format wants CR LF: the call itself fails then. */
bool dmf_csv_lf_only(zip_t *z, zip_int64_t index, const struct emu_format *f);

struct dmf_xml;
struct dmf_xml *dmf_xml_open(zip_t *z, zip_int64_t index, bool attributes, const char *element,
                             const struct dmf_entity *d, char *msg, size_t msg_size);
enum dmf_read dmf_xml_next(struct dmf_xml *x, struct dmf_cell *cells, int64_t *ret_line, char *msg, size_t msg_size);
void dmf_xml_close(struct dmf_xml *x);

struct dmf_xlsx;
/* `spill` = where the workbook may be unpacked; removed on closing. The sheet is the entity's, or the first. */
struct dmf_xlsx *dmf_xlsx_open(zip_t *z, zip_int64_t index, const char *spill, const struct dmf_entity *d, char *msg,
                               size_t msg_size);
enum dmf_read dmf_xlsx_next(struct dmf_xlsx *x, struct dmf_cell *cells, int64_t *ret_line, char *msg,
                            size_t msg_size);
void dmf_xlsx_close(struct dmf_xlsx *x);
/* A worksheet's text before and behind its rows, and the workbook around the finished worksheet file. */
void dmf_xlsx_begin(struct strbuf *out);
void dmf_xlsx_end(struct strbuf *out);
bool dmf_xlsx_build(const char *sheet_xml, const char *sheet_name, const char *path);

/* Columns of a header row <-> maps, both ways: map_column[i] = column of map i, -1 = filled by the service. */
bool dmf_match_header(const struct dmf_cell *header, size_t n, const struct dmf_entity *d, int *map_column, char *msg,
                      size_t msg_size);

/* ---- values (emu_dmf_value.c) ---- */
/* Text of a cell -> the row store's text. False = refused by staging with a DMF code in `msg`. */
bool dmf_value_in(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg, size_t msg_size);
/* The row store's text -> text of an exported cell; `csv` = CSV rather than XML. */
void dmf_value_out(const struct emu *e, const struct emu_field *f, const char *value, bool csv, struct strbuf *out);
/* Adds UTF-8 text as UTF-16LE. */
void dmf_utf16(struct strbuf *out, const char *p, size_t n);
size_t dmf_utf8_step(const char *p, size_t n); /* length of the well-formed character at p, 0 = there is none */
/* Adds text with whatever is not UTF-8 (or NUL) replaced, about `max` octets of it, whole characters. */
void dmf_clean(struct strbuf *out, const char *p, size_t n, size_t max);
/* ASCII case folding of a copy, for keys: the service compares without case. */
void dmf_fold(struct strbuf *out, const char *p, size_t n);

const struct emu_format *dmf_format(const struct emu *e, const char *name); /* NULL = no such source data format */

/* ---- jobs (emu_dmf_jobs.c) ---- */
/* An entity of a job: waits for its turn, then its staging step runs, then its target step. */
enum dmf_state { DMF_WAITING, DMF_STAGING, DMF_TARGET, DMF_DONE };
struct dmf_job {
    int64_t no;
    const char *id, *project, *company;
    bool import, execute;
    const char *package_name;
};
/* Adds the job (fills no); its entities follow, in manifest order; `hangs` = never gets done. */
void dmf_job_add(struct emu *e, struct dmf_job *j);
void dmf_job_add_entity(struct emu *e, int64_t job, int ord, const struct dmf_entity *d, const char *refresh,
                        bool hangs);
/* The job by execution id, into the arena. `visible` = only once its row exists for clients. */
bool dmf_job_find(struct emu *e, const char *id, bool visible, struct arena *a, struct dmf_job *ret);
void dmf_job_delete(struct emu *e, int64_t job);
void dmf_job_sweep(struct emu *e); /* removes the packages of imports that ended in earlier transactions */
/* A file of the job under the emulator's folder, e.g. suffix ".zip". */
void dmf_job_path(const struct emu *e, int64_t job, const char *suffix, struct strbuf *out);
/*
 * Adds one error. `record` is the row's key, its parts separated by DMF_KEY_SEPARATOR; `record` and `field` may be
 * "". Errors of rows have line > 0, errors of the whole entity 0.
 */
#define DMF_KEY_SEPARATOR '\x1f'
struct dmf_error {
    const char *stage, *record, *field, *text;
    int64_t line;
};
void dmf_error_add(struct emu *e, int64_t job, int ord, const struct dmf_error *x);

struct dmf_counts {
    int64_t rows; /* to be processed */
    int64_t staged;
    int64_t created, updated;
    int64_t failed; /* row errors of this step */
    bool broken; /* the step failed as a whole */
    bool stopped; /* a fault ended the job in this entity */
};
/* ---- the two steps of one imported entity (emu_dmf_import.c) ---- */
void dmf_stage(struct emu *e, int64_t job, int ord, struct dmf_counts *c);
void dmf_target(struct emu *e, int64_t job, int ord, struct dmf_counts *c);

/* ---- exports (emu_dmf_export.c) ---- */
/* Name of the data file of an exported entity. */
const char *dmf_export_file(struct arena *a, const struct dmf_entity *d, const struct emu_format *f);
/* Writes one entity's data file into the job's folder and moves the change position. */
void dmf_export_entity(struct emu *e, int64_t job, int ord, struct dmf_counts *c);
/* Builds the package of a job whose entities are done. False = nothing could be written. */
bool dmf_export_finish(struct emu *e, int64_t job);

/* ---- answers (emu_dmf_actions.c) ---- */
/* One call of an action; its parameters have been checked. */
struct dmf_call {
    struct emu *e;
    struct emu_request *q;
    struct emu_response *r;
    const char *action;
    yajl_val body;
};
const char *dmf_arg(const struct dmf_call *c, const char *name); /* "" = absent */
void dmf_answer(struct dmf_call *c, const char *text, size_t n); /* a string */
void dmf_answer_bool(struct dmf_call *c, bool value);
/* The error envelope with the text that every failed action puts in front. */
void dmf_refuse(struct dmf_call *c, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The job of parameter executionId; false = refused with the service's text, since there is no such row (yet). */
bool dmf_call_job(struct dmf_call *c, struct dmf_job *ret);
void dmf_actions(struct emu *e, struct emu_request *q, struct emu_response *r, const char *action); /* the entry */
void dmf_entity_actions(struct emu *e, struct emu_request *q, struct emu_response *r, const char *action);
/* The service's own address as the client wrote it, "http://host". */
const char *dmf_base_url(const struct emu_request *q);

/* emu_dmf_errors.c */
void dmf_execution_errors(struct dmf_call *c);
void dmf_staging_error_url(struct dmf_call *c);
void dmf_generate_keys(struct dmf_call *c);
void dmf_keys_url(struct dmf_call *c);

/* emu_dmf_odata.c: the entity sets; false = no such path */
bool dmf_odata(struct emu *e, struct emu_request *q, struct emu_response *r);

#endif
