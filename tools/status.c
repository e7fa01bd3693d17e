/* `chalkgate status`: what runs, on one screen. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/ask.h"
#include "tools/table.h"
#include "tools/verb.h"

enum { LABEL_WIDTH = 12 };

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

/* 1234567 as "1,234,567". */
static char *grouped(long long value, char out[32])
{
    char digits[32];
    size_t len, at = 0;

    snprintf(digits, sizeof digits, "%lld", value);
    len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0 && digits[i - 1] != '-')
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static char *duration(long long seconds, char out[48])
{
    if (seconds >= 86400)
        snprintf(out, 48, "%lld d %lld h", seconds / 86400, seconds % 86400 / 3600);
    else if (seconds >= 3600)
        snprintf(out, 48, "%lld h %lld min", seconds / 3600, seconds % 3600 / 60);
    else if (seconds >= 60)
        snprintf(out, 48, "%lld min %lld s", seconds / 60, seconds % 60);
    else
        snprintf(out, 48, "%lld s", seconds);
    return out;
}

static char *moment(long long wall_s, char out[48])
{
    time_t when = (time_t)wall_s;
    struct tm parts;

    if (!wall_s || !localtime_r(&when, &parts) || !strftime(out, 48, "%Y-%m-%d %H:%M", &parts))
        snprintf(out, 48, "unknown");
    return out;
}

static void line(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(const char *label, const char *format, ...)
{
    va_list arguments;

    printf("%-*s", LABEL_WIDTH, label);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static void show_warnings(const struct command *command, const json_t *status)
{
    const json_t *warnings = json_object_get(status, "warnings");
    char safe[1024];
    size_t index;
    json_t *item;

    json_array_foreach(warnings, index, item)
        printf("%s%s%s %s\n", command->colour ? "\033[1;33m" : "",
               "Warning:", command->colour ? "\033[0m" : "",
               text_safe(json_string_value(item), safe, sizeof safe));
    if (json_array_size(warnings))
        putchar('\n');
}

static void show_process(const json_t *status)
{
    char a[48], b[48], c[32];

    line("Resolver", "chalkgated %s, process %lld, %lld worker%s", text(status, "version"),
         number(status, "pid"), number(status, "workers"),
         number(status, "workers") == 1 ? "" : "s");
    line("Running", "%s, since %s", duration(number(status, "uptime_s"), a),
         moment(number(status, "started"), b));
    line("Lists", "generation %lld: %s name%s from %lld source%s, newest of %s",
         number(status, "generation"), grouped(number(status, "names"), c),
         number(status, "names") == 1 ? "" : "s", number(status, "sources"),
         number(status, "sources") == 1 ? "" : "s", moment(number(status, "imported"), a));
}

/* A share in per cent with one place, "-" of nothing. */
static char *share(long long part, long long whole, char out[16])
{
    if (whole > 0)
        snprintf(out, 16, "%.1f %%", 100.0 * (double)part / (double)whole);
    else
        snprintf(out, 16, "-");
    return out;
}

static void show_queries(const json_t *status)
{
    const json_t *queries = json_object_get(status, "queries");
    const json_t *cache = json_object_get(status, "cache");
    const json_t *denials = json_object_get(status, "denials");
    long long all = number(queries, "queries");
    char a[32], b[32], c[32], d[16], e[16];

    line("Questions", "%s, of them %s over TCP", grouped(all, a),
         grouped(number(queries, "queries_tcp"), b));
    line("Denied", "%s (%s)", grouped(number(queries, "denied"), a),
         share(number(queries, "denied"), all, d));
    line("Answered", "%s from the cache (%s), %s forwarded",
         grouped(number(queries, "cache_hits"), a), share(number(queries, "cache_hits"), all, e),
         grouped(number(queries, "forwarded"), b));
    line("Cache", "%s answers, %.1f of %.1f MiB", grouped(number(cache, "entries"), a),
         (double)number(cache, "bytes_used") / 1048576, (double)number(cache, "bytes") / 1048576);
    if (denials)
        line("Records", "%s denials stored since the start, %s octets waiting",
             grouped(number(denials, "recorded"), a), grouped(number(denials, "pending"), b));
    if (number(queries, "servfail") || number(queries, "overload"))
        line("Trouble", "%s answers SERVFAIL, %s questions without room, %s tries timed out",
             grouped(number(queries, "servfail"), a), grouped(number(queries, "overload"), b),
             grouped(number(queries, "timeouts"), c));
}

static void show_upstreams(const json_t *status)
{
    const json_t *item;
    struct table *table = table_create();
    size_t index;

    table_column(table, "Upstream", TABLE_LEFT);
    table_column(table, "Way", TABLE_LEFT);
    table_column(table, "State", TABLE_LEFT);
    table_column(table, "Latency", TABLE_RIGHT);
    table_column(table, "Asked", TABLE_RIGHT);
    table_column(table, "Failed", TABLE_RIGHT);
    json_array_foreach(json_object_get(status, "upstreams"), index, item)
    {
        table_cell(table, "%s", text(item, "address"));
        table_cell(table, "%s", text(item, "transport"));
        table_cell(table, "%s", text(item, "state"));
        table_cell(table, "%.1f ms", (double)number(item, "latency_us") / 1000);
        table_cell(table, "%lld", number(item, "sent"));
        table_cell(table, "%lld", number(item, "failed"));
    }
    putchar('\n');
    table_print(table, stdout);
}

static void show_tallies(const json_t *status)
{
    const json_t *list = json_object_get(status, "tallies"), *item;
    struct table *table;
    char a[32];
    size_t index;

    if (!json_array_size(list))
        return;
    table = table_create();
    table_column(table, "Made safe", TABLE_LEFT);
    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Times", TABLE_RIGHT);
    json_array_foreach(list, index, item)
    {
        table_cell(table, "%s", text(item, "what"));
        table_cell(table, "%s", text(item, "group"));
        table_cell(table, "%s", grouped(number(item, "count"), a));
    }
    putchar('\n');
    table_print(table, stdout);
}

static void show_exports(const json_t *status)
{
    const json_t *list = json_object_get(status, "exports"), *item;
    struct table *table;
    char a[48], b[32];
    size_t index;

    if (!json_array_size(list))
        return;
    table = table_create();
    table_column(table, "Goes also to", TABLE_LEFT);
    table_column(table, "Denials sent", TABLE_RIGHT);
    table_column(table, "Changes", TABLE_RIGHT);
    table_column(table, "Waiting", TABLE_RIGHT);
    table_column(table, "Skipped", TABLE_RIGHT);
    table_column(table, "Last", TABLE_LEFT);
    json_array_foreach(list, index, item)
    {
        table_cell(table, "%s", text(item, "name"));
        table_cell(table, "%s", grouped(number(item, "sent"), b));
        table_cell(table, "%s", grouped(number(item, "changes"), b));
        table_cell(table, "%s", grouped(number(item, "waiting"), b));
        table_cell(table, "%s", grouped(number(item, "skipped"), b));
        table_cell(table, "%s",
                   number(item, "last_sent") ? moment(number(item, "last_sent"), a) : "-");
    }
    putchar('\n');
    table_print(table, stdout);
}

static void show_categories(const json_t *status)
{
    const json_t *item;
    struct table *table = table_create();
    char a[32];
    size_t index;

    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Title", TABLE_LEFT);
    table_column(table, "Names", TABLE_RIGHT);
    json_array_foreach(json_object_get(status, "categories"), index, item)
    {
        table_cell(table, "%s", text(item, "name"));
        table_cell(table, "%s%s", text(item, "title"),
                   json_is_true(json_object_get(item, "sealed")) ? " (sealed, in force)" : "");
        table_cell(table, "%s", grouped(number(item, "names"), a));
    }
    putchar('\n');
    table_print(table, stdout);
}

static void show_radar(const json_t *status)
{
    const json_t *list = json_object_get(status, "radar"), *item, *sign;
    struct table *table;
    size_t index, i;

    if (!json_array_size(list))
        return;
    table = table_create();
    table_column(table, "Device", TABLE_LEFT);
    table_column(table, "Address", TABLE_LEFT);
    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Looks as if going round the filter", TABLE_LEFT);
    json_array_foreach(list, index, item)
    {
        const json_t *signs = json_object_get(item, "signs");
        const char *client = text(item, "client"), *device = text(item, "device");
        bool is_named = strcmp(device, client) != 0;
        json_array_foreach(signs, i, sign)
        {
            table_cell(table, "%s", i || !is_named ? "" : device);
            table_cell(table, "%s", i ? "" : client);
            table_cell(table, "%s", i ? "" : text(item, "group"));
            table_cell(table, "%s", json_string_value(sign));
        }
    }
    putchar('\n');
    table_print(table, stdout);
}

static const struct argp status_argp = {
    .doc =
        "Shows what runs: lists in force, questions, denials, the cache, upstreams. Numbers count "
        "from the start of the resolver.",
};

static enum exit_code run_status(struct command *command, int argc, char **argv)
{
    struct bl_error error = {0};
    json_t *status;
    int failed = verb_parse(&status_argp, argc, argv, NULL);
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    code = ask_daemon(command, "status", NULL, -1, &status, &error);
    if (code != EXIT_DONE)
        return ask_fail(code, &error);
    if (command->json) {
        json_object_del(status, "ok");
        json_dumpf(status, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        show_warnings(command, status);
        show_process(status);
        show_queries(status);
        show_upstreams(status);
        show_tallies(status);
        show_exports(status);
        show_radar(status);
        show_categories(status);
    }
    json_decref(status);
    return EXIT_DONE;
}

const struct verb verb_status = {"status", "what runs: lists, questions, denials, cache, upstreams",
                                 run_status};
