/* sync_commands.h -- the command table of the diff and incremental stages. Layer: sync; main.c joins it with the loader's. */
#ifndef SYNC_SYNC_COMMANDS_H
#define SYNC_SYNC_COMMANDS_H

#include "cli/command.h"

extern const struct command SYNC_COMMANDS[];

enum ec cmd_migrate(struct app *app, struct err *reterr); /* cmd_migrate.c */
enum ec cmd_load(struct app *app, struct err *reterr); /* cmd_load.c */
enum ec cmd_repair(struct app *app, struct err *reterr); /* cmd_repair.c */
enum ec cmd_undo(struct app *app, struct err *reterr); /* cmd_undo.c */
enum ec cmd_parity(struct app *app, struct err *reterr); /* cmd_parity.c */
enum ec cmd_snapshot(struct app *app, struct err *reterr);
enum ec cmd_diff(struct app *app, struct err *reterr); /* cmd_diff.c */
enum ec cmd_explain(struct app *app, struct err *reterr); /* cmd_explain.c */
enum ec cmd_certificate_verify(struct app *app, struct err *reterr); /* cmd_certificate.c */
enum ec cmd_adopt(struct app *app, struct err *reterr); /* cmd_adopt.c */
enum ec cmd_waive(struct app *app, struct err *reterr); /* cmd_waive.c */
enum ec cmd_waive_list(struct app *app, struct err *reterr);
enum ec cmd_waive_drop(struct app *app, struct err *reterr);
enum ec cmd_sql(struct app *app, struct err *reterr); /* cmd_sql.c */
enum ec cmd_reconcile(struct app *app, struct err *reterr); /* cmd_reconcile.c */
enum ec cmd_recover(struct app *app, struct err *reterr);
enum ec cmd_watchdog(struct app *app, struct err *reterr); /* cmd_watchdog.c */
enum ec cmd_handoff(struct app *app, struct err *reterr); /* cmd_gate.c */
enum ec cmd_gate_show(struct app *app, struct err *reterr);
enum ec cmd_gate_close(struct app *app, struct err *reterr);
enum ec cmd_sync(struct app *app, struct err *reterr); /* cmd_sync.c */
enum ec cmd_conflicts_list(struct app *app, struct err *reterr);
enum ec cmd_conflicts_show(struct app *app, struct err *reterr);
enum ec cmd_conflicts_resolve(struct app *app, struct err *reterr);
enum ec cmd_parked(struct app *app, struct err *reterr);
enum ec cmd_status(struct app *app, struct err *reterr); /* cmd_status.c */
enum ec cmd_history(struct app *app, struct err *reterr); /* cmd_history.c */
enum ec cmd_report(struct app *app, struct err *reterr); /* cmd_report.c */
enum ec cmd_metrics(struct app *app, struct err *reterr);
enum ec cmd_doctor(struct app *app, struct err *reterr); /* cmd_doctor.c */

#endif
