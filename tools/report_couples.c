#include "tools/report_couples.h"

#include <stdlib.h>
#include <string.h>

#include "tools/tally.h"

/* `category` and `group` are those of the first sum; others go into the tallies at once. */
struct couple {
    uint32_t name, device, category, group;
    uint64_t count;
};

struct couples {
    struct tally numbers; /* (name, device): number of the couple + 1 */
    struct couple *items;
    size_t count, room;
    struct tally name_kinds, device_kinds; /* (name or device, category): look-ups */
    struct tally group_devices;            /* (group, device): met */
};

struct couples *couples_create(void)
{
    return tally_must(calloc(1, sizeof(struct couples)));
}

static struct couple *couple_new(struct couples *couples)
{
    if (couples->count == couples->room) {
        couples->room = couples->room * 2 + 4096;
        couples->items =
            tally_must(realloc(couples->items, couples->room * sizeof(*couples->items)));
    }
    return &couples->items[couples->count++];
}

void couples_add(struct couples *couples, uint32_t name, uint32_t device, uint32_t category,
                 uint32_t group, uint64_t count)
{
    uint64_t *number = tally_at(&couples->numbers, tally_key(name, device));

    if (*number == 0) {
        *couple_new(couples) = (struct couple){name, device, category, group, 0};
        *number = couples->count;
    }
    struct couple *couple = &couples->items[*number - 1];
    if (couple->category == category) {
        couple->count += count;
    } else {
        *tally_at(&couples->name_kinds, tally_key(name, category)) += count;
        *tally_at(&couples->device_kinds, tally_key(device, category)) += count;
    }
    if (couple->group != group)
        *tally_at(&couples->group_devices, tally_key(group, device)) = 1;
}

/* Under which category most of each name, or of each device, stands. */
static void kinds_settle(const struct tally *kinds, struct report_sums *sums,
                         const struct report_sums *categories)
{
    for (size_t i = 0; i < kinds->size; i++) {
        const struct tally_count *kind = &kinds->slots[i];
        if (kind->key == UINT64_MAX)
            continue;
        struct report_sum *sum = &sums->items[kind->key >> 32];
        const char *category = categories->items[(uint32_t)kind->key].name;
        if (kind->value > sum->category_count ||
            (kind->value == sum->category_count && strcmp(category, sum->category) < 0)) {
            sum->category_count = kind->value;
            sum->category = category;
        }
    }
}

void couples_settle(struct couples *couples, struct report *report)
{
    for (size_t i = 0; i < couples->count; i++) {
        const struct couple *couple = &couples->items[i];
        report->names.items[couple->name].others++;
        report->devices.items[couple->device].others++;
        *tally_at(&couples->name_kinds, tally_key(couple->name, couple->category)) += couple->count;
        *tally_at(&couples->device_kinds, tally_key(couple->device, couple->category)) +=
            couple->count;
        *tally_at(&couples->group_devices, tally_key(couple->group, couple->device)) = 1;
    }
    for (size_t i = 0; i < couples->group_devices.size; i++)
        if (couples->group_devices.slots[i].key != UINT64_MAX)
            report->groups.items[couples->group_devices.slots[i].key >> 32].others++;
    kinds_settle(&couples->name_kinds, &report->names, &report->categories);
    kinds_settle(&couples->device_kinds, &report->devices, &report->categories);
    tally_free(&couples->numbers);
    tally_free(&couples->name_kinds);
    tally_free(&couples->device_kinds);
    tally_free(&couples->group_devices);
    free(couples->items);
    free(couples);
}

/* Where each word of the report's sums stands. */
struct places {
    struct couples *couples;
    struct tally_words names, devices, categories, groups;
    struct tally_ids names_met, categories_met, groups_met; /* by the pairs' numbers */
    const char *device;                                     /* pairs come by device */
    uint32_t device_number;
};

static void places_make(struct tally_words *words, const struct report_sums *sums)
{
    for (size_t i = 0; i < sums->count; i++) {
        const struct report_sum *sum = &sums->items[i];
        const char *word = sum->key != NULL ? sum->key : sum->name;
        tally_word(words, word, strlen(word));
    }
}

static uint32_t place(struct tally_words *words, const char *name, const char *fallback)
{
    const char *text = name[0] != '\0' ? name : fallback;

    return tally_word(words, text, strlen(text));
}

static uint32_t place_met(struct tally_ids *met, uint32_t number, struct tally_words *words,
                          const char *name, const char *fallback)
{
    uint32_t *at = tally_id_at(met, number);

    if (*at == TALLY_NO_ID)
        *at = place(words, name, fallback);
    return *at;
}

static void pair_take(void *user, const struct finding_pair *pair)
{
    struct places *places = user;
    uint32_t name =
        place_met(&places->names_met, pair->domain_number, &places->names, pair->domain, "");
    uint32_t category = place_met(&places->categories_met, pair->category_number,
                                  &places->categories, pair->category, "(none)");
    uint32_t group = place_met(&places->groups_met, pair->group_number, &places->groups,
                               pair->group, "(unknown)");

    if (places->device != pair->device) {
        places->device = pair->device;
        places->device_number = place(&places->devices, pair->device, "");
    }
    *couple_new(places->couples) =
        (struct couple){name, places->device_number, category, group, pair->count};
}

void couples_of_findings(struct report *report)
{
    struct places places = {.couples = couples_create()};
    struct couples *couples = places.couples;

    places_make(&places.names, &report->names);
    places_make(&places.devices, &report->devices);
    places_make(&places.categories, &report->categories);
    places_make(&places.groups, &report->groups);
    findings_pairs(report->findings_store, pair_take, &places);
    /* A denial that was written between the two readings is in the one only. */
    bool same = places.names.count <= report->names.count &&
                places.devices.count <= report->devices.count &&
                places.categories.count <= report->categories.count &&
                places.groups.count <= report->groups.count;
    for (size_t i = 0; !same && i < couples->count;)
        if (couples->items[i].name >= report->names.count ||
            couples->items[i].device >= report->devices.count ||
            couples->items[i].category >= report->categories.count ||
            couples->items[i].group >= report->groups.count)
            couples->items[i] = couples->items[--couples->count];
        else
            i++;
    couples_settle(couples, report);
    tally_words_free(&places.names);
    tally_words_free(&places.devices);
    tally_words_free(&places.categories);
    tally_words_free(&places.groups);
    tally_ids_free(&places.names_met);
    tally_ids_free(&places.categories_met);
    tally_ids_free(&places.groups_met);
}
