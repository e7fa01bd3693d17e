/* The nightly report: made for each day since the last one that was delivered, a week back at most,
 * kept in a folder, and handed to the school's command. The folder's file `.delivered` has the last
 * day that was. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/base/hook.h"
#include "resolver/base/known_time.h"
#include "resolver/denials/totals.h"
#include "tools/report.h"

enum { DAYS_BACK = 7, COMMAND_MS = 600000, ARGUMENTS_MAX = 32 };

static void mark_read(const char *folder, char day[DAY_TEXT_MAX])
{
    char path[PATH_MAX];

    day[0] = '\0';
    snprintf(path, sizeof(path), "%s/.delivered", folder);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    if (fgets(day, DAY_TEXT_MAX, file) == NULL)
        day[0] = '\0';
    fclose(file);
}

static int mark_write(const char *folder, const char *day)
{
    char path[PATH_MAX], hidden[PATH_MAX];

    snprintf(path, sizeof(path), "%s/.delivered", folder);
    snprintf(hidden, sizeof(hidden), "%s/.delivered.new", folder);
    FILE *file = fopen(hidden, "w");
    if (file == NULL)
        return -errno;
    fprintf(file, "%s\n", day);
    if (fclose(file) != 0 || rename(hidden, path) < 0)
        return -errno;
    return 0;
}

/* Ten minutes, or $CHALKGATE_PATIENCE seconds as for the daemon's answers. */
static unsigned deliver_ms(void)
{
    const char *own = getenv("CHALKGATE_PATIENCE");
    long seconds = own != NULL ? strtol(own, NULL, 10) : 0;

    return seconds > 0 && seconds < COMMAND_MS / 1000 ? (unsigned)seconds * 1000 : COMMAND_MS;
}

static int deliver(const struct config_reports *reports, const char *path, struct bl_error *error)
{
    const char *argv[ARGUMENTS_MAX + 2] = {NULL};
    size_t count = 0;

    if (reports->command_count == 0)
        return 0;
    for (; count < reports->command_count && count < ARGUMENTS_MAX; count++)
        argv[count] = reports->command[count];
    argv[count] = path;
    return hook_run(argv, -1, deliver_ms(), error);
}

static int day_report(struct command *command, const struct day *day, const char *folder,
                      struct bl_error *error)
{
    const struct config *config = command->config;
    struct report_options options = {.state = command_state(command),
                                     .config = config,
                                     .since_ms = day->start_ms,
                                     .until_ms = day->end_ms,
                                     .audience = (enum report_audience)config->reports.audience};
    char path[PATH_MAX];
    struct report *report;

    snprintf(path, sizeof(path), "%s/%s.html", folder, day->text);
    int code = report_make(&options, &report, error);
    if (code < 0)
        return code;
    report_follow(command, report);
    code = report_write_file(report, REPORT_AS_HTML, path);
    report_free(report);
    if (code < 0)
        return bl_error_set(error, code, "%s: %s", path, strerror(-code));
    return deliver(&config->reports, path, error);
}

enum exit_code report_nightly(struct command *command, int64_t now_s)
{
    const struct config *config = command_config(command);
    char folder[PATH_MAX], delivered[DAY_TEXT_MAX];
    struct day day;

    if (config == NULL || command_state(command) == NULL)
        return EXIT_USAGE;
    if (!known_time_allows(known_time_read(command_state(command)), 0, now_s * 1000))
        return command_fail(EXIT_FAILED,
                            "the machine's clock is far from the time last known, so no "
                            "report is made; please set it (`timedatectl` shows it)");
    if (config->reports.folder != NULL)
        snprintf(folder, sizeof(folder), "%s", config->reports.folder);
    else
        snprintf(folder, sizeof(folder), "%s/reports", command_state(command));
    if (mkdir(folder, 0750) < 0 && errno != EEXIST)
        return command_fail(EXIT_FAILED, "%s: %s", folder, strerror(errno));
    mark_read(folder, delivered);
    day_of(now_s * 1000, &day);
    for (int back = 0; back < DAYS_BACK; back++)
        day_of(day.start_ms - 1, &day);
    struct bl_error kept = {""};
    if (totals_keep(command_state(command), (int64_t)config->retention.totals_s * 1000,
                    now_s * 1000, false, &kept) < 0)
        command_fail(EXIT_DONE, "the totals of past days could not be kept: %s", kept.text);
    /* On the very first night there is nothing to make up. */
    for (int back = DAYS_BACK; back > 0; back--, day_of(day.end_ms, &day)) {
        struct bl_error error = {""};
        if (delivered[0] == '\0' ? back > 1 : strcmp(day.text, delivered) <= 0)
            continue;
        int code = day_report(command, &day, folder, &error);
        if (code == 0 && (code = mark_write(folder, day.text)) < 0)
            bl_error_set(&error, code, "%s: %s", folder, strerror(-code));
        if (code < 0)
            return command_fail(EXIT_FAILED,
                                "the report of %s was not delivered and will be tried again: %s",
                                day.text, error.text);
    }
    return EXIT_DONE;
}
