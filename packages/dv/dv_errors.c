/*
 * What Dataverse's error codes ask of a writer. Sources: Dataverse Web API, "Compose HTTP requests and handle errors",
 * "Web service error codes", "Service protection API limits"; Dataverse support articles on bulk operation errors. A code's
 * HTTP status is not contractual, so the code is looked at first, the text second, the status last.
 */
#include "dv/dv_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    uint32_t code;
    enum dv_fault fault;
} CODES[] = {
    { 0x80072321, DVF_THROTTLE }, /* execution time */
    { 0x80072322, DVF_THROTTLE }, /* requests */
    { 0x80072326, DVF_THROTTLE }, /* concurrency */
    { 0x8004A001, DVF_BUSY },       { 0x80072323, DVF_BUSY },       { 0x80072324, DVF_BUSY },
    { 0x80073000, DVF_BUSY },       { 0x8004ED47, DVF_SQL }, /* AppLockTimeout */
    { 0x80048105, DVF_SQL }, /* more than one concurrent request for the same row */
    { 0x80044151, DVF_SHRINK }, /* SqlTimeout */
    { 0x80044171, DVF_SHRINK }, /* plug-in ran out of its two minutes: fewer rows may pass */
    { 0x80044172, DVF_SHRINK },     { 0x80044173, DVF_SHRINK },     { 0x80081111, DVF_SHRINK },
    { 0x80072325, DVF_STORAGE }, /* AzureSqlDatabaseStorageQuotaExceeded */
    { 0x80040217, DVF_REFERENCE }, /* ObjectDoesNotExist */
    { 0x80060891, DVF_REFERENCE }, /* RecordNotFoundByEntityKey */
    { 0x80040353, DVF_REFERENCE }, /* LookupNotFound */
    { 0x80040227, DVF_REFERENCE }, /* CannotDeleteDueToAssociation */
    { 0x80048d02, DVF_REFERENCE }, /* IsvAbortedNotFound */
    { 0x80060890, DVF_CONFIG }, /* EntityKeyNotDefined */
    { 0x8006088F, DVF_CONFIG }, /* InvalidEntityKeyOperation */
    { 0x80048d19, DVF_CONFIG }, /* payload: undeclared property, navigation name */
    { 0x8006088a, DVF_CONFIG }, /* resource segment not found */
    { 0x80072491, DVF_CONFIG }, /* ChangeTrackingNotEnabledForEntity */
    { 0x8004E023, DVF_CONFIG }, /* AggregateQueryRecordLimitExceeded */
    { 0x80040237, DVF_DUPLICATE }, /* DuplicateRecord */
    { 0x80060892, DVF_DUPLICATE }, /* DuplicateRecordEntityKey */
    { 0x80040333, DVF_DUPLICATE }, /* DuplicateRecordsFound */
    { 0x80073002, DVF_DUPLICATE }, /* CrmSQLUniqueIndexOrConstraintViolation */
    { 0x8006089D, DVF_DATA }, /* MultipleRecordsFoundByEntityKey */
    { 0x80044331, DVF_DATA }, /* StringLengthTooLong */
    { 0x80073001, DVF_DATA }, /* CrmSQLCharLengthTooLong */
    { 0x8004431A, DVF_DATA }, /* PicklistValueOutOfRange */
    { 0x80061005, DVF_DATA }, /* OptionSetValidationFailed */
    { 0x8004431C, DVF_DATA }, /* BooleanOptionOutOfRange */
    { 0x8004432F, DVF_DATA }, /* IntegerValueOutOfRange */
    { 0x80044330, DVF_DATA }, /* DecimalValueOutOfRange */
    { 0x80061004, DVF_DATA }, /* MinMaxValidationFailed */
    { 0x80041136, DVF_DATA }, /* SqlArithmeticOverflowError */
    { 0x80040239, DVF_DATA }, /* InvalidDateTime */
    { 0x80040200, DVF_DATA }, /* RequiredFieldMissing */
    { 0x80040203, DVF_DATA }, /* InvalidArgument */
    { 0x80040216, DVF_DATA }, /* UnExpected: catch-all, isolated like a bad row */
    { 0x80048408, DVF_DATA }, /* InvalidStateCodeStatusCode */
    { 0x80040215, DVF_DATA }, /* MissingOwner */
    { 0x80040220, DVF_PERMISSION }, /* PrivilegeDenied */
    { 0x80040231, DVF_PERMISSION }, { 0x80048405, DVF_PERMISSION }, /* AccessDenied */
    { 0x80040299, DVF_PERMISSION }, { 0x8004A110, DVF_PERMISSION }, /* CannotActOnBehalfOfAnotherUser */
    { 0x80072560, DVF_PERMISSION }, /* not a member of the organization */
    { 0x80060882, DVF_CONFLICT }, /* ConcurrencyVersionMismatch */
    { 0x80060883, DVF_CONFLICT },   { 0x80060893, DVF_CONFLICT },   { 0x80040265, DVF_PLUGIN }, /* IsvAborted */
    { 0x80040224, DVF_PLUGIN }, /* IsvUnExpected */
    { 0x80040251, DVF_PLUGIN }, /* TransactionNotStarted: a plug-in swallowed an error */
    { 0x80044352, DVF_RESYNC }, /* ExpiredVersionStamp */
};

bool dv_code(const char *text, uint32_t *ret)
{
    char *end;
    unsigned long long u;
    long long v;

    while (isspace((unsigned char)*text))
        text++;
    if (!*text) {
        *ret = 0;
        return true;
    }
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        if (!isxdigit((unsigned char)text[2]))
            return false;
        u = strtoull(text + 2, &end, 16);
    } else if (*text == '-') {
        v = strtoll(text, &end, 10);
        if (end == text + 1 || v < INT32_MIN)
            return false;
        u = (uint32_t)(int32_t)v;
    } else {
        /* eight digits that begin with 8 are the hex form without its prefix; no decimal code looks like that */
        bool hex = strlen(text) == 8 && text[0] == '8' && strspn(text, "0123456789abcdefABCDEF") == 8;

        if (!isdigit((unsigned char)*text))
            return false;
        u = strtoull(text, &end, hex ? 16 : 10);
    }
    while (isspace((unsigned char)*end))
        end++;
    if (*end || u > UINT32_MAX)
        return false;
    *ret = (uint32_t)u;
    return true;
}

static bool says(const char *message, const char *part)
{
    return message && strcasestr(message, part);
}

/* "Sql Number: 1205" inside GenericSql and of plug-ins that pass it on; 0 = none. */
static long sql_number(const char *message)
{
    const char *p = message ? strcasestr(message, "Sql Number:") : NULL;

    return p ? strtol(p + strlen("Sql Number:"), NULL, 10) : 0;
}

static enum dv_fault by_sql(const char *message)
{
    switch (sql_number(message)) {
    case 1205: /* deadlock */
    case 1222: /* lock request time-out */
    case 3732: /* the server's table types of a new table, made by two first calls at once */
    case 2766:
    case 2812: return DVF_SQL;
    case -2: return DVF_SHRINK;
    case 2601:
    case 2627: return DVF_DUPLICATE;
    default: return DVF_NONE;
    }
}

static enum dv_fault by_text(const char *message)
{
    enum dv_fault f = by_sql(message);

    if (f)
        return f;
    if (says(message, "transaction of the SQL command has already been rolled back"))
        return DVF_SQL;
    if (says(message, "Message size exceeded when sending context to Sandbox"))
        return DVF_SHRINK;
    if (says(message, "has not yet been implemented"))
        return DVF_UNSUPPORTED;
    if (says(message, "CreateMultiple") || says(message, "UpdateMultiple")) {
        if (says(message, "not found") || says(message, "not supported") || says(message, "does not support") ||
            says(message, "No HTTP resource"))
            return DVF_UNSUPPORTED;
    }
    if (says(message, "matching key values already exists") || says(message, "Cannot insert duplicate key"))
        return DVF_DUPLICATE;
    if (says(message, "Version stamp associated with the client has expired"))
        return DVF_RESYNC;
    if (says(message, "SecureConfig Organization"))
        return DVF_CONFIG;
    if (says(message, "Does Not Exist") || says(message, "Do Not Exist"))
        return DVF_REFERENCE;
    if (says(message, "CrmCheckPrivilege failed"))
        return DVF_PERMISSION;
    return DVF_NONE;
}

static enum dv_fault by_status(int status)
{
    switch (status) {
    case 401:
    case 403: return DVF_PERMISSION;
    case 404:
    case 405:
    case 415: return DVF_CONFIG;
    case 410: return DVF_RESYNC;
    case 408:
    case 413: return DVF_SHRINK;
    case 409:
    case 412: return DVF_CONFLICT;
    case 429: return DVF_THROTTLE;
    case 501: return DVF_UNSUPPORTED;
    default: break;
    }
    if (status >= 500)
        return DVF_BUSY;
    return DVF_DATA;
}

enum dv_fault dv_classify(int http_status, const char *code, const char *message)
{
    uint32_t c = 0;
    enum dv_fault f;

    if (http_status >= 200 && http_status < 300)
        return DVF_NONE;
    if (!code || !dv_code(code, &c))
        c = 0;
    if (c == 0x80044150) { /* GenericSql: what happened is in the text */
        f = by_sql(message);
        if (!f)
            f = by_text(message);
        return f ? f : DVF_DATA;
    }
    /* a deadlock reported by a plug-in, and a missing bulk message, come under codes that mean something else */
    f = by_text(message);
    if (f == DVF_SQL || f == DVF_SHRINK || f == DVF_UNSUPPORTED)
        return f;
    for (size_t i = 0; c && i < COUNT(CODES); i++)
        if (CODES[i].code == c) {
            if (CODES[i].fault == DVF_PLUGIN && says(message, "SecureConfig Organization"))
                return DVF_CONFIG;
            if (c == 0x80040265 && says(message, "requires that this set of attributes contains unique values"))
                return DVF_DUPLICATE;
            return CODES[i].fault;
        }
    if (f)
        return f;
    if (http_status == 400 && code && !strcasecmp(code, "0x0"))
        return DVF_CONFIG; /* unknown property in URL or body */
    return by_status(http_status);
}

bool dv_fault_is_row(enum dv_fault f)
{
    switch (f) {
    case DVF_DATA:
    case DVF_REFERENCE:
    case DVF_PLUGIN:
    case DVF_PERMISSION:
    case DVF_CONFIG:
    case DVF_DUPLICATE:
    case DVF_CONFLICT: return true;
    default: return false;
    }
}

int dv_fault_class(enum dv_fault f)
{
    switch (f) {
    case DVF_DATA:
    case DVF_CONFLICT: return DV_CLASS_DATA;
    case DVF_REFERENCE: return DV_CLASS_REFERENCE;
    case DVF_PLUGIN: return DV_CLASS_PLUGIN;
    case DVF_PERMISSION: return DV_CLASS_PERMISSION;
    case DVF_CONFIG:
    case DVF_RESYNC:
    case DVF_UNSUPPORTED: return DV_CLASS_CONFIG;
    case DVF_DUPLICATE: return DV_CLASS_DUPLICATE;
    default: return DV_CLASS_NONE;
    }
}

static void advise(struct err *e, enum dv_fault f)
{
    uint32_t c = 0;

    (void)dv_code(e->service_code, &c);
    if (f == DVF_PERMISSION)
        err_hint(e, "give the application user a security role with organisation-level rights on this table");
    else if (f == DVF_STORAGE)
        err_hint(e, "the environment's storage is full: free or buy capacity, then run the same command again");
    else if (f == DVF_RESYNC)
        err_hint(e, "the change-tracking token is too old: read the table whole and compare the keys");
    else if (c == 0x80072491)
        err_hint(e, "switch on change tracking for this table in Dataverse");
    else if (strcasestr(e->msg, "SecureConfig Organization"))
        err_hint(e, "the environment was copied and holds dual-write settings of the original: delete the stale "
                    "msdyn_dualwriteruntimeconfig rows");
    else if (f == DVF_UNSUPPORTED)
        err_hint(e, "this table has no bulk messages");
}

/*
 * The type that threw, out of the trace that a plug-in error carries when annotations were asked for: the second name in
 * "[Contoso.Plugins: Contoso.Plugins.AccountGuard]". Source: "Compose HTTP requests and handle errors", Include additional
 * details with errors. "" = there is no trace.
 */
static void plugin_type(const struct http_response *r, char *ret, size_t size)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    struct cell trace = CELL_ABSENT;

    ret[0] = 0;
    if (r->body.len && !json_parse("error", strbuf_str(&r->body), r->body.len, NULL, &a, &v, NULL) &&
        json_get(v, "error"))
        trace = json_member(json_get(v, "error"), "@Microsoft.PowerApps.CDS.TraceText");
    for (size_t i = 0; trace.ptr && i < trace.len; i++) {
        const char *p = trace.ptr + i, *end = memchr(p, ']', trace.len - i), *colon;

        if (*p != '[' || !end)
            continue;
        colon = memchr(p, ':', (size_t)(end - p));
        if (!colon)
            continue;
        for (colon++; colon < end && *colon == ' '; colon++)
            ;
        snprintf(ret, size, "%.*s", (int)(end - colon > 120 ? 120 : end - colon), colon);
        break;
    }
    arena_release(&a);
}

enum dv_fault dv_answer_error(const struct http_response *r, struct err *ret)
{
    char type[130];
    struct arena a = { 0 };
    char code[40] = "";
    const char *text = service_error_text(r, &a, code);
    enum dv_fault f = dv_classify(r->status, code, text);
    enum ec ec = EC_DATAVERSE;

    if (f == DVF_PERMISSION)
        ec = EC_AUTH;
    else if (f == DVF_CONFLICT)
        ec = EC_CONFLICT;
    else if (f == DVF_THROTTLE || f == DVF_BUSY || f == DVF_SQL)
        ec = EC_BUSY;
    type[0] = 0;
    if (f == DVF_PLUGIN)
        plugin_type(r, type, sizeof(type));
    if (type[0] && !strstr(text, type))
        err_set(ret, ec, "plug-in %s: %s", type, text);
    else if (text && *text)
        err_set(ret, ec, "%s", text);
    else
        err_set(ret, ec, "HTTP status %d without a text", r->status);
    ret->http_status = r->status;
    if (r->retry_after_ms > 0)
        ret->wait_ms = (uint32_t)(r->retry_after_ms > INT32_MAX ? INT32_MAX : r->retry_after_ms);
    snprintf(ret->service_code, sizeof(ret->service_code), "%s", code);
    advise(ret, f);
    arena_release(&a);
    return f;
}

enum ec dv_fail(const struct http_response *r, const char *what, struct err *reterr)
{
    struct err e = { 0 };

    (void)dv_answer_error(r, &e);
    err_ctx(&e, e.code, "%s", what);
    if (reterr)
        *reterr = e;
    return e.code;
}
