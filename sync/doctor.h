/* doctor.h -- the checks of `doctor` and how they are told. Layer: sync, private to the command. */
#ifndef SYNC_DOCTOR_H
#define SYNC_DOCTOR_H

#include "dv/dv.h"
#include "loader/public/pair.h"

struct doctor {
    struct app *app;
    struct pair *p; /* NULL = the maps could not be opened */
    struct json *list;
    struct json *capabilities; /* array, also stored in .dmfsync/capabilities.json */
    size_t failed, notes;
    uint32_t codes; /* bit per enum ec of what failed */
    bool fno_in, dv_in; /* signed in */
    char user_id[40]; /* of Dataverse */
};
/* A check that went well, a remark, a failure with what it means for the exit status and what to do. */
void doctor_fine(struct doctor *d, const char *check, const char *text);
void doctor_note(struct doctor *d, const char *check, const char *text, const char *todo);
void doctor_fail(struct doctor *d, enum ec code, const char *check, const char *text, const char *todo);
void doctor_error(struct doctor *d, const char *check, const struct err *e);

void doctor_machine(struct doctor *d); /* doctor_env.c: disk, versions of libraries, secrets' files */
void doctor_sign_in(struct doctor *d); /* doctor_sign_in.c: both sides, the three failures told apart */
void doctor_environment(struct doctor *d); /* doctor_env.c: companies, dual-write, framework parameters */
void doctor_privileges(struct doctor *d); /* doctor_dv.c: tables and bypass */
void doctor_steps(struct doctor *d); /* doctor_dv.c: custom logic that our writes meet */
void doctor_maps(struct doctor *d); /* doctor_map.c: capabilities, keys, sources, gaps */

#endif
