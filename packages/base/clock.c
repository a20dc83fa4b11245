#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct clock_source source;
static volatile sig_atomic_t stop_signo;

void clock_replace(const struct clock_source *src)
{
    source = src ? *src : (struct clock_source){ 0 };
}

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_wall_ms(int64_t ms, int in_flight)
{
    if (source.wait_ms)
        return source.wait_ms(source.arg, ms, in_flight);
    return source.scale > 1 && ms > 0 ? (ms + source.scale - 1) / source.scale : ms;
}

/* ---- a faster clock ---- */

static int64_t fast_from_ns, fast_from_utc_ms;

static int64_t mono_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t fast_ms(void)
{
    return (mono_ns() - fast_from_ns) * source.scale / 1000000;
}

static int64_t fast_utc(void *arg)
{
    (void)arg;
    return fast_from_utc_ms + fast_ms();
}

static int64_t fast_mono(void *arg)
{
    (void)arg;
    return fast_from_ns / 1000000 + fast_ms();
}

static void fast_sleep(void *arg, int64_t ms)
{
    int64_t until = fast_mono(NULL) + ms;

    (void)arg;
    for (int64_t left; (left = until - fast_mono(NULL)) > 0 && !stop_requested();) {
        int64_t ns = left * 1000000 / source.scale;
        struct timespec ts = { .tv_sec = 0, .tv_nsec = ns > 200000000 ? 200000000 : ns > 0 ? ns : 1 };

        nanosleep(&ts, NULL);
    }
}

void clock_fast(int64_t scale)
{
    fast_from_ns = mono_ns();
    fast_from_utc_ms = read_clock(CLOCK_REALTIME);
    source = (struct clock_source){
        .utc_ms = fast_utc, .mono_ms = fast_mono, .sleep_ms = fast_sleep, .scale = scale > 0 ? scale : 1
    };
}

int64_t clock_utc_ms(void)
{
    return source.utc_ms ? source.utc_ms(source.arg) : read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return source.mono_ms ? source.mono_ms(source.arg) : read_clock(CLOCK_MONOTONIC);
}

bool clock_sleep_ms(int64_t ms)
{
    if (source.sleep_ms) {
        source.sleep_ms(source.arg, ms);
        return !stop_requested();
    }
    while (ms > 0 && !stop_requested()) {
        int64_t slice = ms > 200 ? 200 : ms;
        struct timespec ts = { .tv_sec = 0, .tv_nsec = slice * 1000000L };

        nanosleep(&ts, NULL);
        ms -= slice;
    }
    return !stop_requested();
}

/* Howard Hinnant's civil calendar algorithms. */
int64_t days_from_civil(int64_t y, unsigned m, unsigned d)
{
    int64_t era;
    unsigned yoe, doy, doe;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = (unsigned)(y - era * 400);
    doy = (153 * (m + (m > 2 ? -3U : 9U)) + 2) / 5 + d - 1;
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

void civil_from_days(int64_t z, int64_t *y, unsigned *m, unsigned *d)
{
    int64_t era;
    unsigned doe, yoe, doy, mp;

    z += 719468;
    era = (z >= 0 ? z : z - 146096) / 146097;
    doe = (unsigned)(z - era * 146097);
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    *y = (int64_t)yoe + era * 400;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y += *m <= 2;
}

bool civil_valid(int64_t y, unsigned m, unsigned d)
{
    static const unsigned char DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return y >= 1 && y <= 9999 && m >= 1 && m <= 12 && d >= 1 && d <= DAYS[m - 1] + (unsigned)(m == 2 && leap);
}

static void split(int64_t utc_ms, int64_t *y, unsigned *mo, unsigned *d, unsigned *h, unsigned *mi, unsigned *s)
{
    int64_t secs = utc_ms >= 0 ? utc_ms / 1000 : -((-utc_ms + 999) / 1000);
    int64_t days = secs >= 0 ? secs / 86400 : -((-secs + 86399) / 86400);
    unsigned sod = (unsigned)(secs - days * 86400);

    civil_from_days(days, y, mo, d);
    *h = sod / 3600;
    *mi = sod / 60 % 60;
    *s = sod % 60;
}

void clock_format_utc(int64_t utc_ms, char ret[static 32])
{
    int64_t y;
    unsigned mo, d, h, mi, s;

    split(utc_ms, &y, &mo, &d, &h, &mi, &s);
    snprintf(ret, 32, "%04d-%02u-%02uT%02u:%02u:%02uZ", (int)y % 10000, mo % 100, d % 100, h, mi, s);
}

static const char *const MONTHS[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

void clock_format_http(int64_t utc_ms, char ret[static 40])
{
    static const char *const DAYS[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
    int64_t y, days;
    unsigned mo, d, h, mi, s;

    split(utc_ms, &y, &mo, &d, &h, &mi, &s);
    days = days_from_civil(y, mo, d);
    snprintf(ret, 40, "%s, %02u %s %04d %02u:%02u:%02u GMT", DAYS[((days % 7) + 7) % 7], d % 100,
             MONTHS[(mo - 1) % 12], (int)y % 10000, h, mi, s);
}

static bool digits(const char **p, const char *end, int n, unsigned *ret)
{
    unsigned v = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (*p >= end || **p < '0' || **p > '9')
            return false;
        v = v * 10 + (unsigned)(**p - '0');
    }
    *ret = v;
    return true;
}

static bool lit(const char **p, const char *end, char c)
{
    if (*p >= end || **p != c)
        return false;
    (*p)++;
    return true;
}

bool clock_parse_utc(const char *s, size_t n, int64_t *ret_utc_ms)
{
    const char *p = s, *end = s + n;
    unsigned y, mo, d, h = 0, mi = 0, sec = 0, ms = 0, zh, zm;
    int64_t t;

    if (!digits(&p, end, 4, &y) || !lit(&p, end, '-') || !digits(&p, end, 2, &mo) || !lit(&p, end, '-') ||
        !digits(&p, end, 2, &d) || !civil_valid(y, mo, d))
        return false;
    t = days_from_civil(y, mo, d) * 86400;
    if (p < end) {
        if (*p != 'T' && *p != 't' && *p != ' ')
            return false;
        p++;
        if (!digits(&p, end, 2, &h) || !lit(&p, end, ':') || !digits(&p, end, 2, &mi))
            return false;
        if (lit(&p, end, ':')) {
            if (!digits(&p, end, 2, &sec))
                return false;
            if (lit(&p, end, '.')) {
                unsigned scale = 100, c;

                if (p >= end || *p < '0' || *p > '9')
                    return false;
                while (p < end && *p >= '0' && *p <= '9') {
                    digits(&p, end, 1, &c);
                    ms += c * scale;
                    scale /= 10;
                }
            }
        }
        if (h > 23 || mi > 59 || sec > 59)
            return false;
        t += (int64_t)h * 3600 + mi * 60 + sec;
        if (p < end && (*p == 'Z' || *p == 'z')) {
            p++;
        } else if (p < end && (*p == '+' || *p == '-')) {
            int sign = *p++ == '-' ? 1 : -1;

            if (!digits(&p, end, 2, &zh) || !lit(&p, end, ':') || !digits(&p, end, 2, &zm) || zh > 14 || zm > 59)
                return false;
            t += sign * (int64_t)(zh * 3600 + zm * 60);
        }
    }
    if (p != end)
        return false;
    *ret_utc_ms = t * 1000 + ms;
    return true;
}

bool clock_parse_http(const char *s, int64_t *ret_utc_ms)
{
    char mon[4] = "";
    unsigned d, h, mi, sec;
    int y;

    if (sscanf(s, "%*3s, %2u %3s %4d %2u:%2u:%2u GMT", &d, mon, &y, &h, &mi, &sec) != 6)
        return false;
    for (unsigned m = 0; m < 12; m++)
        if (!strcmp(mon, MONTHS[m]) && civil_valid(y, m + 1, d) && h < 24 && mi < 60 && sec < 61) {
            *ret_utc_ms = (days_from_civil(y, m + 1, d) * 86400 + (int64_t)h * 3600 + mi * 60 + sec) * 1000;
            return true;
        }
    return false;
}

static void on_signal(int signo)
{
    if (stop_signo)
        _exit(128 + signo);
    stop_signo = signo;
}

void stop_install(void)
{
    struct sigaction sa = { .sa_handler = on_signal };

    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static volatile sig_atomic_t reload_asked;

static void on_hup(int signo)
{
    (void)signo;
    reload_asked = 1;
}

void reload_install(void)
{
    struct sigaction sa = { .sa_handler = on_hup };

    sigemptyset(&sa.sa_mask);
    sigaction(SIGHUP, &sa, NULL);
}

bool reload_requested(void)
{
    return reload_asked != 0;
}

bool reload_taken(void)
{
    bool yes = reload_asked != 0;

    reload_asked = 0;
    return yes;
}

bool stop_requested(void)
{
    return stop_signo != 0;
}

int stop_signal(void)
{
    return stop_signo;
}

void stop_request(int signo)
{
    stop_signo = signo;
}
