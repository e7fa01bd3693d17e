#include "resolver/control/allowed.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/base/random.h"
#include "resolver/denials/writer.h"

struct allowed {
    char state[PATH_MAX], folder[PATH_MAX];
    unsigned workers;
    struct asked **asked;
    struct asked_table **taken; /* by worker: while tables are taken */
    struct asked_sums *sums;
    int64_t taken_ms, written_ms; /* monotonic */
    int64_t taken_wall_ms;
    bool counting, in_trouble;
    pthread_mutex_t lock;       /* guards `writer` and the journals, which a reload makes */
    struct journal **journals;  /* the writer's */
    struct journal **questions; /* the same for the workers, once all are there; atomic */
    struct denials_writer *writer;
};

int allowed_create(const char *state, unsigned workers, struct allowed **out_allowed,
                   struct bl_error *error)
{
    struct allowed *allowed = calloc(1, sizeof *allowed);
    struct random_pool random;
    char folder[PATH_MAX + 8];
    uint64_t salt;
    int code = -ENOMEM;

    random_init(&random);
    salt = random_64(&random);
    if (!allowed)
        return bl_error_set(error, code, "out of memory");
    pthread_mutex_init(&allowed->lock, NULL);
    snprintf(allowed->state, sizeof allowed->state, "%s", state);
    if (snprintf(allowed->folder, sizeof allowed->folder, "%s/allowed", state) >=
        (int)sizeof allowed->folder)
        code = -ENAMETOOLONG;
    allowed->asked = calloc(workers, sizeof(struct asked *));
    allowed->taken = calloc(workers, sizeof(struct asked_table *));
    allowed->journals = calloc(workers, sizeof(struct journal *));
    allowed->questions = calloc(workers, sizeof(struct journal *));
    if (allowed->asked && allowed->taken && allowed->journals && allowed->questions &&
        code == -ENOMEM)
        code = asked_sums_create(state, &allowed->sums);
    for (; allowed->workers < workers && code == 0; allowed->workers += code == 0)
        code = asked_create(salt, &allowed->asked[allowed->workers]);
    if (code < 0) {
        allowed_end(allowed, NULL);
        return bl_error_set(error, code, "out of memory for counts of allowed questions");
    }
    allowed->taken_wall_ms = clock_read().wall_ms;
    /* Now, so that those who may read the records are let in from the first file on. */
    snprintf(folder, sizeof folder, "%s/counts", state);
    if (mkdir(folder, 0750) < 0 && errno != EEXIST) {
        code = bl_error_set(error, -errno, "%s: %s", folder, strerror(errno));
        allowed_end(allowed, NULL);
        return code;
    }
    *out_allowed = allowed;
    return 0;
}

void allowed_records(const struct allowed *allowed, struct server_records *records)
{
    records->asked = allowed->asked;
    records->questions = allowed->questions;
}

/* With allowed->lock held. */
static int questions_open(struct allowed *allowed, struct bl_error *error)
{
    struct denials_writer_options options = {
        .state = allowed->folder, .journals = allowed->journals, .journal_count = allowed->workers};
    int code = 0;

    /* For nobody but the daemon: who reads what was visited asks it, and is put on record. */
    if (mkdir(allowed->folder, 0700) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "%s: %s", allowed->folder, strerror(errno));
    for (unsigned i = 0; i < allowed->workers && code == 0; i++)
        if (!allowed->journals[i])
            code = journal_open(allowed->folder, i, &allowed->journals[i], error);
    if (code == 0)
        code = denials_writer_start(&options, &allowed->writer, error);
    for (unsigned i = 0; i < allowed->workers && code == 0; i++)
        __atomic_store_n(&allowed->questions[i], allowed->journals[i], __ATOMIC_RELEASE);
    return code;
}

/* What an earlier run left in its journals goes into segments, though nothing is added any more. */
static void questions_settle(struct allowed *allowed)
{
    struct denials_writer_options options = {.state = allowed->folder,
                                             .journals = allowed->journals};
    struct denials_writer *writer;
    struct bl_error error = {""};

    if (access(allowed->folder, F_OK) < 0)
        return;
    if (denials_writer_start(&options, &writer, &error) < 0)
        log_warning("allowed questions of before wait in their journals: %s", error.text);
    else
        denials_writer_stop(writer);
}

int allowed_settle(struct allowed *allowed, const struct config *config, struct bl_error *error)
{
    bool all = config->recording.allowed == ALLOWED_ALL;
    int code = 0;

    pthread_mutex_lock(&allowed->lock);
    if (all && !allowed->writer)
        code = questions_open(allowed, error);
    else if (!all && !allowed->writer)
        questions_settle(allowed);
    pthread_mutex_unlock(&allowed->lock);
    return code;
}

static void table_take(struct pipeline *pipeline, unsigned worker, void *user)
{
    struct allowed *allowed = user;

    (void)pipeline;
    allowed->taken[worker] = asked_swap(allowed->asked[worker]);
}

/* What was counted since the last time belongs to the day of that time. */
static void counts_add(struct allowed *allowed)
{
    for (unsigned i = 0; i < allowed->workers; i++)
        if (asked_sums_take(allowed->sums, allowed->asked[i], allowed->taken[i],
                            allowed->taken_wall_ms) < 0)
            log_warning("some allowed questions were not counted: out of memory");
}

static void counts_write(struct allowed *allowed, const struct config *config)
{
    struct bl_error error = {""};
    int code = asked_sums_write(allowed->sums, config->recording.least, &error);

    if (code < 0 && !allowed->in_trouble)
        log_warning("counts of allowed questions cannot be written: %s", error.text);
    allowed->in_trouble = code < 0;
}

void allowed_tend(struct allowed *allowed, struct server *server, const struct config *config)
{
    bool counting = config->recording.allowed != ALLOWED_NONE, midnight;
    struct moment now = clock_read();
    struct day today, before;

    day_of(now.wall_ms, &today);
    day_of(allowed->taken_wall_ms, &before);
    midnight = strcmp(today.text, before.text) != 0;
    if (!midnight && counting == allowed->counting &&
        now.mono_ms - allowed->taken_ms < ALLOWED_TAKE_MS)
        return;
    if (server_visit(server, table_take, allowed) < 0)
        return;
    counts_add(allowed);
    allowed->taken_ms = now.mono_ms;
    allowed->taken_wall_ms = now.wall_ms;
    allowed->counting = counting;
    if (!counting) {
        asked_sums_forget(allowed->sums); /* nothing is kept from here on */
    } else if (midnight || now.mono_ms - allowed->written_ms >= ALLOWED_WRITE_MS) {
        counts_write(allowed, config);
        allowed->written_ms = now.mono_ms;
    }
}

int allowed_retain(struct allowed *allowed, const struct config *config,
                   const struct retention *hold, int64_t wall_ms,
                   struct retention_receipt *out_counts, struct retention_receipt *out_questions,
                   struct bl_error *error)
{
    struct retention retention = {.keep_ms = (int64_t)config->retention.counts_s * 1000,
                                  .held = hold->held,
                                  .user = hold->user};
    int first = asked_retain(allowed->state, &retention, wall_ms, out_counts, error), code;

    retention.keep_ms = (int64_t)config->retention.questions_s * 1000;
    pthread_mutex_lock(&allowed->lock);
    code = allowed->writer ? denials_writer_retain(allowed->writer, &retention, wall_ms,
                                                   out_questions, first < 0 ? NULL : error)
                           : retention_run(allowed->folder, &retention, wall_ms, out_questions,
                                           first < 0 ? NULL : error);
    pthread_mutex_unlock(&allowed->lock);
    return first < 0 ? first : code;
}

void allowed_end(struct allowed *allowed, const struct config *config)
{
    if (!allowed)
        return;
    if (config && config->recording.allowed != ALLOWED_NONE) {
        for (unsigned i = 0; i < allowed->workers; i++)
            allowed->taken[i] = asked_swap(allowed->asked[i]);
        counts_add(allowed);
        counts_write(allowed, config);
    }
    denials_writer_stop(allowed->writer);
    for (unsigned i = 0; i < allowed->workers; i++) {
        asked_free(allowed->asked[i]);
        journal_close(allowed->journals[i]);
    }
    asked_sums_free(allowed->sums);
    free(allowed->asked);
    free(allowed->taken);
    free(allowed->journals);
    free(allowed->questions);
    pthread_mutex_destroy(&allowed->lock);
    free(allowed);
}
