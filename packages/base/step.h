/*
 * step.h -- named moments between which the process may be ended, for the kill-and-resume tests.
 * Layer: base. STEP(name) stands before and after each durable transaction, each publish and each external call. In
 * ordinary builds it is nothing; in builds with -DDMFSYNC_FAULT (make V=fault):
 *   DMFSYNC_STEP_TRACE=FILE   appends "n name" for each step passed
 *   DMFSYNC_STEP_KILL=n       raises SIGKILL at the n-th step of this process
 * Names are listed here, once; the driver in tests/cli/kill.sh fails on a name that no run reached.
 */
#ifndef BASE_STEP_H
#define BASE_STEP_H

/* One step, before and after, per line. */
/* clang-format off */
#define STEP_TABLE(X) \
    X(run_begin) X(run_begun) \
    X(wave_begin) X(wave_begun) \
    X(slice_pack) X(slice_packed) \
    X(package_publish) X(package_published) \
    X(url_ask) X(url_given) \
    X(blob_put) X(blob_done) \
    X(exec_store) X(exec_stored) \
    X(import_call) X(import_called) \
    X(import_store) X(import_stored) \
    X(status_poll) X(status_polled) \
    X(outcome_store) X(outcome_stored) \
    X(errors_read) X(errors_done) \
    X(retry_store) X(retry_stored) \
    X(project_make) X(project_made) \
    X(pairing_source) \
    X(export_call) X(export_called) \
    X(export_fetch) X(export_fetched) \
    X(snapshot_publish) X(snapshot_published) \
    X(snapshot_store) X(snapshot_stored) \
    X(bulk_call) X(bulk_called) \
    X(bulk_store) X(bulk_stored) \
    X(delta_store) X(delta_stored) \
    X(verdict_store) X(verdict_stored) \
    X(baseline_store) X(baseline_stored) \
    X(gate_store) X(gate_stored) \
    X(feed_read) X(feed_done) \
    X(write_call) X(write_called) \
    X(apply_store) X(apply_stored) \
    X(cursor_store) X(cursor_stored) \
    X(wave_end) X(wave_ended) \
    X(journal_store) X(journal_stored) \
    X(control_ask) X(control_asked) \
    X(command_begin) X(command_ended) \
    X(bulk_settle) X(bulk_settled) \
    X(scan_store) X(scan_stored) \
    X(compact_store) X(compact_stored) \
    X(journal_close) X(journal_closed) \
    X(run_end) X(run_ended)
/* clang-format on */

enum step {
#define X(name) STEP_##name,
    STEP_TABLE(X)
#undef X
        STEP_COUNT
};

const char *step_name(enum step s);
#ifdef DMFSYNC_FAULT
void step_passed(enum step s);
#define STEP(name) step_passed(STEP_##name)
#else
#define STEP(name) ((void)STEP_##name)
#endif

#endif
