/*
 * emu_dualwrite_parts.h -- what the files of the running maps share. Sources: dual-write map documents as stored in
 * msdyn_dualwriteentitymap; "Customize table and column mappings"; "Dual-write live synchronization".
 */
#ifndef EMU_DUALWRITE_PARTS_H
#define EMU_DUALWRITE_PARTS_H

#include "emu_dualwrite.h"
#include "emu_dv.h"

enum { DW_TO_DV = 1, DW_TO_FNO = 2, DW_BOTH = 3 };
enum dw_state { DW_STOPPED, DW_RUNNING, DW_PAUSED, DW_CATCHUP, DW_INITIAL };
enum dw_queue_mode { DW_REPLAY, DW_DISCARD, DW_PRESERVE };

struct dw_pair {
    const char *fno, *dv;
};
struct dw_field {
    const char *source; /* staging field; NULL = a constant towards Dataverse */
    const char *column; /* first part of the destination; NULL = a constant towards F&O */
    const char *path; /* what follows its first dot; NULL = a plain column */
    int direction; /* DW_* bits */
    struct dw_pair *values; /* value map */
    size_t n_values;
    bool has_map;
    const char *default_value; /* NULL = none */
};
struct dw_map {
    const char *label, *set, *name,
        *text; /* text = the document; NULL = a pair without one: nothing can be carried */
    const struct emu_entity *en;
    const struct dv_table *t;
    const char *source_filter, *reversed_filter; /* NULL = none */
    struct dw_field *fields;
    size_t n;
    int direction; /* union of the fields' */
    enum dw_state state, next;
    int64_t due_ms; /* when it will be in `next`; 0 = no change is under way */
    enum dw_queue_mode mode; /* what becomes of the queue then */
    int64_t paused_ms; /* since when */
    bool known; /* was set to some state once: it has a project */
    bool measured; /* the following are read from the database */
    int64_t octets, since_ms, queued;
};
struct dw {
    struct dw_map **maps;
    size_t n, cap;
    bool live; /* some map runs or is paused */
    bool inside; /* a write that a map makes: it is not carried back */
};

/* ---- documents (emu_dualwrite_map.c) ---- */
/* Reads one document into the model's arena. False with a message when it is none. */
bool dw_map_read(struct emu *e, const char *text, size_t n, struct dw_map *ret, char *msg, size_t msg_size);

/* Value of a staging field or public property; NULL = no such field. */
typedef const char *dw_get(void *arg, const char *name, const struct emu_field **ret_field);
/* An F&O range expression, as `((PartyType == "Organization"))`. False with a message when it cannot be evaluated. */
bool dw_source_filter(const char *text, dw_get *get, void *arg, bool *ret, char *msg, size_t msg_size);

/* ---- what emu_dualwrite.c and emu_dualwrite_state.c share ---- */
struct dw_map *dw_find(struct dw *d, const char *label, const char *set);
struct dw_map *dw_add(struct emu *e, const struct dw_map *m);
void dw_show_runtime(struct emu *e, const struct dw_map *m);
void dw_read_folder(struct emu *e);
const char *dw_state_word(enum dw_state s);
bool dw_state_of(const char *word, enum dw_state *ret);
void dw_tick_states(struct emu *e); /* changes whose time has come */
/* Asks for a state; false with a message when the map cannot come there from where it is. */
bool dw_change(struct emu *e, struct dw_map *m, enum dw_state next, enum dw_queue_mode mode, char *msg,
               size_t msg_size);
/* A write of a paused map; false = the queue is over its limits, and the writer is refused. */
bool dw_enqueue(struct emu *e, struct dw_map *m, const char *side, const char *company, const struct emu_value *v,
                size_t n, char *msg, size_t msg_size);

/* ---- one row through one map (emu_dualwrite_apply.c) ---- */
/* Values of an F&O row by staging name -> a write in Dataverse. */
bool dw_to_dataverse(struct emu *e, const struct dw_map *m, const char *company, const struct emu_value *row,
                     size_t n, char *msg, size_t msg_size);
bool dw_delete_in_dataverse(struct emu *e, const struct dw_map *m, const char *company, const struct emu_value *row,
                            size_t n, char *msg, size_t msg_size);
/* A Dataverse row -> F&O values; *ret_n 0 = the row does not take part (no company, outside the filter). */
bool dw_fno_values(struct emu *e, const struct dw_map *m, const char *id, struct arena *a, const char **ret_company,
                   struct emu_value **ret, size_t *ret_n, char *msg, size_t msg_size);
bool dw_to_fno(struct emu *e, const struct dw_map *m, const char *company, const struct emu_value *v, size_t n,
               char *msg, size_t msg_size);
/* Whether an F&O row takes part: the map's source filter. */
bool dw_row_passes(const struct dw_map *m, const struct emu_value *row, size_t n, bool *ret, char *msg,
                   size_t msg_size);

#endif
