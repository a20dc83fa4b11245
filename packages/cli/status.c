/* Exit statuses: one table for the process, the help texts and the documentation. */
#include "cli/output.h"

/* The order decides where several apply. */
const struct exit_status EXIT_STATUSES[] = {
    { 130, "ended by a signal (128 + its number: 130 Ctrl-C, 143 terminate); the same command continues" },
    { 70, "internal error: a defect of dmfsync" },
    { 2, "usage: the command line is wrong" },
    { 3, "configuration or input is wrong" },
    { 4, "the workspace is not in the state this needs" },
    { 11, "locked: another run works in this workspace" },
    { 6, "sign-in failed or a privilege is missing" },
    { 13, "a guard tripped: delete share, closed gate, running map, pause window" },
    { 12, "a time or volume limit was reached" },
    { 7, "Finance & Operations refused" },
    { 8, "Dataverse refused" },
    { 5, "temporary (network, busy service, full disk): try again" },
    { 9, "differences found" },
    { 10, "some rows failed" },
    { 14, "conflicts wait for a person" },
    { 1, "failed for another reason" },
    { 0, NULL },
};

static bool applies(uint32_t codes, int status)
{
    for (int code = 1; code < EC_COUNT; code++)
        if (codes >> code & 1 && ec_exit_status((enum ec)code) == status)
            return true;
    return false;
}

size_t status_list(uint32_t codes, int signo, int ret[static 20])
{
    size_t n = 0;

    for (const struct exit_status *x = EXIT_STATUSES; x->meaning; x++)
        if (applies(codes, x->status))
            ret[n++] = x->status == 130 && signo ? 128 + signo : x->status;
    if (!n)
        ret[n++] = 0;
    return n;
}

int status_of(uint32_t codes, int signo)
{
    int all[20];

    (void)status_list(codes, signo, all);
    return all[0];
}

const char *status_meaning(int status)
{
    if (status == 0)
        return "done";
    for (const struct exit_status *x = EXIT_STATUSES; x->meaning; x++)
        if (x->status == status || (x->status == 130 && status > 128))
            return x->meaning;
    return "unknown";
}
