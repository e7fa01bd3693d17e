#include "school.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/compile.h"
#include "blocklists/lists.h"
#include "blocklists/read.h"
#include "resolver/devices/devices.h"
#include "resolver/policy/acts.h"
#include "resolver/policy/grants.h"
#include "script.h"
#include "tests/support/folder.h"

enum { TEXT_MAX = 16384, THINGS_MAX = 32, UPSTREAMS_MAX = 8 };

struct list {
    char category[64];
    enum bl_action action;
    char names[TEXT_MAX]; /* a line each */
};

struct upstream {
    char name[32], transport[12];
    unsigned first, places; /* among the servers of the pipeline */
};

static struct {
    char folder[FOLDER_ROOM];
    bool changed;
    char groups[TEXT_MAX], more[TEXT_MAX];
    struct {
        char name[64], text[256];
    } categories[THINGS_MAX];
    size_t category_count;
    struct list lists[THINGS_MAX];
    size_t list_count;
    struct upstream upstreams[UPSTREAMS_MAX];
    size_t upstream_count;
    struct {
        char verb[24], request[512];
    } acts[THINGS_MAX]; /* told, and to be done when the next world is made */
    size_t act_count;
    struct state *state; /* once something was done */
    struct devices *devices;
    struct leases leases;
    int64_t wall_ms;
    uint32_t version;
} school;

static void text_append(char *text, size_t size, const char *more, const char *end)
{
    size_t len = strlen(text);
    if (len + strlen(more) + strlen(end) + 1 > size)
        script_fail("this is more than a scenario can hold");
    snprintf(text + len, size - len, "%s%s", more, end);
}

void school_open(void)
{
    folder_make(school.folder);
    school.upstreams[0] = (struct upstream){"up1", "udp", 0, 1};
    school.upstream_count = 1;
    school.changed = true;
}

void school_close(void)
{
    state_close(school.state);
    devices_free(school.devices);
    leases_free(&school.leases);
    school.devices = NULL;
    school.state = NULL;
    if (*school.folder)
        folder_drop(school.folder);
    *school.folder = '\0';
}

const char *school_state(void)
{
    return school.folder;
}

bool school_changed(void)
{
    return school.changed;
}

static size_t category_add(const char *name)
{
    for (size_t i = 0; i < school.category_count; i++)
        if (strcmp(school.categories[i].name, name) == 0)
            return i;
    if (school.category_count == THINGS_MAX)
        script_fail("more categories than a scenario can hold");
    snprintf(school.categories[school.category_count].name, sizeof(school.categories[0].name), "%s",
             name);
    return school.category_count++;
}

/* "ads,games" of a rule: as a YAML list, and its categories known. */
static void group_rule(char *text, const char *key, char *values)
{
    text_append(text, TEXT_MAX, ", ", "");
    text_append(text, TEXT_MAX, key, ": [");
    char *place;
    for (char *value = strtok_r(values, ",", &place); value; value = strtok_r(NULL, ",", &place)) {
        if (strcmp(key, "allow") != 0 && !strpbrk(value, ".:"))
            category_add(value);
        text_append(text, TEXT_MAX, "\"", value);
        text_append(text, TEXT_MAX, "\", ", "");
    }
    text_append(text, TEXT_MAX, "]", "");
}

static void group_words(char *text, char *words)
{
    static const char *const rules[][2] = {
        {"denies", "deny"}, {"observes", "observe"}, {"allows", "allow"}};
    for (char *word; (word = word_next(&words));) {
        const char *key = NULL;
        for (size_t i = 0; i < 3; i++)
            if (strcmp(word, rules[i][0]) == 0)
                key = rules[i][1];
        if (key) {
            group_rule(text, key, word_must(&words, "what the rule is about"));
        } else if (strcmp(word, "with") == 0) { /* the rest is YAML: `with safe-search: strict` */
            text_append(text, TEXT_MAX, ", ", words);
            return;
        } else {
            script_fail("a group knows no '%s'", word);
        }
    }
}

/* group NAME SUBNET[,SUBNET] [denies C,…] [observes C,…] [allows N,…] [with YAML] ; … */
void school_group(char *text)
{
    for (char *part; (part = part_next(&text));) {
        const char *name = word_must(&part, "the group's name");
        const char *subnets = word_must(&part, "its subnet");
        text_append(school.groups, TEXT_MAX, "  ", name);
        text_append(school.groups, TEXT_MAX, ": {subnets: [", "\"");
        for (; *subnets; subnets++) {
            char letter[2] = {*subnets, '\0'};
            text_append(school.groups, TEXT_MAX, *subnets == ',' ? "\", \"" : letter, "");
        }
        text_append(school.groups, TEXT_MAX, "\"]", "");
        group_words(school.groups, part);
        text_append(school.groups, TEXT_MAX, "}", "\n");
    }
    school.changed = true;
}

/* list CATEGORY [allow] NAME… ; a list that was told before grows, and `none` empties it. */
void school_list(char *text)
{
    const char *category = word_must(&text, "the category");
    char *word = word_must(&text, "a name");
    enum bl_action action = BL_BLOCK;
    if (strcmp(word, "allow") == 0) {
        action = BL_ALLOW;
        word = word_must(&text, "a name");
    }
    category_add(category);
    struct list *list = NULL;
    for (size_t i = 0; i < school.list_count; i++)
        if (strcmp(school.lists[i].category, category) == 0 && school.lists[i].action == action)
            list = &school.lists[i];
    if (!list) {
        if (school.list_count == THINGS_MAX)
            script_fail("more lists than a scenario can hold");
        list = &school.lists[school.list_count++];
        snprintf(list->category, sizeof(list->category), "%s", category);
        list->action = action;
    }
    for (; word; word = word_next(&text)) {
        if (strcmp(word, "none") == 0)
            *list->names = '\0';
        else
            text_append(list->names, TEXT_MAX, word, "\n");
    }
    school.changed = true;
}

static void upstreams_set(char *words)
{
    unsigned next = 0;
    school.upstream_count = 0;
    for (char *word; (word = word_next(&words));) {
        if (school.upstream_count == UPSTREAMS_MAX)
            script_fail("more upstreams than a scenario can hold");
        struct upstream *upstream = &school.upstreams[school.upstream_count++];
        *upstream = (struct upstream){.transport = "udp"};
        char *slash = strchr(word, '/');
        if (slash) {
            *slash = '\0';
            snprintf(upstream->transport, sizeof(upstream->transport), "%s", slash + 1);
        }
        snprintf(upstream->name, sizeof(upstream->name), "%s", word);
        upstream->first = next;
        upstream->places = strchr(word, '.') ? CONFIG_HOST_SERVERS : 1;
        next += upstream->places;
    }
}

/* config act VERB {"key": "value", …}: what a command asks of the daemon, done with the scenario's
 * clock. */
static void act_tell(char *text)
{
    if (school.act_count == THINGS_MAX)
        script_fail("more acts than a scenario can hold");
    const char *verb = word_must(&text, "what to do");
    snprintf(school.acts[school.act_count].verb, sizeof(school.acts[0].verb), "%s", verb);
    snprintf(school.acts[school.act_count++].request, sizeof(school.acts[0].request), "%s", text);
}

/* A line of config.yaml takes the place of an earlier one of its key. */
static void key_forget(const char *line)
{
    size_t len = strcspn(line, ":") + 1;

    for (char *at = school.more; *at;) {
        char *next = at + strcspn(at, "\n") + 1;
        if (strncmp(at, line, len) == 0)
            memmove(at, next, strlen(next) + 1);
        else
            at = next;
    }
}

/* config upstreams: up1 up2/tls · config category NAME {YAML} · config groups: none · config act …
 * · config KEY: VALUE */
void school_config(char *text)
{
    text += strspn(text, " \t");
    school.changed = true;
    if (strncmp(text, "upstreams:", 10) == 0) {
        upstreams_set(text + 10);
    } else if (strncmp(text, "category ", 9) == 0) {
        text += 9;
        size_t category = category_add(word_must(&text, "the category's name"));
        snprintf(school.categories[category].text, sizeof(school.categories[0].text), "%s", text);
    } else if (strncmp(text, "act ", 4) == 0) {
        act_tell(text + 4);
    } else if (strcmp(text, "groups: none") == 0) {
        *school.groups = '\0'; /* the lines that follow tell them anew */
    } else {
        key_forget(text);
        text_append(school.more, TEXT_MAX, text, "\n");
    }
}

unsigned school_upstream(const char *name)
{
    for (unsigned i = 0; i < school.upstream_count; i++)
        if (strcmp(school.upstreams[i].name, name) == 0)
            return school.upstreams[i].first;
    script_fail("there is no upstream '%s'", name);
}

const char *school_upstream_name(unsigned server)
{
    for (size_t i = 0; i < school.upstream_count; i++)
        if (server - school.upstreams[i].first < school.upstreams[i].places)
            return school.upstreams[i].name;
    return "?";
}

/* up1 is an address; dns.school.test is a name, looked up at those that are /bootstrap. */
static void upstreams_write(FILE *file)
{
    const char *between = "";
    fputs("upstreams:\n", file);
    for (size_t i = 0; i < school.upstream_count; i++) {
        const struct upstream *upstream = &school.upstreams[i];
        if (strcmp(upstream->transport, "bootstrap") == 0)
            continue;
        if (strchr(upstream->name, '.'))
            fprintf(file, "  - {host: %s", upstream->name);
        else
            fprintf(file, "  - {address: \"11.0.0.%zu\"", i + 1);
        fprintf(file, ", transport: %s%s}\n", upstream->transport,
                strcmp(upstream->transport, "tls") == 0 ? ", tls-name: up.example" : "");
    }
    fputs("bootstrap: [", file);
    for (size_t i = 0; i < school.upstream_count; i++)
        if (strcmp(school.upstreams[i].transport, "bootstrap") == 0) {
            fprintf(file, "%s\"11.0.0.%zu\"", between, i + 1);
            between = ", ";
        }
    fputs("]\n", file);
}

static void config_write(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        script_fail("%s: %s", path, strerror(errno));
    fprintf(file, "state: \"%s\"\nworkers: 1\n", school.folder);
    upstreams_write(file);
    if (school.category_count > 0)
        fputs("categories:\n", file);
    for (size_t i = 0; i < school.category_count; i++)
        fprintf(file, "  %s: %s\n", school.categories[i].name,
                *school.categories[i].text ? school.categories[i].text : "{}");
    fprintf(file, "groups:\n%s%s", school.groups, school.more);
    if (fclose(file) != 0)
        script_fail("%s: %s", path, strerror(errno));
}

static ssize_t text_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    (void)error;
    const char **rest = user;
    size_t have = strlen(*rest);
    if (len > have)
        len = have;
    memcpy(buffer, *rest, len);
    *rest += len;
    return (ssize_t)len;
}

static void list_compile(struct bl_compile *compile, const struct list *list)
{
    struct bl_error error = {0};
    char location[96];
    snprintf(location, sizeof(location), "%s.%s", list->category,
             list->action == BL_ALLOW ? "allow" : "block");
    const struct bl_compile_source source = {.location = location,
                                             .category = list->category,
                                             .licence = "",
                                             .actor = "scenario",
                                             .reason = "",
                                             .action = list->action};
    if (bl_compile_source(compile, &source, &error))
        script_fail("%s", error.text);
    const char *rest = list->names;
    const struct bl_input input = {text_read, &rest};
    const struct bl_read_options options = {.format =
                                                strstr(list->names, "||") ? "adblock" : "domains",
                                            .action = list->action,
                                            .allow_tld = true};
    struct bl_sink sink = bl_compile_sink(compile);
    struct bl_read_report report;
    if (bl_read(&input, &options, &sink, &report, &error))
        script_fail("%s", error.text);
    if (report.unused > 0)
        script_fail("a rule on a list: %s", report.unused_reasons.each[0].reason);
    if (report.malformed > 0)
        script_fail("'%s' on a list: %s", report.malformed_samples[0].text,
                    report.malformed_samples[0].reason);
    bl_compile_source_end(compile, &report);
}

/* Compiles all lists on top of the generation in force, if there is one, and adopts the result. */
static void lists_compile(void)
{
    struct bl_error error = {0};
    char path[BL_PATH_MAX];
    uint64_t generation = 0;
    struct bl_store *base = NULL;
    if (bl_lists_current(school.folder, &generation, path, &error) == 0 &&
        bl_store_open(path, &base, &error) != 0)
        script_fail("%s", error.text);
    const struct bl_compile_options options = {
        .folder = school.folder, .base = base, .memory = 1 << 20, .seed = 1, .now = 1};
    struct bl_compile *compile = NULL;
    if (bl_compile_open(&options, &compile, &error))
        script_fail("%s", error.text);
    for (size_t i = 0; i < school.list_count; i++)
        list_compile(compile, &school.lists[i]);
    int fd = -1;
    struct bl_compile_result result;
    if (bl_compile_finish(compile, &fd, &result, &error) ||
        bl_lists_adopt(school.folder, fd, 3, &generation, &error))
        script_fail("%s", error.text);
    close(fd);
    bl_compile_close(compile);
    bl_store_close(base);
}

static void act_do(struct act *act, const char *verb, const char *text)
{
    static const struct {
        const char *verb;
        int (*function)(struct act *, const json_t *, json_t *, struct bl_error *);
    } known[] = {{"grant", act_grant},
                 {"revoke", act_revoke},
                 {"block-device", act_block_device},
                 {"session-start", act_session_start},
                 {"session-end", act_session_end}};
    struct bl_error error = {0};
    json_t *request = json_loads(text, 0, NULL), *reply = json_object();

    if (!request)
        script_fail("an act wants a JSON object, not '%s'", text);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].verb, verb) != 0)
            continue;
        if (known[i].function(act, request, reply, &error) < 0)
            script_fail("%s", error.text);
        json_decref(request);
        json_decref(reply);
        return;
    }
    script_fail("'%s' is no act", verb);
}

/* device ADDRESS MAC [NAME] */
void school_device(char *text)
{
    struct neighbour neighbour;
    const char *address = word_next(&text), *mac = word_next(&text), *name = word_next(&text);
    if (!mac || address_parse(address, 0, &neighbour.address) || !mac_parse(mac, neighbour.mac))
        script_fail("a device has an address and a MAC address");
    if (!school.devices && devices_create(&school.devices))
        script_fail("no memory for devices");
    neighbour.ago_ms = 0;
    devices_see(school.devices, &neighbour, school.wall_ms);
    if (name) {
        struct leases leases = {0};
        struct lease *lease = lease_add(&school.leases);
        lease->address = neighbour.address;
        memcpy(lease->mac, neighbour.mac, MAC_LEN);
        lease->has_mac = true;
        lease_name_take(lease, name, strlen(name));
        for (size_t i = 0; i < school.leases.count; i++)
            *lease_add(&leases) = school.leases.items[i];
        leases_settle(&leases, 0);
        devices_lease(school.devices, 0, &leases);
    }
    school.changed = true;
}

/* As the daemon does it: the addresses of devices that matter go with the rules. */
static void neighbours_follow(const struct config *config, struct policy_rules *rules)
{
    if (school.devices && !policy_neighbours_find(rules, config, school.devices, &rules->arena,
                                                  &rules->neighbours, &rules->neighbour_count))
        script_fail("no memory for devices");
}

/* The rules on record, with what was told since; NULL while nothing ever was. */
static struct policy_rules *rules_follow(const struct config *config)
{
    static const struct actor actor = {.user = "root", .login = "mary", .role = "manager"};
    struct act act = {.config = config, .devices = school.devices};
    struct calendar *calendar = NULL;
    struct policy_rules *rules = NULL;
    struct bl_error error = {0};

    if (!school.state && school.act_count == 0 && !school.devices)
        return NULL;
    if ((!school.state && state_open(school.folder, true, &school.state, &error)) ||
        calendar_create(&config->calendar, &calendar, &error) ||
        change_begin(school.state, &actor, school.wall_ms, &act.change, &error))
        script_fail("%s", error.text);
    act.calendar = calendar;
    for (size_t i = 0; i < school.act_count; i++)
        act_do(&act, school.acts[i].verb, school.acts[i].request);
    school.act_count = 0;
    if (policy_rules_read(act.change, &rules, &error) || change_commit(act.change, &error))
        script_fail("%s", error.text);
    calendar_free(calendar);
    neighbours_follow(config, rules);
    return rules;
}

struct world *school_world(int64_t wall_ms, const struct world *before)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/config.yaml", school.folder);
    config_write(path);
    lists_compile();

    struct config *config = NULL;
    struct config_faults faults = {0};
    if (config_load(path, &config, &faults)) {
        for (size_t i = 0; i < faults.count; i++)
            printf("%s\n", faults.items[i].text);
        script_fail("the configuration made of the lines so far is not good");
    }
    struct bl_error error = {0};
    struct world *world = NULL;
    school.wall_ms = wall_ms;
    struct policy_rules *rules = rules_follow(config);
    if (rules ? world_create_with(config, rules, before, &world, &error)
              : world_create(config, ++school.version, &world, &error))
        script_fail("%s", error.text);
    school.changed = false;
    return world;
}
