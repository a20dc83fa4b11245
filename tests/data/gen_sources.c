/*
 * gen_sources.c -- writes the source files of the demo and of the tests: deterministic from a seed and a number of
 * customers.
 *
 *   gen_sources [--seed N] [--bad] CUSTOMERS DIR
 *
 * DIR gets one CSV per entity (currencies, payment_days, payment_schedules, payment_methods, tax_groups,
 * payment_terms, customer_groups, customers) for the companies usmf, gbmf and demf. All rows are good and every
 * reference resolves within its company. With --bad, 32 more customers of 8 kinds are spread over customers.csv, each
 * wrong in one way, none referred to by a good row; bad_rows.txt lists them: line, kind, field, separated by tabs.
 *
 * A row depends on the seed and its own number only, so nothing is held in memory: 5,000,000 customers take seconds.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { N_COMPANIES = 3, N_BAD = 32 };
static const char *const COMPANIES[N_COMPANIES] = { "usmf", "gbmf", "demf" };
static const char *const CURRENCY_OF[N_COMPANIES] = { "USD", "GBP", "EUR" };
static const char *const COUNTRY_OF[N_COMPANIES] = { "USA", "GBR", "DEU" };

static uint64_t seed = 1;

/* ---- output: one buffer per file ---- */
struct out {
    FILE *f;
    const char *dir;
    char path[4096];
    uint64_t line; /* of the row that is being written, 1 = the header */
    bool first;
};

static void die(const char *what, const char *name)
{
    fprintf(stderr, "gen_sources: %s '%s': %s\n", what, name, strerror(errno));
    exit(1);
}

static void out_open(struct out *o, const char *dir, const char *name, const char *header)
{
    snprintf(o->path, sizeof(o->path), "%s/%s", dir, name);
    o->f = fopen(o->path, "wb");
    if (!o->f)
        die("cannot create", o->path);
    setvbuf(o->f, NULL, _IOFBF, 1 << 20);
    fputs(header, o->f);
    putc_unlocked('\n', o->f);
    o->line = 2;
    o->first = true;
}

static void out_close(struct out *o)
{
    if (ferror(o->f) | fclose(o->f))
        die("cannot write", o->path);
}

static void raw(struct out *o, const char *p, size_t n)
{
    if (!o->first)
        putc_unlocked(',', o->f);
    o->first = false;
    fwrite(p, 1, n, o->f);
}

/* A cell, in quotes where it has to be. */
static void cell(struct out *o, const char *text)
{
    size_t n = strlen(text);

    if (!memchr(text, ',', n)) {
        raw(o, text, n);
        return;
    }
    raw(o, "\"", 1);
    fwrite(text, 1, n, o->f);
    putc_unlocked('"', o->f);
}

static void end_row(struct out *o)
{
    putc_unlocked('\n', o->f);
    o->first = true;
    o->line++;
}

/* ---- numbers that look random and depend on (seed, what, row) only ---- */
static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t chance(unsigned what, unsigned company, uint64_t row, uint64_t sides)
{
    return mix(mix(seed ^ ((uint64_t)what << 56) ^ ((uint64_t)company << 48)) ^ row) % sides;
}

/* ---- the small files ---- */
static const struct {
    const char *code, *name, *symbol;
} CURRENCIES[] = {
    { "USD", "US dollar", "$" },      { "GBP", "Pound sterling", "£" },    { "EUR", "Euro", "€" },
    { "JPY", "Yen 円", "¥" },         { "CNY", "Yuan renminbi 元", "元" }, { "CHF", "Swiss franc", "CHF" },
    { "SEK", "Swedish krona", "kr" }, { "DKK", "Danish krone", "kr." },    { "NOK", "Norwegian krone", "NKr" },
    { "PLN", "Złoty", "zł" },         { "CAD", "Canadian dollar", "C$" },  { "AUD", "Australian dollar", "A$" },
};
struct named {
    const char *name, *description;
};
static const struct named PAYMENT_DAYS[] = {
    { "15TH", "The 15th of the month" }, { "EOM", "Last day of the month" }, { "FRI", "Every Friday" },
    { "MON", "Every Monday" },           { "1ST", "First of the month" },    { "10-25", "The 10th and the 25th" },
};
static const struct named PAYMENT_SCHEDULES[] = {
    { "MONTHLY3", "Three monthly instalments" },    { "QUARTER", "Quarterly, four instalments" },
    { "HALF", "Half now, half in 30 days" },        { "WEEKLY10", "Ten weekly instalments" },
    { "PROJ", "By project milestones, as agreed" },
};
static const struct named PAYMENT_METHODS[] = {
    { "CHECK", "Check" },
    { "WIRE", "Wire transfer" },
    { "SEPA", "SEPA direct debit, recurring" },
    { "CARD", "Company's credit card" },
    { "CASH", "Cash" },
    { "WECHSEL", "Wechsel für Großkunden" },
};
static const struct named TAX_GROUPS[] = {
    { "DOM-STD", "Domestic, standard rate" },  { "DOM-RED", "Domestic, reduced rate" },
    { "EU", "Customers in other EU states" },  { "EXPORT", "Export" },
    { "EXEMPT", "Exempt: schools, churches" }, { "ÖFF", "Öffentliche Hand" },
};
static const struct {
    const char *name, *description, *days, *months, *cutoff, *cash, *method, *day, *schedule;
} PAYMENT_TERMS[] = {
    { "NET10", "Net 10 days", "10", "0", "0", "No", "Net", "", "" },
    { "NET30", "Net 30 days", "30", "0", "0", "No", "Net", "", "" },
    { "NET60", "Net 60 days, large accounts", "60", "0", "0", "No", "Net", "", "" },
    { "CM15", "Current month + 15 days", "15", "0", "0", "No", "Current month", "15TH", "" },
    { "CM2", "Current month + 2 months", "0", "2", "0", "No", "Current month", "EOM", "" },
    { "QUART", "Current quarter", "0", "0", "0", "No", "Current quarter", "", "QUARTER" },
    { "WEEK", "Current week, Fridays", "0", "0", "0", "No", "Current week", "FRI", "" },
    { "COD", "Cash on delivery", "", "", "", "Yes", "COD", "", "" },
    { "CUT20", "Cut-off on the 20th", "0", "1", "20", "No", "Cut-off date", "", "" },
    { "RATEN", "Ratenzahlung, zehn Wochen", "0", "0", "0", "No", "Net", "MON", "WEEKLY10" },
};
static const struct {
    const char *id, *description, *tax_in_price, *terms, *clearing;
} CUSTOMER_GROUPS[] = {
    { "10", "Wholesale customers", "No", "NET30", "NET60" },
    { "20", "Major customers, key accounts", "No", "NET60", "" },
    { "30", "Retail customers", "Yes", "NET10", "" },
    { "40", "Internet customers", "Yes", "COD", "" },
    { "80", "Other customers", "No", "CM15", "CM2" },
    { "90", "Intercompany's own", "No", "QUART", "" },
    { "ÖFF", "Öffentliche Auftraggeber", "No", "CM2", "" },
    { "PROJ", "Projects", "No", "CUT20", "NET30" },
    { "SCHULE", "Schulen, Universitäten", "No", "RATEN", "" },
    { "NEU", "Not classified yet", "No", "", "" },
};

static void write_named(const char *dir, const char *file, const char *header, const struct named *rows, size_t n)
{
    struct out o;

    out_open(&o, dir, file, header);
    for (unsigned c = 0; c < N_COMPANIES; c++)
        for (size_t i = 0; i < n; i++) {
            cell(&o, COMPANIES[c]);
            cell(&o, rows[i].name);
            cell(&o, rows[i].description);
            end_row(&o);
        }
    out_close(&o);
}

static void write_small_files(const char *dir)
{
    struct out o;

    out_open(&o, dir, "currencies.csv", "CURRENCYCODE,NAME,SYMBOL");
    for (size_t i = 0; i < COUNT(CURRENCIES); i++) {
        cell(&o, CURRENCIES[i].code);
        cell(&o, CURRENCIES[i].name);
        cell(&o, CURRENCIES[i].symbol);
        end_row(&o);
    }
    out_close(&o);
    write_named(dir, "payment_days.csv", "DATAAREAID,NAME,DESCRIPTION", PAYMENT_DAYS, COUNT(PAYMENT_DAYS));
    write_named(dir, "payment_schedules.csv", "DataAreaId,Name,Description", PAYMENT_SCHEDULES,
                COUNT(PAYMENT_SCHEDULES));
    write_named(dir, "payment_methods.csv", "DATAAREAID,NAME,DESCRIPTION", PAYMENT_METHODS, COUNT(PAYMENT_METHODS));
    write_named(dir, "tax_groups.csv", "Company,TAXGROUPCODE,DESCRIPTION", TAX_GROUPS, COUNT(TAX_GROUPS));
    out_open(&o, dir, "payment_terms.csv",
             "DATAAREAID,NAME,DESCRIPTION,Days,NUMBEROFMONTHS,CUTOFFDAYOFMONTH,ISCASHPAYMENT,PAYMENTMETHODTYPE,"
             "PAYMENTDAYNAME,PAYMENTSCHEDULENAME");
    for (unsigned c = 0; c < N_COMPANIES; c++)
        for (size_t i = 0; i < COUNT(PAYMENT_TERMS); i++) {
            cell(&o, COMPANIES[c]);
            cell(&o, PAYMENT_TERMS[i].name);
            cell(&o, PAYMENT_TERMS[i].description);
            cell(&o, PAYMENT_TERMS[i].days);
            cell(&o, PAYMENT_TERMS[i].months);
            cell(&o, PAYMENT_TERMS[i].cutoff);
            cell(&o, PAYMENT_TERMS[i].cash);
            cell(&o, PAYMENT_TERMS[i].method);
            cell(&o, PAYMENT_TERMS[i].day);
            cell(&o, PAYMENT_TERMS[i].schedule);
            end_row(&o);
        }
    out_close(&o);
    out_open(&o, dir, "customer_groups.csv",
             "DATAAREAID,Group,DESCRIPTION,ISSALESTAXINCLUDEDINPRICE,PAYMENTTERMID,CLEARINGPERIODPAYMENTTERMNAME");
    for (unsigned c = 0; c < N_COMPANIES; c++)
        for (size_t i = 0; i < COUNT(CUSTOMER_GROUPS); i++) {
            cell(&o, COMPANIES[c]);
            cell(&o, CUSTOMER_GROUPS[i].id);
            cell(&o, CUSTOMER_GROUPS[i].description);
            cell(&o, CUSTOMER_GROUPS[i].tax_in_price);
            cell(&o, CUSTOMER_GROUPS[i].terms);
            cell(&o, CUSTOMER_GROUPS[i].clearing);
            end_row(&o);
        }
    out_close(&o);
}

/* ---- customers ---- */
static const char CUSTOMER_HEADER[] =
    "DATAAREAID,CUSTOMERACCOUNT,Name,PARTYTYPE,CUSTOMERGROUPID,SALESCURRENCYCODE,Credit limit,CREDITLIMITISMANDATORY,"
    "CREDITRATING,SALESMEMO,IDENTIFICATIONNUMBER,INVOICEACCOUNT,ISONETIMECUSTOMER,ONHOLDSTATUS,PARTYCOUNTRY,"
    "PARTYSTATE,"
    "PAYMENTDAY,PAYMENTMETHOD,PAYMENTSCHEDULE,PAYMENTTERMS,PAYMENTTERMSBASEDAYS,TAXEXEMPTNUMBER,SALESTAXGROUP,Phone,"
    "Valid from";

struct customer { /* the cells, in the header's order */
    char company[8], account[24];
    char name[400];
    char party_type[20], group[16], currency[8], credit_limit[24], mandatory[8], rating[12];
    char memo[300];
    char identification[56], invoice[24], one_time[8], on_hold[20], country[8], state[12];
    char day[12], method[12], schedule[12], terms[12], base_days[12], tax_number[24], tax_group[12], phone[44],
        valid_from[32];
};

static const char *const FIRST[] = { "Contoso", "Fabrikam", "Northwind",  "Adventure", "Tailspin",
                                     "Litware", "Müller",   "O'Brien",    "Jäger",     "Smith",
                                     "Björk",   "Núñez",    "D'Angelo",   "Weiß",      "Kowalski",
                                     "Łukasz",  "Håkan",    "Fourth Cup", "Proseware", "Wingtip" };
static const char *const TRADE[] = {
    "Toys",       "Coffee, Tea & More", "Werkzeugbau", "Sports", "Interior Design", "Fahrräder",    "Retail",
    "Elektronik", "Wine Bar",           "Bürobedarf",  "Pumps",  "Boat Hire",       "Maschinenbau", "Books",
    "Café"
};
static const char *const FORM[N_COMPANIES][4] = { { "Inc.", "LLC", "Corp.", "Co., Ltd." },
                                                  { "Ltd", "plc", "LLP", "& Sons" },
                                                  { "GmbH", "AG", "KG", "& Söhne OHG" } };
static const char *const ASIAN[] = { "東京電機株式会社", "上海贸易有限公司", "서울전자 주식회사", "大阪商事, 本社" };
static const char *const MEMOS[] = { "Prefers e-mail, no calls before 10:00",
                                     "Customer since the fair in Köln",
                                     "Don't ship on Fridays",
                                     "Liefert selbst ab; Rampe 3, Hof",
                                     "以前の取引先: 大阪, 神戸",
                                     "Discount agreed: 2.5 %, valid until revoked",
                                     "Invoices in duplicate, one to the head office",
                                     "50% deposit; rest after delivery" };
static const char *const STATES[N_COMPANIES][5] = { { "WA", "NY", "CA", "TX", "FL" },
                                                    { "KENT", "DEVON", "ESSEX", "", "SURREY" },
                                                    { "BY", "NW", "BW", "", "HH" } };
static const char *const HOLDS[] = { "Invoice", "All", "Payment", "Requisition", "Never" };

/* 12 of 20 rows belong to usmf, 5 to gbmf, 3 to demf. */
static unsigned company_of(uint64_t row)
{
    static const unsigned char PATTERN[20] = { 0, 1, 0, 0, 2, 0, 1, 0, 0, 1, 0, 2, 0, 0, 1, 0, 0, 2, 1, 0 };

    return PATTERN[row % 20];
}

/* How many of the first `n` rows belong to each company. */
static void count_rows(uint64_t n, uint64_t ret[N_COMPANIES])
{
    static const unsigned PER_20[N_COMPANIES] = { 12, 5, 3 };

    for (unsigned c = 0; c < N_COMPANIES; c++)
        ret[c] = n / 20 * PER_20[c];
    for (uint64_t row = n / 20 * 20; row < n; row++)
        ret[company_of(row)]++;
}

#define SET(member, ...) ((void)snprintf(k->member, sizeof(k->member), __VA_ARGS__))
#define PICK(what, list) (list)[chance(what, c, no, COUNT(list))]

/*
 * About 8 % are invoiced to another account of their company: an earlier or later one, one that is invoiced back to
 * them (a cycle of two), or themselves.
 */
static uint64_t invoice_account(unsigned c, uint64_t no, uint64_t count)
{
    uint64_t first = no % 2 ? no : no - 1; /* of the pair (odd, even) that may be a cycle */

    if (first + 1 <= count && chance(1, c, first, 200) == 0)
        return no == first ? first + 1 : first;
    switch (chance(2, c, no, 100)) {
    case 0: return no; /* itself */
    case 1:
    case 2:
    case 3: return no < count ? no + 1 + chance(3, c, no, count - no) : 1; /* forward */
    case 4:
    case 5:
    case 6: return no > 1 ? 1 + chance(4, c, no, no - 1) : count; /* backward */
    default: return 0;
    }
}

static void make_customer(struct customer *k, unsigned c, uint64_t no, uint64_t count)
{
    uint64_t invoice = invoice_account(c, no, count);

    SET(company, "%s", COMPANIES[c]);
    SET(account, "C-%07llu", (unsigned long long)no);
    if (chance(5, c, no, 40) == 0)
        SET(name, "%s (%llu)", PICK(6, ASIAN), (unsigned long long)no);
    else
        SET(name, "%s %s %s", PICK(7, FIRST), PICK(8, TRADE), PICK(9, FORM[c]));
    SET(party_type, "%s", chance(10, c, no, 10) ? "Organization" : ""); /* blank: F&O fills in its default */
    SET(group, "%s", CUSTOMER_GROUPS[chance(11, c, no, COUNT(CUSTOMER_GROUPS))].id);
    if (chance(12, c, no, 30) == 0)
        SET(currency, "%s", ""); /* F&O takes the company's */
    else
        SET(currency, "%s",
            chance(13, c, no, 6) ? CURRENCY_OF[c] : CURRENCIES[chance(14, c, no, COUNT(CURRENCIES))].code);
    if (chance(15, c, no, 4) == 0)
        SET(credit_limit, "%s", "");
    else
        SET(credit_limit, "%llu.%02llu", (unsigned long long)chance(16, c, no, 2000) * 50,
            (unsigned long long)(chance(17, c, no, 3) ? 0 : chance(18, c, no, 100)));
    SET(mandatory, "%s", chance(19, c, no, 8) ? "No" : "Yes");
    SET(rating, "%s", chance(20, c, no, 5) ? "" : chance(21, c, no, 2) ? "Good" : "AA-");
    SET(memo, "%s", chance(22, c, no, 3) ? "" : PICK(23, MEMOS));
    SET(identification, "%s%09llu", COUNTRY_OF[c], (unsigned long long)chance(24, c, no, 1000000000));
    if (invoice)
        SET(invoice, "C-%07llu", (unsigned long long)invoice);
    else
        k->invoice[0] = 0;
    SET(one_time, "%s", chance(25, c, no, 50) ? "No" : "Yes");
    SET(on_hold, "%s", chance(26, c, no, 12) ? "No" : PICK(27, HOLDS));
    SET(country, "%s", COUNTRY_OF[c]);
    SET(state, "%s", PICK(28, STATES[c]));
    SET(day, "%s", chance(29, c, no, 5) ? "" : PICK(30, PAYMENT_DAYS).name);
    SET(method, "%s", chance(31, c, no, 10) ? PICK(32, PAYMENT_METHODS).name : "");
    SET(schedule, "%s", chance(33, c, no, 9) ? "" : PICK(34, PAYMENT_SCHEDULES).name);
    SET(terms, "%s", chance(35, c, no, 20) ? PICK(36, PAYMENT_TERMS).name : "");
    if (chance(37, c, no, 7) == 0)
        SET(base_days, "%llu", (unsigned long long)chance(38, c, no, 90));
    else
        SET(base_days, "%s", "");
    if (chance(39, c, no, 3) == 0)
        SET(tax_number, "%.2s%08llu", COUNTRY_OF[c], (unsigned long long)chance(40, c, no, 100000000));
    else
        SET(tax_number, "%s", "");
    SET(tax_group, "%s", chance(41, c, no, 15) ? PICK(42, TAX_GROUPS).name : "");
    SET(phone, "%s%llu %07llu",
        c == 0   ? "+1 "
        : c == 1 ? "+44 "
                 : "+49 ",
        (unsigned long long)(100 + chance(43, c, no, 800)), (unsigned long long)chance(44, c, no, 10000000));
    SET(valid_from, "%llu/%llu/%llu %llu:%02llu", (unsigned long long)(1 + chance(45, c, no, 12)),
        (unsigned long long)(1 + chance(46, c, no, 28)), (unsigned long long)(2001 + chance(47, c, no, 24)),
        (unsigned long long)chance(48, c, no, 24), (unsigned long long)chance(49, c, no, 60));
}

static void write_customer(struct out *o, const struct customer *k, const char *raw_name, size_t raw_len)
{
    cell(o, k->company);
    cell(o, k->account);
    if (raw_name)
        raw(o, raw_name, raw_len);
    else
        cell(o, k->name);
    cell(o, k->party_type);
    cell(o, k->group);
    cell(o, k->currency);
    cell(o, k->credit_limit);
    cell(o, k->mandatory);
    cell(o, k->rating);
    cell(o, k->memo);
    cell(o, k->identification);
    cell(o, k->invoice);
    cell(o, k->one_time);
    cell(o, k->on_hold);
    cell(o, k->country);
    cell(o, k->state);
    cell(o, k->day);
    cell(o, k->method);
    cell(o, k->schedule);
    cell(o, k->terms);
    cell(o, k->base_days);
    cell(o, k->tax_number);
    cell(o, k->tax_group);
    cell(o, k->phone);
    cell(o, k->valid_from);
    end_row(o);
}

static void long_name(struct customer *k, size_t chars)
{
    static const char PIECE[] = "Gesellschaft mit sehr langem Namen und noch laengerer Geschichte ";

    for (size_t i = 0; i < chars; i++)
        k->name[i] = PIECE[i % (sizeof(PIECE) - 1)];
    k->name[chars - 1] = '.';
    k->name[chars] = 0;
}

/* The b-th bad row; each kind comes four times, each time a little otherwise. */
static void write_bad(struct out *o, FILE *list, unsigned b, const uint64_t counts[N_COMPANIES])
{
    static const char *const DATES[] = { "2/30/2021 0:00", "31.12.2020", "yesterday", "13/13/2013 8:00" };
    static const char *const LIMITS[] = { "12.5O0", "1.234,56", "twelve", "--500" };
    static const char NUL_A[] = "Nul\0in the middle", NUL_B[] = "At the end\0";
    unsigned kind = b % 8, which = b / 8, c = b % N_COMPANIES;
    const char *what = "", *field = "", *raw_name = NULL;
    struct customer made, *k = &made;
    size_t raw_len = 0;

    make_customer(k, c, 8000001 + b, 9000000);
    SET(account, "BAD-%04u", b + 1);
    k->invoice[0] = 0;
    switch (kind) {
    case 0:
        what = "missing_company";
        field = "DATAAREAID";
        k->company[0] = 0;
        break;
    case 1:
        what = "unknown_enum";
        field = which % 2 ? "PARTYTYPE" : "ONHOLDSTATUS";
        if (which % 2)
            SET(party_type, "%s", "Alien");
        else
            SET(on_hold, "%s", "Frozen");
        break;
    case 2:
        what = "unresolvable_lookup";
        field = which == 0   ? "CUSTOMERGROUPID"
                : which == 1 ? "PAYMENTTERMS"
                : which == 2 ? "SALESCURRENCYCODE"
                             : "SALESTAXGROUP";
        if (which == 0)
            SET(group, "%s", "NOGROUP");
        else if (which == 1)
            SET(terms, "%s", "NET999");
        else if (which == 2)
            SET(currency, "%s", "XXQ");
        else
            SET(tax_group, "%s", "NOTAX");
        break;
    case 3:
        /* Longer than F&O's 100 but not than Dataverse's 160, and longer than both. */
        what = "overlong_text";
        field = "ORGANIZATIONNAME";
        long_name(k, which < 2 ? 120 + which : 180 + which);
        break;
    case 4:
        what = "duplicate_key";
        field = "CUSTOMERACCOUNT";
        make_customer(k, c, 1 + which % (counts[c] ? counts[c] : 1), counts[c]);
        SET(phone, "%s", "+1 555 0100");
        break;
    case 5:
        what = "bad_date";
        field = "ADDRESSVALIDFROM";
        SET(valid_from, "%s", DATES[which]);
        break;
    case 6:
        what = "bad_decimal";
        field = "CREDITLIMIT";
        SET(credit_limit, "%s", LIMITS[which]);
        break;
    case 7:
        if (which < 2) {
            what = "stray_quote";
            raw_name = which == 0 ? "Pipes 12\" and more" : "\"Quoted\" Ltd";
            raw_len = strlen(raw_name);
        } else {
            what = "nul_byte";
            raw_name = which == 2 ? NUL_A : NUL_B;
            raw_len = which == 2 ? sizeof(NUL_A) - 1 : sizeof(NUL_B) - 1;
        }
        break;
    }
    fprintf(list, "%llu\t%s\t%s\n", (unsigned long long)o->line, what, field);
    write_customer(o, k, raw_name, raw_len);
}

static void write_customers(const char *dir, uint64_t n, bool bad)
{
    uint64_t counts[N_COMPANIES], no[N_COMPANIES] = { 0 };
    char path[4096];
    struct customer k;
    struct out o;
    FILE *list = NULL;
    unsigned written = 0;

    count_rows(n, counts);
    if (bad) {
        snprintf(path, sizeof(path), "%s/bad_rows.txt", dir);
        list = fopen(path, "wb");
        if (!list)
            die("cannot create", path);
    }
    out_open(&o, dir, "customers.csv", CUSTOMER_HEADER);
    for (uint64_t row = 0; row < n; row++) {
        unsigned c = company_of(row);

        make_customer(&k, c, ++no[c], counts[c]);
        write_customer(&o, &k, NULL, 0);
        /* Evenly spread, none before row 20: a duplicate comes after the row it doubles. */
        while (bad && written < N_BAD && row + 1 >= 20 + (n > 20 ? (n - 20) * written / N_BAD : 0))
            write_bad(&o, list, written++, counts);
    }
    while (bad && written < N_BAD)
        write_bad(&o, list, written++, counts);
    out_close(&o);
    if (list && (ferror(list) | fclose(list)))
        die("cannot write", path);
}

int main(int argc, char **argv)
{
    unsigned long long customers = 0;
    const char *dir = NULL;
    bool bad = false, have = false;
    char *end;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--bad")) {
            bad = true;
        } else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
            seed = strtoull(argv[++i], &end, 10);
            if (*end)
                have = false, i = argc;
        } else if (!have && argv[i][0] >= '0' && argv[i][0] <= '9') {
            customers = strtoull(argv[i], &end, 10);
            have = !*end;
        } else if (!dir && argv[i][0] != '-') {
            dir = argv[i];
        } else {
            have = false;
            break;
        }
    }
    if (!have || !dir || customers > 9000000) {
        fprintf(stderr, "usage: gen_sources [--seed N] [--bad] CUSTOMERS DIR   (at most 9000000 customers)\n");
        return 2;
    }
    if (mkdir(dir, 0777) && errno != EEXIST)
        die("cannot create folder", dir);
    write_small_files(dir);
    write_customers(dir, customers, bad);
    return 0;
}
