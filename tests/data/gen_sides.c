/*
 * gen_sides.c -- both sides of one map as CSV files, and what differs between them, for tests and measurements of the diff.
 *
 *   gen_sides [--sorted] [--harmless] fno|dataverse|truth ROWS >FILE
 *
 * 22 columns, some 244 octets a row, five companies, UTF-8 with CRLF; an eighth of the names has doubled quotes in it, a third of
 * the streets a comma, three in a hundred go over several lines. Side F&O has the entity's fields for headers, side Dataverse the
 * map's destinations. Of a thousand rows ten are changed (one to three fields, every type in turn), five are only in F&O and five
 * only in Dataverse; rows are shuffled unless --sorted. Without --harmless equal values have equal octets on both sides, so that a
 * comparer of raw text finds the same; with it Dataverse spells them its own way: 1.5 as 1.5000, Yes as True, USMF, an e and its
 * accent apart, blanks at the end, nothing for 1900. `truth`: "class,key,field" a line, sorted by nothing in particular.
 * A row follows from its number alone.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(list, h) ((list)[(size_t)(h) % COUNT(list)])

static const char *const FIRST[] = { "Ana",    "Björn", "Chloé",  "Dmitri",    "Éva",    "Fatima", "Günther",
                                     "Hélène", "Iñaki", "Jürgen", "Katarzyna", "Łukasz", "María",  "Nguyễn",
                                     "Øyvind", "Péter", "Quinn",  "Renée",     "Søren",  "Tomáš",  "Ümit",
                                     "Věra",   "Wei",   "Xenia",  "Yusuf",     "Zoë" };
static const char *const FIRM[] = {
    "Contoso",
    "Fabrikam",
    "Adventure Works",
    "Northwind",
    "Tailspin",
    "Wingtip",
    "Litware",
    "Proseware",
    "Alpine Ski",
    "Fourth Coffee",
    "Graphic Design",
    "Humongous Insurance",
    "Lucerne Prints",
    "Margie's Travel",
    "Trey Research",
    "Woodgrove Bank",
    "東京商事",
    "Société Gérard",
    "Nordisk Møbelfabrik",
};
static const char *const FORM[] = { "GmbH", "Ltd.", "Inc.", "S.A.", "AB", "Oy", "A/S", "BV", "Sp. z o.o.", "Pty" };
static const char *const CITY[] = { "Köln",      "London",  "Seattle", "Lyon",  "Malmö",     "Helsinki",
                                    "København", "Utrecht", "Kraków",  "Perth", "São Paulo", "Québec" };
static const char *const COUNTRY[] = { "DEU", "GBR", "USA", "FRA", "SWE", "FIN",
                                       "DNK", "NLD", "POL", "AUS", "BRA", "CAN" };
static const char *const CURRENCY[] = { "EUR", "GBP", "USD", "EUR", "SEK", "EUR",
                                        "DKK", "EUR", "PLN", "AUD", "BRL", "CAD" };
static const char *const GROUP[] = { "10", "20", "30", "40", "80", "90", "INTER", "RETAIL" };
static const char *const TERMS[] = { "Net10", "Net15", "Net30", "Net45", "Net60", "COD" };
static const char *const HOLD[] = {
    "No", "No", "No", "No", "No", "Invoice", "All", "Payment", "Requisition", "Never"
};
static const char *const COMPANY[] = { "usmf", "demf", "gbsi", "frrt", "jpmf" };

/* Columns that may be changed; each is one type of field. */
enum { NAME, GROUPED, MONEY, PARTY, EXEMPT, STREET, TERM, CREATED, INVOICED, BALANCE, NOTE, CHANGES };
static const char *const CHANGED[] = { "ORGANIZATIONNAME", "CUSTOMERGROUPID", "CREDITLIMIT",  "PARTYTYPE",
                                       "ISSALESTAXEXEMPT", "ADDRESSSTREET",   "PAYMENTTERMS", "CREATEDDATETIME",
                                       "LASTINVOICEDATE",  "BALANCE",         "NOTE" };

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9U;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBU;
    return x ^ x >> 31;
}

/* A number below n for each below n: four rounds over the halves of its bits, again until it is below n. */
static uint64_t shuffle(uint64_t x, uint64_t n)
{
    unsigned half = 1;

    while ((uint64_t)1 << 2 * half < n)
        half++;
    do {
        uint64_t l = x >> half, r = x & (((uint64_t)1 << half) - 1);

        for (unsigned k = 0; k < 4; k++) {
            uint64_t t = l ^ (mix(r + k * 0x9E3779B97F4A7C15U) & (((uint64_t)1 << half) - 1));

            l = r;
            r = t;
        }
        x = l << half | r;
    } while (x >= n);
    return x;
}

static bool harmless; /* this side's own spelling */

static void put_money(uint64_t whole, unsigned cents)
{
    printf(harmless ? "%" PRIu64 ".%02u00," : "%" PRIu64 ".%02u,", whole, cents);
}

/* With --harmless: accents apart from their letters, blanks at the end. */
static void put_text(const char *s)
{
    for (; *s; s++) {
        if (harmless && !strncmp(s, "é", 2)) {
            fputs("e\xCC\x81", stdout);
            s++;
        } else {
            putchar(*s);
        }
    }
}

static void put_row(uint64_t id, unsigned changes)
{
    uint64_t h = mix(id * 0x9E3779B97F4A7C15U + 1), g = mix(h + 7), k = mix(g + 13);
    unsigned c = (unsigned)(h % COUNT(COUNTRY)), q = (unsigned)(h >> 20) % 100, s = (unsigned)(k >> 30) % 100;
    const char *quote = q < 30 ? "\"" : "", *more = changes >> NAME & 1 ? " II" : "";
    char company[8];

    strcpy(company, COMPANY[id % 5]);
    if (harmless)
        for (char *p = company; *p; p++)
            *p = (char)(*p & ~0x20);
    printf("C-%010" PRIu64 ",%s,%s", id, company, quote);
    put_text(PICK(FIRM, h >> 8));
    printf(q < 12 ? " \"\"%s\"\" " : q < 30 ? ", %s " : " %s ", PICK(FIRST, g));
    printf("%s%s%s%s,", PICK(FORM, h >> 12), more, harmless && q % 3 == 0 ? " " : "", quote);
    printf("%.6s%06" PRIx64 ",%s,%s,", FIRM[(h >> 8) % 16], g >> 40,
           GROUP[((g >> 8) + (changes >> GROUPED & 1)) % COUNT(GROUP)], CURRENCY[c]);
    put_money((k >> 10) % 100000 + (changes >> MONEY & 1 ? 1000 : 0), (unsigned)(k % 100));
    printf("%s,", ((g >> 5) % 10 != 0) ^ (changes >> PARTY & 1) ? "Organization" : "Person");
    {
        bool yes = (g >> 9 & 1) ^ (changes >> EXEMPT & 1);

        printf("%s,%s,", harmless ? (yes ? "True" : "False") : yes ? "Yes" : "No", PICK(HOLD, g >> 16));
    }
    {
        unsigned no = (unsigned)(k >> 40) % 400 + (changes >> STREET & 1 ? 1000 : 0);

        if (s < 3)
            printf("\"%s Street %u%sBuilding %c%sFloor %u\",", PICK(FIRST, k), no, harmless ? "\r\n" : "\n",
                   'A' + (int)(k % 20), harmless ? "\r\n" : "\n", (unsigned)(g % 12));
        else if (s < 40)
            printf("\"%s Street %u, %u\",", PICK(FIRST, k), no, (unsigned)(g % 90));
        else
            printf("%s Street %u,", PICK(FIRST, k), no);
    }
    printf("%s,%05u,%s,contact%" PRIu64 "@example%u.com,+%u %07u,%s,", CITY[c], (unsigned)(g >> 33) % 100000,
           COUNTRY[c], id, (unsigned)(h % 977), (unsigned)(h % 90 + 1), (unsigned)(k >> 20) % 10000000,
           TERMS[((k >> 7) + (changes >> TERM & 1)) % COUNT(TERMS)]);
    if ((g >> 50) % 4)
        printf(harmless ? "c-%010" PRIu64 : "C-%010" PRIu64, id); /* a lookup: case does not count */
    printf(",20%02u-%02u-%02uT%02u:%02u:%02u%s,", (unsigned)(h >> 3) % 26, (unsigned)(h >> 11) % 12 + 1,
           (unsigned)(h >> 17) % 28 + 1, (unsigned)(g >> 3) % 24, (unsigned)(g >> 13) % 60,
           ((unsigned)(k >> 3) % 30) + (changes >> CREATED & 1 ? 30 : 0), harmless ? ".0000000Z" : "Z");
    printf("20%02u-%02u-%02u%s,", (unsigned)(k >> 3) % 26, (unsigned)(k >> 11) % 12 + 1,
           (unsigned)(k >> 17) % 14 + 1 + (changes >> INVOICED & 1 ? 14 : 0), harmless ? "T12:00:00Z" : "");
    if ((k >> 5) % 9 == 0)
        putchar('-');
    put_money((k >> 23) % 1000000 + 1 + (changes >> BALANCE & 1 ? 1000000 : 0), (unsigned)(g >> 7) % 100);
    if (changes >> NOTE & 1 || (k >> 44) % 5 == 0)
        printf("\"Note: said \"\"%s\"\", see ticket %u\"", PICK(FIRST, k >> 3),
               (unsigned)(k % 99999) + (changes >> NOTE & 1 ? 100000 : 0));
    fputs("\r\n", stdout);
}

/* What Dataverse changed in this row: one to three fields, every one in turn. */
static unsigned changes_of(uint64_t j)
{
    uint64_t h = mix(j + 5);
    unsigned bits = 1U << h % CHANGES;

    if (h >> 8 & 1)
        bits |= 1U << (h >> 16) % CHANGES;
    if (h >> 9 & 1)
        bits |= 1U << (h >> 24) % CHANGES;
    return bits;
}

static void put_truth(uint64_t j, uint64_t r)
{
    uint64_t id = j * 2;

    if (r < 5)
        printf("only_fno,%s|C-%010" PRIu64 ",\n", COMPANY[id % 5], id);
    else if (r < 15)
        for (unsigned f = 0; f < CHANGES; f++) {
            if (changes_of(j) >> f & 1)
                printf("differ,%s|C-%010" PRIu64 ",%s\n", COMPANY[id % 5], id, CHANGED[f]);
        }
    else if (r < 20)
        printf("only_dataverse,%s|C-%010" PRIu64 ",\n", COMPANY[(id + 1) % 5], id + 1);
}

int main(int argc, char **argv)
{
    bool sorted = false, dataverse, truth;
    uint64_t n;
    int at = 1;

    for (; at < argc && !strncmp(argv[at], "--", 2); at++) {
        sorted = sorted || !strcmp(argv[at], "--sorted");
        harmless = harmless || !strcmp(argv[at], "--harmless");
    }
    if (at + 2 != argc || !(n = strtoull(argv[at + 1], NULL, 10))) {
        fprintf(stderr, "usage: gen_sides [--sorted] [--harmless] fno|dataverse|truth ROWS\n");
        return 2;
    }
    dataverse = !strcmp(argv[at], "dataverse");
    truth = !strcmp(argv[at], "truth");
    harmless = harmless && dataverse;
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    if (dataverse)
        fputs("accountnumber,msdyn_company.cdm_companycode,name,msdyn_alias,msdyn_customergroupid.msdyn_groupid,"
              "transactioncurrencyid.isocurrencycode,creditlimit,msdyn_partytype,msdyn_exempt,msdyn_hold,"
              "address1_line1,address1_city,address1_postalcode,address1_country,emailaddress1,telephone1,"
              "msdyn_paymentterm.msdyn_name,msdyn_billingaccount.accountnumber,msdyn_created,msdyn_lastinvoice,"
              "msdyn_balance,description\r\n",
              stdout);
    else if (!truth)
        fputs("CUSTOMERACCOUNT,DATAAREAID,ORGANIZATIONNAME,NAMEALIAS,CUSTOMERGROUPID,SALESCURRENCYCODE,CREDITLIMIT,"
              "PARTYTYPE,ISSALESTAXEXEMPT,ONHOLDSTATUS,ADDRESSSTREET,ADDRESSCITY,ADDRESSZIPCODE,"
              "ADDRESSCOUNTRYREGIONID,PRIMARYCONTACTEMAIL,PRIMARYCONTACTPHONE,PAYMENTTERMS,INVOICEACCOUNT,"
              "CREATEDDATETIME,LASTINVOICEDATE,BALANCE,NOTE\r\n",
              stdout);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t j = sorted ? i : shuffle(i, n), r = mix(j * 2 + 99) % 1000;

        if (truth) {
            put_truth(j, r);
        } else if (!dataverse) {
            put_row(j * 2, 0);
        } else {
            if (r >= 5)
                put_row(j * 2, r < 15 ? changes_of(j) : 0);
            if (r >= 15 && r < 20)
                put_row(j * 2 + 1, 0);
        }
    }
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
