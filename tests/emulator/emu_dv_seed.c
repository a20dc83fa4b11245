/*
 * The rows of a new organization: its root business unit, itself, its users, the messages that its tables have, and the
 * rows of the tenant file.
 */
#include "emu_dv.h"

#include <stdio.h>
#include <string.h>

static const char *const CLIENTS[] = { "", "11111111-1111-1111-1111-111111111111",
                                       "11111111-1111-1111-1111-111111111112" };

static void set(const struct dv_table *t, struct dv_change *ch, const char *name, const char *value)
{
    int col = dv_col_by_name(t, name, strlen(name));

    if (col < 0)
        return;
    ch->set[col] = true;
    ch->v[col] = value;
}

static void make(struct dv_op *op, const struct dv_table *t, const char *id, struct dv_change *ch,
                 char ret_id[static 37])
{
    if (dv_create(op, t, id, ch, ret_id))
        return;
    fprintf(stderr, "dmfsync-emulator: %s: %s\n", t->logical, op->fail.msg);
    bug_abort(__FILE__, __LINE__, "a row of a new organization is refused");
}

static void seed_organization(struct dv_op *op, const char *name)
{
    const struct dv_table *t = dv_table_by_logical(op->e, "organization", 12);
    struct dv_change ch;
    char id[37];

    if (!t || !dv_guid(op->e->tenant.organization_id, 36, id))
        return;
    dv_change_init(op, t, &ch);
    set(t, &ch, "name", name);
    make(op, t, id, &ch, id);
}

static void seed_business_unit(struct dv_op *op, const char *name)
{
    const struct dv_table *t = dv_table_by_logical(op->e, "businessunit", 12);
    struct dv_change ch;
    char id[37];

    if (!t || dv_exists(op->e, t, op->e->dv->root_bu))
        return;
    dv_change_init(op, t, &ch);
    set(t, &ch, "name", name);
    make(op, t, op->e->dv->root_bu, &ch, id);
}

/* Which messages a table has: sdkmessagefilters. UpsertMultiple is never among them. */
static void seed_messages(struct dv_op *op)
{
    static const char *const MESSAGES[] = { "Create",           "Update",         "Delete",        "Retrieve",
                                            "RetrieveMultiple", "CreateMultiple", "UpdateMultiple" };
    const struct dv_table *m = dv_table_by_logical(op->e, "sdkmessage", 10),
                          *f = dv_table_by_logical(op->e, "sdkmessagefilter", 16),
                          *s = dv_table_by_logical(op->e, "sdkmessageprocessingstep", 24);
    struct dv_change ch;
    char message[37], filter[37], text[200];

    if (!m || !f || !s || m->writable)
        return; /* the tenant file brings its own */
    for (size_t i = 0; i < COUNT(MESSAGES); i++) {
        dv_change_init(op, m, &ch);
        set(m, &ch, "name", MESSAGES[i]);
        make(op, m, NULL, &ch, message);
        for (size_t k = 0; k < op->e->dv->n; k++) {
            const struct dv_table *t = &op->e->dv->tables[k];

            if (i >= 5 && !t->bulk)
                continue;
            dv_change_init(op, f, &ch);
            set(f, &ch, "primaryobjecttypecode", t->logical);
            dv_set_lookup(op, f, dv_col_by_name(f, "sdkmessageid", 12), m, message, &ch);
            snprintf(text, sizeof(text), "sdkmessagefilter|%s|%s", MESSAGES[i], t->logical);
            emu_guid(op->e, text, filter);
            make(op, f, filter, &ch, filter);
            if (strcmp(t->logical, "account") != 0 || i >= 3)
                continue;
            dv_change_init(op, s, &ch); /* shown only while dv_plugin_throws_untagged is on */
            set(s, &ch, "name", arena_printf(op->a, "Contoso.Plugins.AccountGuard: %s of account", MESSAGES[i]));
            set(s, &ch, "iscustomizable", "1");
            dv_set_lookup(op, s, dv_col_by_name(s, "sdkmessagefilterid", 18), f, filter, &ch);
            dv_set_lookup(op, s, dv_col_by_name(s, "sdkmessageid", 12), m, message, &ch);
            make(op, s, NULL, &ch, text);
        }
    }
}

static void seed_rows(struct dv_op *op)
{
    static const char *PATH[] = { "dataverse", "rows", NULL };
    yajl_val rows = yajl_tree_get(op->e->tenant.root, PATH, yajl_t_object);

    for (size_t i = 0; rows && i < YAJL_GET_OBJECT(rows)->len; i++) {
        const char *name = YAJL_GET_OBJECT(rows)->keys[i];
        const struct dv_table *t = dv_table_by_set(op->e, name, strlen(name));
        yajl_val list = YAJL_GET_OBJECT(rows)->values[i];

        BUG_IF(!t || !YAJL_IS_ARRAY(list), "the tenant file has rows of an unknown table");
        for (size_t k = 0; k < YAJL_GET_ARRAY(list)->len; k++) {
            struct dv_change ch;
            char id[37];

            if (!dv_change_read(op, t, YAJL_GET_ARRAY(list)->values[k], true, &ch)) {
                fprintf(stderr, "dmfsync-emulator: %s: %s\n", t->logical, op->fail.msg);
                bug_abort(__FILE__, __LINE__, "the tenant file has a row that its table refuses");
            }
            make(op, t, ch.id, &ch, id);
        }
    }
}

/* Amounts without a currency are in that of the organization: the first one there is. */
static void set_base_currency(struct emu *e)
{
    const struct dv_table *t = dv_table_by_logical(e, "transactioncurrency", 19);

    if (t)
        dv_exec(e, "insert or replace into dv_state(name, value) select 'base_currency', transactioncurrencyid from "
                   "dv_transactioncurrency order by versionnumber limit 1");
}

void dv_seed(struct emu *e)
{
    static const char *NAME[] = { "organization", "name", NULL };
    yajl_val name = yajl_tree_get(e->tenant.root, NAME, yajl_t_string);
    const char *text = name ? YAJL_GET_STRING(name) : "organization";
    struct arena a = { 0 };
    struct dv_op op;

    emu_guid(e, "businessunit|root", e->dv->root_bu);
    if (dv_int(e, "select 1 from dv_state where name = 'seeded'", NULL))
        return;
    dv_savepoint(e, "dv_seed");
    for (size_t i = 0; i < COUNT(CLIENTS); i++)
        dv_user_id(e, CLIENTS[i]);
    dv_op_init(&op, e, NULL, NULL, &a);
    op.inside = true;
    seed_business_unit(&op, text);
    seed_organization(&op, text);
    seed_messages(&op);
    seed_rows(&op);
    set_base_currency(e);
    dv_exec(e, "insert into dv_state(name, value) values('seeded', 1)");
    dv_release(e, "dv_seed");
    arena_release(&a);
}
