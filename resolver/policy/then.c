#include "resolver/policy/then.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/lists.h"
#include "resolver/policy/calendar.h"
#include "resolver/policy/grants.h"

void then_read_nothing(const char *fault, int64_t at_ms, struct then *out_then)
{
    *out_then = (struct then){.at_ms = at_ms};
    snprintf(out_then->fault, sizeof out_then->fault, "%s", fault);
}

void then_read(struct change *change, int64_t at_ms, struct then *out_then)
{
    struct then then = {.at_ms = at_ms};
    struct bl_error error = {0};
    int code = moments_find(change, at_ms, &then.moment, &error);

    then.is_read = code == 0;
    if (code == 0 && !*then.moment.config)
        code = bl_error_set(&error, -ENOENT, "the configuration of that time is not on record");
    if (code == 0)
        code = policy_rules_read_at(change, at_ms, then.moment.version, &then.rules, &error);
    if (code == 0)
        code = moments_config_read(change, then.moment.config, &then.text, &then.len, &error);
    if (code < 0)
        snprintf(then.fault, sizeof then.fault, "%s", error.text);
    *out_then = then;
}

static void note(struct then *then, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct then *then, const char *format, ...)
{
    char text[2 * BL_ERROR_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(then->notes, json_string(text));
}

/* The configuration may be one that this program does not understand any more. */
static int config_build(struct then *then, const struct story_world *today, struct bl_error *error)
{
    struct config_faults faults = {0};
    int code;

    if (!then->text)
        return bl_error_set(error, -ENOENT, "%s", then->fault);
    code = config_load_text(today->config->path, then->text, then->len, &then->config, &faults);
    if (code < 0)
        bl_error_set(error, code, "the configuration of that time is not understood: %s",
                     faults.count ? faults.items[0].text : "out of memory");
    config_faults_free(&faults);
    return code;
}

/* The generation that was in force, where it is kept still. */
static void store_build(struct then *then, const struct story_world *today, const char *state)
{
    uint64_t wanted = then->moment.generation, now = bl_store_generation(today->store);
    struct bl_error error = {0};
    int code;

    if (wanted == now)
        return;
    if (!wanted) {
        note(then, "which lists were in force then is not on record; judged by generation %" PRIu64,
             now);
        return;
    }
    code = bl_lists_open_kept(state, wanted, &then->store, &error);
    if (code == -ENOENT)
        note(then,
             "the lists of that time, generation %" PRIu64
             ", are no longer kept; judged by generation %" PRIu64,
             wanted, now);
    else if (code < 0)
        note(then,
             "the lists of that time, generation %" PRIu64
             ", cannot be read (%s); judged by generation %" PRIu64,
             wanted, error.text, now);
}

static int policy_build_then(struct then *then, const struct story_world *today,
                             struct bl_error *error)
{
    struct policy_rules *rules = then->rules;
    int code;

    then->rules = NULL;
    if (today->devices &&
        !policy_neighbours_find(rules, then->config, today->devices, &rules->arena,
                                &rules->neighbours, &rules->neighbour_count)) {
        policy_rules_free(rules);
        return bl_error_set(error, -ENOMEM, "no memory for the policy of that time");
    }
    then->world.config = then->config;
    then->world.store = then->store ? then->store : today->store;
    code = policy_build_with(then->config, then->world.store, rules, &then->policy, error);
    then->world.policy = then->policy;
    return code < 0 ? bl_error_wrap(error, code, "the rules of that time do not go with the lists")
                    : 0;
}

/* All of today's in the place of what was. */
static void today_take(struct then *then, const struct story_world *today, const char *fault)
{
    char since[CALENDAR_TEXT_MAX], begins[CALENDAR_TEXT_MAX + 40] = "", version[40] = "";

    if (then->is_read && then->moment.since_ms != INT64_MAX && then->moment.since_ms > then->at_ms)
        snprintf(begins, sizeof begins, " (that record begins at %s)",
                 calendar_text(policy_calendar(today->policy), then->moment.since_ms / 1000, false,
                               since));
    if (then->moment.version)
        snprintf(version, sizeof version, " (policy %u was in force)", then->moment.version);
    json_array_clear(then->notes);
    note(then, "%s%s; judged by today's rules and lists%s", fault, begins, version);
    then->world = *today;
}

int then_build(struct then *then, const struct story_world *today, const char *state,
               struct bl_error *error)
{
    struct bl_error fault = {0};
    int code;

    then->notes = json_array();
    then->world = *today;
    if (!then->notes)
        return bl_error_set(error, -ENOMEM, "no memory to work it out");
    code = config_build(then, today, &fault);
    if (code == 0) {
        store_build(then, today, state);
        code = policy_build_then(then, today, &fault);
    }
    then->is_of_then = code == 0;
    if (code < 0)
        today_take(then, today, fault.text);
    return 0;
}

/* Which device has an address changes, and is known of today only. */
static void devices_note(const json_t *story, json_t *notes)
{
    if (json_object_get(story, "mac"))
        json_array_append_new(notes,
                              json_string("which device had this address then is not on record; "
                                          "it is taken for the one that has it now"));
}

static json_t *number_or_null(uint64_t number)
{
    return number ? json_integer((json_int_t)number) : json_null();
}

void then_tell(const struct then *then, json_t *stories)
{
    const bool is_list_of_then =
        then->is_of_then && then->moment.generation == bl_store_generation(then->world.store);
    json_t *story;
    size_t index;

    json_array_foreach(stories, index, story)
    {
        json_t *notes = json_copy(then->notes);
        devices_note(story, notes);
        json_object_set_new(story, "then",
                            json_pack("{s:o, s:o, s:s, s:s}", "policy_version",
                                      number_or_null(then->moment.version), "generation",
                                      number_or_null(then->moment.generation), "rules",
                                      then->is_of_then ? "then" : "today", "lists",
                                      is_list_of_then ? "then" : "today"));
        json_object_set_new(story, "notes", notes);
    }
}

void then_fini(struct then *then)
{
    policy_free(then->policy);
    bl_store_close(then->store);
    config_free(then->config);
    policy_rules_free(then->rules);
    json_decref(then->notes);
    free(then->text);
    *then = (struct then){.at_ms = 0};
}
