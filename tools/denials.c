/* `chalkgate denials`: the records, newest last, from the state folder itself; works with and
 * without a running resolver. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/name.h"
#include "resolver/config/faults.h"
#include "tools/ask.h"
#include "tools/denial_show.h"
#include "tools/verb.h"

enum { FOLLOW_MS = 500, FOLLOW_WINDOW_MS = 10000, DAY_S = 86400 };
enum format { FORMAT_TEXT, FORMAT_CSV, FORMAT_JSON };

struct denials_options {
    struct denials_filter filter;
    struct address_prefix client;
    struct bl_name name;
    enum format format;
    bool follow, since_said;
    int64_t now_s;
};

static void time_option(struct argp_state *state, const char *value, int64_t *out_ms)
{
    struct denials_options *options = state->input;
    struct bl_error error = {""};
    int64_t wall_s;

    if (time_parse(value, options->now_s, &wall_s, &error) < 0)
        argp_error(state, "%s", error.text);
    else
        *out_ms = wall_s * 1000;
}

static void format_option(struct argp_state *state, const char *value)
{
    static const char *const words[] = {"text", "csv", "json"};
    struct denials_options *options = state->input;

    for (int i = 0; i < 3; i++)
        if (strcmp(value, words[i]) == 0) {
            options->format = (enum format)i;
            return;
        }
    argp_error(state, "there is no format \"%s\"; there are text, csv and json", value);
}

static error_t options_parse(int key, char *value, struct argp_state *state)
{
    struct denials_options *options = state->input;

    switch (key) {
    case 's':
        time_option(state, value, &options->filter.since_ms);
        options->since_said = true;
        return 0;
    case 'u':
        time_option(state, value, &options->filter.until_ms);
        return 0;
    case 'g':
        options->filter.group = value;
        return 0;
    case 'c':
        options->filter.category = value;
        return 0;
    case 'a':
        if (address_prefix_parse(value, &options->client) < 0)
            argp_error(state, "\"%s\" is no address or subnet", value);
        options->filter.client = &options->client;
        return 0;
    case 'd':
        /* A device without a name is told by its address, or by its pseudonym. */
        if (address_prefix_parse(value, &options->client) == 0)
            options->filter.client = &options->client;
        else
            options->filter.device = value;
        return 0;
    case 'n': {
        enum bl_name_fault fault = bl_name_parse(value, strlen(value), &options->name);
        if (fault != BL_NAME_FINE)
            argp_error(state, "\"%s\": %s", value, bl_name_fault_text(fault));
        options->filter.name = options->name.wire;
        return 0;
    }
    case 'f':
        options->follow = true;
        return 0;
    case 'F':
        format_option(state, value);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not understood; a name goes behind --name", value);
        return 0;
    case ARGP_KEY_END:
        if (options->follow && options->filter.until_ms != INT64_MAX)
            argp_error(state, "--follow goes on until Ctrl-C, so that --until has no place there");
        if (options->filter.since_ms >= options->filter.until_ms)
            argp_error(state, "the time ends before it begins: --since is a day ago where it is "
                              "not said");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options_table[] = {
    {"since", 's', "TIME", 0, "from then on; a day ago where it is not said", 0},
    {"until", 'u', "TIME", 0, "up to then", 0},
    {"group", 'g', "GROUP", 0, "of this group only", 0},
    {"category", 'c', "CATEGORY", 0, "of this category only", 0},
    {"client", 'a', "ADDRESS", 0, "of this device, or of a subnet such as 10.1.4.0/24", 0},
    {"device", 'd', "DEVICE", 0,
     "of this device, by its name or MAC address, on all its addresses; or as --client", 0},
    {"name", 'n', "NAME", 0, "for this name and all below it, asked or matched", 0},
    {"follow", 'f', NULL, 0, "go on showing new ones until Ctrl-C", 0},
    {"format", 'F', "FORMAT", 0, "text (the default), csv or json", 0},
    {0},
};

static const struct argp options_argp = {.options = options_table,
                                         .parser = options_parse,
                                         .doc = "Shows refused look-ups, newest last."
                                                "\vTIME is 2026-11-23T11:15, 2026-11-23, 11:15 "
                                                "(today), yesterday, -3h or -7d. A category with ~ "
                                                "before it was only observed: the answer was "
                                                "given. The code at the end of a line is the case, "
                                                "which `chalkgate case CODE` explains."};

/* Case numbers that were shown: open addressing, 0 is an empty place. */
struct seen {
    uint64_t *slots;
    size_t size, count;
};

struct showing {
    const struct denials_options *options;
    struct denial_widths widths;
    uint64_t shown;
    bool observed;
    char day[SHOW_TIME_MAX];
    struct seen seen[2]; /* while following: of this window and of the one before */
    int64_t newest_ms, turned_ms;
    bool failed;
    struct address client;       /* of the newest record, */
    struct denial_device device; /* and whose it was */
};

static int widths_see(void *user, const struct denial_record *record)
{
    struct showing *showing = user;

    denial_widths_see(&showing->widths, record);
    return 0;
}

/* Of what is still to come nobody knows how long it is. */
static void widths_expect(struct denial_widths *widths)
{
    enum { GROUP = 8, CATEGORY = 15, CLIENT = 15 };

    widths->group = widths->group < GROUP ? GROUP : widths->group;
    widths->category = widths->category < CATEGORY ? CATEGORY : widths->category;
    widths->client = widths->client < CLIENT ? CLIENT : widths->client;
}

static void show_text(struct showing *showing, const struct denial_record *record)
{
    char day[SHOW_TIME_MAX];

    if (strcmp(show_day(record->wall_ms, day), showing->day) != 0) {
        printf("%s%s\n", showing->shown > 0 ? "\n" : "", day);
        strcpy(showing->day, day);
        denial_line_head(stdout, &showing->widths);
    }
    denial_line(stdout, &showing->widths, record);
    showing->observed = showing->observed || record->observed;
}

static int show_json(struct showing *showing, const struct denial_record *record)
{
    json_t *object = denial_json(record);

    if (object == NULL) {
        showing->failed = true;
        return 1;
    }
    if (!showing->options->follow)
        fputs(showing->shown > 0 ? ",\n  " : "[\n  ", stdout);
    json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (showing->options->follow)
        putchar('\n');
    json_decref(object);
    return 0;
}

static int record_show(void *user, const struct denial_record *record)
{
    struct showing *showing = user;
    int result = 0;

    if (showing->options->format == FORMAT_TEXT)
        show_text(showing, record);
    else if (showing->options->format == FORMAT_CSV)
        denial_csv(stdout, record);
    else
        result = show_json(showing, record);
    showing->shown++;
    showing->client = record->client;
    showing->device = *record->device;
    return result != 0 || ferror(stdout) ? 1 : 0;
}

static uint64_t *seen_place(const struct seen *seen, uint64_t number)
{
    size_t at = number * 0x9e3779b97f4a7c15u >> 20 & (seen->size - 1);

    while (seen->slots[at] != 0 && seen->slots[at] != number)
        at = (at + 1) & (seen->size - 1);
    return &seen->slots[at];
}

static bool seen_has(const struct seen *seen, uint64_t number)
{
    return seen->size > 0 && *seen_place(seen, number) != 0;
}

static bool seen_add(struct seen *seen, uint64_t number)
{
    if (seen->count * 2 >= seen->size) {
        struct seen more = {.size = seen->size > 0 ? seen->size * 2 : 1024, .count = seen->count};
        more.slots = calloc(more.size, sizeof(*more.slots));
        if (more.slots == NULL)
            return false;
        for (size_t i = 0; i < seen->size; i++)
            if (seen->slots[i] != 0)
                *seen_place(&more, seen->slots[i]) = seen->slots[i];
        free(seen->slots);
        *seen = more;
    }
    *seen_place(seen, number) = number;
    seen->count++;
    return true;
}

/* What is older than two windows is asked for no more, so it need not be kept. */
static void seen_turn(struct showing *showing)
{
    if (showing->newest_ms - showing->turned_ms < FOLLOW_WINDOW_MS)
        return;
    free(showing->seen[1].slots);
    showing->seen[1] = showing->seen[0];
    showing->seen[0] = (struct seen){0};
    showing->turned_ms = showing->newest_ms;
}

/* While following: a record may come from the journal first and from its segment a second later,
 * and records of several workers come a little out of order. */
static int record_follow(void *user, const struct denial_record *record)
{
    struct showing *showing = user;

    if (seen_has(&showing->seen[0], record->case_number) ||
        seen_has(&showing->seen[1], record->case_number))
        return 0;
    if (!seen_add(&showing->seen[0], record->case_number))
        return -ENOMEM;
    if (record->wall_ms > showing->newest_ms)
        showing->newest_ms = record->wall_ms;
    return record_show(user, record);
}

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static int follow(const char *state, struct showing *showing, struct denials_filter *filter,
                  struct bl_error *error)
{
    struct sigaction action = {.sa_handler = interrupt};
    int code;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    showing->newest_ms = filter->since_ms + FOLLOW_WINDOW_MS;
    do {
        filter->since_ms = showing->newest_ms - FOLLOW_WINDOW_MS;
        code = denials_search(state, filter, record_follow, showing, error);
        filter->warn = NULL; /* once is enough */
        fflush(stdout);
        seen_turn(showing);
        if (code == 0 && !interrupted)
            usleep(FOLLOW_MS * 1000);
    } while (code == 0 && !interrupted && !ferror(stdout));
    free(showing->seen[0].slots);
    free(showing->seen[1].slots);
    return code < 0 ? code : 0;
}

static void warn(void *user, const char *sentence)
{
    (void)user;
    command_fail(EXIT_DONE, "%s", sentence);
}

static int other_address_find(void *user, const struct denial_record *record)
{
    const struct showing *showing = user;

    return !address_equal_host(&record->client, &showing->client);
}

/* Who asked for one address may have meant the device, which had others at the time. */
static void other_addresses_tell(const char *state, struct showing *showing)
{
    struct denials_filter filter = showing->options->filter;
    char mac[MAC_TEXT_MAX], name[DENIAL_DEVICE_MAX];

    if (showing->shown == 0 || filter.client == NULL || filter.client->length != 128 ||
        !showing->device.has_mac)
        return;
    filter.client = NULL;
    filter.warn = NULL;
    filter.device = mac_text(showing->device.mac, mac);
    if (denials_search(state, &filter, other_address_find, showing, NULL) <= 0)
        return;
    fflush(stdout);
    fprintf(stderr, "chalkgate: note: %s had other addresses, too; --device %s shows them all\n",
            denial_device_text(&showing->device, &showing->client, name), mac);
}

/* A slip of the pen must not look like a quiet day; what records have may be there no more. */
static enum exit_code nothing(const struct config *config, const struct denials_options *options)
{
    const struct denials_filter *filter = &options->filter;
    const char *what = NULL, *word = NULL;
    struct nearest nearest;
    char meant[128];

    if (config != NULL && filter->category != NULL &&
        config_category_find(config, filter->category) < 0) {
        what = "category", word = filter->category;
        nearest = (struct nearest){.wanted = word};
        for (size_t i = 0; i < config->category_count; i++)
            nearest_offer(&nearest, config->categories[i].name);
    } else if (config != NULL && filter->group != NULL &&
               config_group_find(config, filter->group) < 0) {
        what = "group", word = filter->group;
        nearest = (struct nearest){.wanted = word};
        for (size_t i = 0; i < config->group_count; i++)
            nearest_offer(&nearest, config->groups[i].name);
    }
    if (what == NULL)
        return command_fail(
            EXIT_NOTHING, "nothing was refused that matches%s",
            options->since_said ? "" : " in the last 24 hours; --since -7d looks back a week");
    return command_fail(EXIT_NOTHING,
                        "nothing was refused that matches; the configuration has no %s \"%s\"%s",
                        what, word, nearest_text(&nearest, meant, sizeof(meant)));
}

static enum exit_code finish(const struct showing *showing, const struct config *config, int code,
                             const struct bl_error *error)
{
    const struct denials_options *options = showing->options;

    if (code < 0)
        return command_fail(code == -EACCES ? EXIT_NOT_ALLOWED : EXIT_FAILED, "%s", error->text);
    if (showing->failed)
        return command_fail(EXIT_FAILED, "there is no memory left for the records");
    if (options->format == FORMAT_JSON && !options->follow)
        puts(showing->shown > 0 ? "\n]" : "[]");
    if (options->format == FORMAT_TEXT && showing->observed)
        puts("\n~ only observed: the answer was given.");
    if (fflush(stdout) != 0 || ferror(stdout))
        return command_fail(EXIT_FAILED, "the output could not be written: %s", strerror(errno));
    if (showing->shown > 0 || options->follow)
        return EXIT_DONE;
    return nothing(config, options);
}

static enum exit_code run(struct command *command, int argc, char **argv)
{
    struct denials_options options = {.now_s = time(NULL)};
    struct showing showing = {.options = &options};
    struct bl_error error = {""};
    int code;

    options.filter.since_ms = (options.now_s - DAY_S) * 1000;
    options.filter.until_ms = INT64_MAX;
    options.filter.warn = warn;
    const struct config *config = command_zone(command); /* before times are read */
    code = verb_parse(&options_argp, argc, argv, &options);
    if (code != 0)
        return (enum exit_code)(code - 1);
    if (command->json)
        options.format = FORMAT_JSON;
    const char *state = command_state(command);
    if (state == NULL)
        return EXIT_USAGE;
    if (ask_may_read(command, "denials", "denials") != EXIT_DONE)
        return EXIT_NOT_ALLOWED;
    command_yield();
    denial_widths_init(&showing.widths, stdout);
    if (options.format == FORMAT_CSV)
        denial_csv_head(stdout);
    if (options.format == FORMAT_TEXT) {
        struct denials_filter quiet = options.filter;
        quiet.warn = NULL;
        code = denials_search(state, &quiet, widths_see, &showing, &error);
    }
    if (options.follow)
        widths_expect(&showing.widths);
    if (code == 0 && options.follow)
        code = follow(state, &showing, &options.filter, &error);
    else if (code == 0)
        code = denials_search(state, &options.filter, record_show, &showing, &error);
    if (code == 0 && !options.follow)
        other_addresses_tell(state, &showing);
    return finish(&showing, config, code, &error);
}

const struct verb verb_denials = {"denials",
                                  "refused look-ups, by time, group, category, device, name", run};
