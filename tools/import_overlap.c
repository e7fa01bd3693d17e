#include "tools/import_overlap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/act_here.h"
#include "tools/lists.h"

enum { SAMPLES = 3 };

/* Whom the name is allowed, and by what. */
struct exception {
    const uint8_t *wire;
    const char *who;
    json_int_t grant; /* 0: the configuration */
};

static bool is_sealed(const struct import *import, const char *category)
{
    const struct config *config = import->command->config;
    int known = config_category_find(config, category);

    return known >= 0 && config->categories[known].sealed;
}

static json_t *overlap_json(const struct import *import, const struct exception *exception,
                            const char *category)
{
    char name[BL_NAME_TEXT_MAX];

    bl_name_text(exception->wire, name);
    return json_pack("{s:s, s:s, s:s, s:b, s:o*}", "name", name, "group", exception->who,
                     "category", category, "sealed", (int)is_sealed(import, category), "grant",
                     exception->grant ? json_integer(exception->grant) : NULL);
}

/* The category that lists the name itself, a sealed one before others; or NULL. */
static const char *listed_find(const struct import *import, const uint8_t *wire)
{
    struct bl_found now = bl_store_find(import->staged, wire, bl_name_length(wire), BL_ALL_TYPES);
    const char *listed = NULL;
    size_t count;
    const struct bl_fact_rule *rules = bl_store_fact(import->staged, now.fact, &count);

    for (size_t i = 0; i < count; i++) {
        const char *category = bl_store_category(import->staged, rules[i].category)->name;

        if (rules[i].action != BL_BLOCK)
            continue;
        if (is_sealed(import, category))
            return category;
        listed = listed ? listed : category;
    }
    return listed;
}

/* The listed names below an exception, by the store's categories. */
struct below {
    const struct bl_store *store;
    struct below_category {
        uint64_t count;
        struct bl_name last; /* entries of several sources for one name follow each other */
        json_t *samples;
    } * categories;
};

static int below_note(void *user, unsigned source, const struct bl_entry *entry)
{
    struct below *below = user;
    struct below_category *category =
        &below->categories[bl_store_source(below->store, source)->category];
    char name[BL_NAME_TEXT_MAX];

    if (entry->action != BL_BLOCK ||
        (category->count > 0 && bl_name_equal(category->last.wire, entry->name.wire)))
        return 0;
    category->last = entry->name;
    if (category->count++ >= SAMPLES)
        return 0;
    bl_name_text(entry->name.wire, name);
    category->samples = category->samples ? category->samples : json_array();
    json_array_append_new(category->samples,
                          json_sprintf("%s%s", entry->scope == BL_BELOW ? "*." : "", name));
    return 0;
}

/* "*.example.com" of an RPZ list is an entry of example.com, and only of what is below it. */
static int wildcard_note(void *user, unsigned source, const struct bl_entry *entry)
{
    return entry->scope == BL_BELOW ? below_note(user, source, entry) : 0;
}

/* An exception covers the names below it. Where its own name is listed in a category, that goes for
 * all of them. */
static void below_find(const struct import *import, const struct exception *exception,
                       const char *listed, json_t *out)
{
    unsigned count = bl_store_category_count(import->staged);
    struct below below = {.store = import->staged,
                          .categories = calloc(count + 1u, sizeof *below.categories)};
    struct bl_error error = {""};

    if (below.categories)
        bl_store_entries(import->staged, exception->wire, wildcard_note, &below);
    if (!below.categories ||
        bl_store_walk_below(import->staged, exception->wire, below_note, &below, &error) < 0)
        command_fail(EXIT_DONE, "listed names below exceptions are not compared: %s",
                     error.text[0] ? error.text : "there is not enough memory");
    for (unsigned i = 0; below.categories && i < count; i++) {
        const char *category = bl_store_category(import->staged, i)->name;
        json_t *item;

        if (below.categories[i].count > 0 && (!listed || strcmp(listed, category) != 0)) {
            item = overlap_json(import, exception, category);
            json_object_set_new(item, "below", json_integer((json_int_t)below.categories[i].count));
            json_object_set(item, "samples", below.categories[i].samples);
            json_array_append_new(out, item);
        }
        json_decref(below.categories[i].samples);
    }
    free(below.categories);
}

static void overlap_find(const struct import *import, const struct exception *exception,
                         json_t *out)
{
    const char *listed = listed_find(import, exception->wire);

    if (listed)
        json_array_append_new(out, overlap_json(import, exception, listed));
    below_find(import, exception, listed, out);
}

static void grants_overlap_find(const struct import *import, json_t *out)
{
    json_t *reply = NULL, *grant;
    struct bl_error error = {""};
    enum exit_code code = act_try(import->command, "grants", act_grants, false,
                                  json_pack("{s:b}", "all", 0), &reply, &error);
    size_t index;

    if (code != EXIT_DONE && code != EXIT_NOTHING)
        command_fail(EXIT_DONE, "exceptions beside the configuration are not compared: %s",
                     error.text);
    if (code != EXIT_DONE)
        return;
    json_array_foreach(json_object_get(reply, "grants"), index, grant)
    {
        const char *kind = NULL, *target_kind = NULL, *target = NULL, *group = "", *device = "";
        json_int_t id = 0;
        struct bl_name name;

        if (json_unpack(grant, "{s:I, s:s, s:s, s:s, s?s, s?s}", "id", &id, "kind", &kind,
                        "target_kind", &target_kind, "target", &target, "group", &group, "device",
                        &device) == 0 &&
            strcmp(kind, "allow") == 0 && strcmp(target_kind, "name") == 0 &&
            bl_name_parse(target, strlen(target), &name) == BL_NAME_FINE) {
            const struct exception exception = {name.wire, *device ? device : group, id};
            overlap_find(import, &exception, out);
        }
    }
    json_decref(reply);
}

json_t *overlaps_find(const struct import *import)
{
    const struct config *config = import->command->config;
    json_t *out = json_array();

    for (size_t g = 0; g < config->group_count; g++)
        for (size_t n = 0; n < config->groups[g].allow.name_count; n++) {
            const struct exception exception = {config->groups[g].allow.names[n],
                                                config->groups[g].name, 0};
            overlap_find(import, &exception, out);
        }
    grants_overlap_find(import, out);
    return out;
}

static void below_print(const json_t *item, const char *category)
{
    json_int_t below = json_integer_value(json_object_get(item, "below"));
    const json_t *samples = json_object_get(item, "samples"), *sample;
    char text[32];
    size_t i;

    printf(", of which %s name%s below %s listed as %s: ", number_text((uint64_t)below, text),
           below == 1 ? "" : "s", below == 1 ? "is" : "are", category);
    json_array_foreach(samples, i, sample) printf("%s%s", i ? ", " : "", json_string_value(sample));
    if (below > SAMPLES)
        fputs(", …", stdout);
}

static void overlap_print(const json_t *item)
{
    const char *category = json_string_value(json_object_get(item, "category"));
    json_int_t grant = json_integer_value(json_object_get(item, "grant"));

    printf("  %s for %s", json_string_value(json_object_get(item, "name")),
           json_string_value(json_object_get(item, "group")));
    if (grant)
        printf(" (grant %lld)", (long long)grant);
    if (json_object_get(item, "below"))
        below_print(item, category);
    else
        printf(", listed as %s", category);
    if (json_is_true(json_object_get(item, "sealed")))
        printf("%s", json_object_get(item, "below") ? "; that is sealed: denied they are"
                                                    : ", which is sealed: denied it is");
    putchar('\n');
}

void overlaps_print(const struct import *import)
{
    json_t *overlaps = overlaps_find(import);
    const json_t *item;
    size_t i;

    if (json_array_size(overlaps) > 0)
        puts("\nListed, but allowed by the configuration or a grant (and allowed it stays):");
    json_array_foreach(overlaps, i, item) overlap_print(item);
    json_decref(overlaps);
}
