#include "resolver/control/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/base/log.h"
#include "resolver/control/daemon.h"
#include "resolver/control/status.h"
#include "resolver/query/counters.h"

struct metrics {
    struct daemon *daemon;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, failing;
};

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

/* A label's value: backslash, quote and newline escaped, as the text form wants. */
static void write_label(FILE *out, const char *value)
{
    for (; value && *value; value++) {
        if (*value == '\\' || *value == '"')
            fprintf(out, "\\%c", *value);
        else if (*value == '\n')
            fputs("\\n", out);
        else
            putc(*value, out);
    }
}

static void write_single(FILE *out, const char *name, const char *kind, const char *help,
                         long long value)
{
    fprintf(out, "# HELP chalkgate_%s %s\n# TYPE chalkgate_%s %s\nchalkgate_%s %lld\n", name, help,
            name, kind, name, value);
}

static void write_counters(FILE *out, const json_t *queries)
{
#define COUNTER_WRITE(name, meaning)                                                               \
    write_single(out, #name "_total", "counter", meaning, number(queries, #name));
    COUNTERS(COUNTER_WRITE)
#undef COUNTER_WRITE
}

static void write_categories(FILE *out, const json_t *categories)
{
    json_t *category;
    size_t i;

    fputs("# HELP chalkgate_listed_names names on the lists of a category\n"
          "# TYPE chalkgate_listed_names gauge\n",
          out);
    json_array_foreach(categories, i, category)
    {
        fputs("chalkgate_listed_names{category=\"", out);
        write_label(out, json_string_value(json_object_get(category, "name")));
        fprintf(out, "\"} %lld\n", number(category, "names"));
    }
}

static void write_upstreams(FILE *out, const json_t *upstreams)
{
    static const struct {
        const char *key, *name, *kind, *help;
    } rows[] = {
        {"sent", "upstream_sent_total", "counter", "questions sent to an upstream"},
        {"failed", "upstream_failed_total", "counter", "of them without a useful answer"},
        {"latency_us", "upstream_latency_microseconds", "gauge", "smoothed time to an answer"},
    };
    json_t *upstream;
    size_t i;

    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        fprintf(out, "# HELP chalkgate_%s %s\n# TYPE chalkgate_%s %s\n", rows[row].name,
                rows[row].help, rows[row].name, rows[row].kind);
        json_array_foreach(upstreams, i, upstream)
        {
            fprintf(out, "chalkgate_%s{upstream=\"", rows[row].name);
            write_label(out, json_string_value(json_object_get(upstream, "address")));
            fputs("\",transport=\"", out);
            write_label(out, json_string_value(json_object_get(upstream, "transport")));
            fprintf(out, "\"} %lld\n", number(upstream, rows[row].key));
        }
    }
}

static void write_head(FILE *out, const char *name, const char *kind, const char *help)
{
    fprintf(out, "# HELP chalkgate_%s %s\n# TYPE chalkgate_%s %s\n", name, help, name, kind);
}

static void write_tallies(FILE *out, const json_t *tallies)
{
    json_t *tally;
    size_t i;

    write_head(out, "made_safe_total", "counter",
               "search engines made safe, and other things done beside denying");
    json_array_foreach(tallies, i, tally)
    {
        fputs("chalkgate_made_safe_total{group=\"", out);
        write_label(out, json_string_value(json_object_get(tally, "group")));
        fputs("\",what=\"", out);
        write_label(out, json_string_value(json_object_get(tally, "what")));
        fprintf(out, "\"} %lld\n", number(tally, "count"));
    }
}

static void write_verdict(FILE *out, const json_t *item, const char *verdict)
{
    if (number(item, verdict) == 0)
        return;
    fputs("chalkgate_verdicts_total{group=\"", out);
    write_label(out, json_string_value(json_object_get(item, "group")));
    fputs("\",category=\"", out);
    write_label(out, json_string_value(json_object_get(item, "category")));
    fprintf(out, "\",verdict=\"%s\"} %lld\n", verdict, number(item, verdict));
}

static void write_verdicts(FILE *out, const json_t *verdicts)
{
    json_t *item;
    size_t i;

    write_head(out, "verdicts_total", "counter",
               "answers by group and category: denied, allowed, and those of the allowed that were "
               "only observed");
    json_array_foreach(verdicts, i, item)
    {
        write_verdict(out, item, "denied");
        write_verdict(out, item, "observed");
        write_verdict(out, item, "allowed");
    }
}

/* Seconds, whatever the locale's decimal point. */
static void write_seconds(FILE *out, long long us)
{
    fprintf(out, "%lld.%06lld", us / 1000000, us % 1000000);
}

static void write_latency(FILE *out, const char *from, const json_t *latency)
{
    const json_t *bounds = json_object_get(latency, "bounds_us");
    json_t *count;
    long long sum = 0;
    size_t i;

    json_array_foreach(json_object_get(latency, "counts"), i, count)
    {
        sum += (long long)json_integer_value(count);
        fprintf(out, "chalkgate_answer_seconds_bucket{from=\"%s\",le=\"", from);
        if (i < json_array_size(bounds))
            write_seconds(out, (long long)json_integer_value(json_array_get(bounds, i)));
        else
            fputs("+Inf", out);
        fprintf(out, "\"} %lld\n", sum);
    }
    fprintf(out, "chalkgate_answer_seconds_sum{from=\"%s\"} ", from);
    write_seconds(out, number(latency, "sum_us"));
    fprintf(out, "\nchalkgate_answer_seconds_count{from=\"%s\"} %lld\n", from, sum);
}

static void write_latencies(FILE *out, const json_t *latencies)
{
    const char *from;
    json_t *latency;

    write_head(out, "answer_seconds", "histogram",
               "time to an answer: from the cache, of our own (denials, records), or from an "
               "upstream");
    json_object_foreach((json_t *)(uintptr_t)latencies, from, latency)
        write_latency(out, from, latency);
}

static void write_exports(FILE *out, const json_t *exports)
{
    static const struct {
        const char *key, *name, *kind, *help;
    } rows[] = {
        {"sent", "export_sent_total", "counter", "denials that a collector has"},
        {"counted", "export_counted_total", "counter",
         "denials without a record that a collector has as numbers"},
        {"changes", "export_changes_total", "counter", "changes that a collector has"},
        {"failures", "export_failures_total", "counter", "tries that a collector did not take"},
        {"skipped", "export_skipped_total", "counter", "denials too old to be sent any more"},
        {"waiting", "export_waiting", "gauge", "denials that wait for a collector"},
    };
    json_t *item;
    size_t i;

    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        write_head(out, rows[row].name, rows[row].kind, rows[row].help);
        json_array_foreach(exports, i, item)
        {
            fprintf(out, "chalkgate_%s{export=\"", rows[row].name);
            write_label(out, json_string_value(json_object_get(item, "name")));
            fprintf(out, "\"} %lld\n", number(item, rows[row].key));
        }
    }
}

static void write_records(FILE *out, const json_t *denials, const json_t *alerts)
{
    write_single(out, "records_total", "counter", "denials moved into the day's segment",
                 number(denials, "recorded"));
    write_single(out, "records_counted_total", "counter", "denials counted, but not itemised",
                 number(denials, "counted"));
    write_single(out, "journal_waiting_bytes", "gauge", "octets of journals not yet moved",
                 number(denials, "pending"));
    write_single(out, "journal_files", "gauge", "journal files in use", number(denials, "files"));
    write_single(out, "alerts_delivered_total", "counter", "alerts handed over",
                 number(alerts, "delivered"));
    write_single(out, "alerts_failed_total", "counter", "tries of the alerts' command that failed",
                 number(alerts, "failed_tries"));
    write_single(out, "alerts_raised_total", "counter", "alerts that denials gave rise to",
                 number(alerts, "raised"));
    write_single(out, "alerts_held", "gauge", "alerts in memory, because the disk took none",
                 number(alerts, "held"));
    write_single(out, "alerts_lost_total", "counter", "alerts for which there was no room",
                 number(alerts, "lost"));
    write_single(out, "alerts_set_aside_total", "counter", "alerts that are tried no more",
                 number(alerts, "set_aside"));
    write_single(out, "alerts_waiting", "gauge", "alerts that wait to be handed over",
                 number(alerts, "waiting"));
}

char *metrics_text(const json_t *status)
{
    const json_t *cache = json_object_get(status, "cache");
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    write_single(out, "start_time_seconds", "gauge", "when the resolver started",
                 number(status, "started"));
    write_single(out, "list_generation", "gauge", "the list generation in force",
                 number(status, "generation"));
    write_single(out, "lists_stale", "gauge", "lists in force that are out of date",
                 number(status, "stale"));
    write_single(out, "oldest_list_time_seconds", "gauge", "when the oldest list was read",
                 number(status, "oldest_imported"));
    write_single(out, "policy_version", "gauge", "the policy version in force",
                 number(status, "policy"));
    write_single(out, "warnings", "gauge", "things that chalkgate status warns of",
                 (long long)json_array_size(json_object_get(status, "warnings")));
    write_single(out, "cache_entries", "gauge", "answers kept", number(cache, "entries"));
    write_single(out, "cache_bytes", "gauge", "octets they take", number(cache, "bytes_used"));
    write_counters(out, json_object_get(status, "queries"));
    write_categories(out, json_object_get(status, "categories"));
    write_upstreams(out, json_object_get(status, "upstreams"));
    write_records(out, json_object_get(status, "denials"), json_object_get(status, "alerts"));
    write_tallies(out, json_object_get(status, "tallies"));
    write_verdicts(out, json_object_get(status, "verdicts"));
    write_latencies(out, json_object_get(status, "latencies"));
    write_exports(out, json_object_get(status, "exports"));
    write_single(out, "lists_imported_time_seconds", "gauge", "when the newest list was read",
                 number(status, "imported"));
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int file_replace(const char *path, const char *text)
{
    char fresh[4096];
    FILE *file;
    bool fine;

    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", path) >= sizeof fresh)
        return -ENAMETOOLONG;
    /* The folder may be one that others write to: nothing of theirs is followed. */
    (void)unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file)
        return -errno;
    fine = fputs(text, file) >= 0;
    fine = fclose(file) == 0 && fine;
    if (!fine || rename(fresh, path) < 0) {
        int code = errno ? -errno : -EIO;
        unlink(fresh);
        return code;
    }
    return 0;
}

static void write_once(struct metrics *metrics, const char *path)
{
    json_t *status = json_object();
    struct bl_error error;
    char *text = NULL;
    int code = status ? status_describe(metrics->daemon, false, status, &error) : -ENOMEM;

    if (code == 0)
        text = metrics_text(status);
    if (code == 0)
        code = text ? file_replace(path, text) : -ENOMEM;
    if (code < 0 && !metrics->failing)
        log_warning("metrics: cannot write %s: %s; it is tried again and again", path,
                    strerror(-code));
    metrics->failing = code < 0;
    free(text);
    json_decref(status);
}

static void *metrics_run(void *user)
{
    struct metrics *metrics = user;
    struct timespec until;

    pthread_mutex_lock(&metrics->lock);
    while (!metrics->stop) {
        struct world *world = daemon_world(metrics->daemon);
        uint32_t every_s = world->config->metrics_every_s;
        pthread_mutex_unlock(&metrics->lock);
        if (world->config->metrics_file)
            write_once(metrics, world->config->metrics_file);
        world_unref(world);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += every_s;
        pthread_mutex_lock(&metrics->lock);
        while (!metrics->stop &&
               pthread_cond_timedwait(&metrics->wake, &metrics->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&metrics->lock);
    return NULL;
}

int metrics_start(struct daemon *daemon, struct metrics **out_metrics, struct bl_error *error)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    pthread_condattr_t attributes;
    int code;

    if (!metrics)
        return bl_error_set(error, -ENOMEM, "out of memory");
    metrics->daemon = daemon;
    pthread_mutex_init(&metrics->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&metrics->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    code = pthread_create(&metrics->thread, NULL, metrics_run, metrics);
    if (code) {
        free(metrics);
        return bl_error_set(error, -code, "cannot start the thread that writes figures: %s",
                            strerror(code));
    }
    *out_metrics = metrics;
    return 0;
}

void metrics_stop(struct metrics *metrics)
{
    if (!metrics)
        return;
    pthread_mutex_lock(&metrics->lock);
    metrics->stop = true;
    pthread_cond_signal(&metrics->wake);
    pthread_mutex_unlock(&metrics->lock);
    pthread_join(metrics->thread, NULL);
    pthread_cond_destroy(&metrics->wake);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}
