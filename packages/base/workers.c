#include "base/workers.h"

#include "base/arena.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAX_THREADS = 64 };

struct workers {
    pthread_t threads[MAX_THREADS];
    int n;
    pthread_mutex_t mutex;
    pthread_cond_t given, finished;
    struct work *first, **last; /* the queue */
    bool ending;
};
struct begun {
    struct workers *ws;
    int thread;
};

/* The next piece; the mutex is held. */
static struct work *take(struct workers *ws)
{
    struct work *w = ws->first;

    if (w) {
        ws->first = w->next;
        if (!ws->first)
            ws->last = &ws->first;
    }
    return w;
}

/* Does it without the mutex, which is held before and after. */
static void run(struct workers *ws, struct work *w, int thread)
{
    pthread_mutex_unlock(&ws->mutex);
    w->run(w, thread);
    pthread_mutex_lock(&ws->mutex);
    w->done = true;
}

static void *work(void *arg)
{
    struct begun b = *(struct begun *)arg;
    struct workers *ws = b.ws;

    free(arg);
    pthread_mutex_lock(&ws->mutex);
    for (;;) {
        struct work *w = take(ws);

        if (w) {
            run(ws, w, b.thread);
            pthread_cond_signal(&ws->finished);
        } else if (ws->ending) {
            break;
        } else {
            pthread_cond_wait(&ws->given, &ws->mutex);
        }
    }
    pthread_mutex_unlock(&ws->mutex);
    return NULL;
}

struct workers *workers_new(int threads)
{
    struct workers *ws = xcalloc(1, sizeof(*ws));

    pthread_mutex_init(&ws->mutex, NULL);
    pthread_cond_init(&ws->given, NULL);
    pthread_cond_init(&ws->finished, NULL);
    ws->last = &ws->first;
    threads = threads > MAX_THREADS ? MAX_THREADS : threads;
    while (ws->n < threads) {
        struct begun *b = xmalloc(sizeof(*b));

        *b = (struct begun){ ws, ws->n + 1 };
        if (pthread_create(&ws->threads[ws->n], NULL, work, b)) {
            free(b);
            break;
        }
        ws->n++;
    }
    return ws;
}

void workers_free(struct workers *ws)
{
    if (!ws)
        return;
    pthread_mutex_lock(&ws->mutex);
    ws->ending = true;
    pthread_cond_broadcast(&ws->given);
    pthread_mutex_unlock(&ws->mutex);
    for (int i = 0; i < ws->n; i++)
        pthread_join(ws->threads[i], NULL);
    pthread_cond_destroy(&ws->finished);
    pthread_cond_destroy(&ws->given);
    pthread_mutex_destroy(&ws->mutex);
    free(ws);
}

int workers_threads(const struct workers *ws)
{
    return ws->n;
}

void workers_give(struct workers *ws, struct work *w)
{
    pthread_mutex_lock(&ws->mutex);
    w->done = false;
    w->next = NULL;
    *ws->last = w;
    ws->last = &w->next;
    pthread_cond_signal(&ws->given);
    pthread_mutex_unlock(&ws->mutex);
}

void workers_finish(struct workers *ws, struct work *w)
{
    pthread_mutex_lock(&ws->mutex);
    while (!w->done) {
        struct work *other = take(ws);

        if (other)
            run(ws, other, 0);
        else
            pthread_cond_wait(&ws->finished, &ws->mutex);
    }
    pthread_mutex_unlock(&ws->mutex);
}
