#include "resolver/denials/asked_sums.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/denials/asked_file.h"
#include "resolver/denials/segments.h"

enum { SLOTS = 2 * ASKED_SUMS_MAX };

struct sum {
    uint64_t count, devices;
    uint32_t hash;
    uint16_t group; /* place in sums->groups */
    bool stored;    /* is in the file already */
    uint8_t name_len;
    uint8_t name[ASKED_NAME_MAX];
};

struct asked_sums {
    char state[PATH_MAX];
    struct day day; /* "" before the first */
    bool changed;   /* since it was written */
    char *groups[ASKED_GROUPS_MAX];
    unsigned group_count;
    struct sum *items;
    size_t count, room;
    uint32_t slots[SLOTS]; /* places in items, plus 1 */
};

int asked_sums_create(const char *state, struct asked_sums **out_sums)
{
    struct asked_sums *sums = calloc(1, sizeof(*sums));

    if (sums == NULL)
        return -ENOMEM;
    snprintf(sums->state, sizeof(sums->state), "%s", state);
    *out_sums = sums;
    return 0;
}

void asked_sums_forget(struct asked_sums *sums)
{
    for (unsigned i = 0; i < sums->group_count; i++)
        free(sums->groups[i]);
    free(sums->items);
    memset(sums->slots, 0, sizeof(sums->slots));
    sums->items = NULL;
    sums->count = sums->room = 0;
    sums->group_count = 0;
    sums->changed = false;
    sums->day.text[0] = '\0';
}

void asked_sums_free(struct asked_sums *sums)
{
    if (sums == NULL)
        return;
    asked_sums_forget(sums);
    free(sums);
}

const char *asked_sums_day(const struct asked_sums *sums)
{
    return sums->day.text;
}

/* FNV-1a: a table of our own, of names that a worker's keyed hash let through. */
static uint32_t sum_hash(uint16_t group, const uint8_t *name, size_t len)
{
    uint32_t hash = 2166136261u ^ group;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ name[i]) * 16777619u;
    return hash;
}

static uint32_t *slot_of(struct asked_sums *sums, uint32_t hash, uint16_t group,
                         const uint8_t *name, size_t len)
{
    for (uint32_t at = hash;; at++) {
        uint32_t *slot = &sums->slots[at % SLOTS];
        const struct sum *sum = *slot == 0 ? NULL : &sums->items[*slot - 1];
        if (sum == NULL || (sum->hash == hash && sum->group == group && sum->name_len == len &&
                            memcmp(sum->name, name, len) == 0))
            return slot;
    }
}

static int most_asked_first(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;

    return x->count == y->count ? (int)y->stored - (int)x->stored : x->count < y->count ? 1 : -1;
}

/* Makes room: the half that is asked least goes. */
static void least_drop(struct asked_sums *sums)
{
    qsort(sums->items, sums->count, sizeof(*sums->items), most_asked_first);
    sums->count /= 2;
    memset(sums->slots, 0, sizeof(sums->slots));
    for (size_t i = 0; i < sums->count; i++) {
        const struct sum *sum = &sums->items[i];
        *slot_of(sums, sum->hash, sum->group, sum->name, sum->name_len) = (uint32_t)i + 1;
    }
}

/* The sum of a name in a group, made where it is not there; NULL: no memory. */
static struct sum *sum_at(struct asked_sums *sums, uint16_t group, const uint8_t *name, size_t len)
{
    uint32_t hash = sum_hash(group, name, len);
    uint32_t *slot = slot_of(sums, hash, group, name, len);

    if (*slot != 0)
        return &sums->items[*slot - 1];
    if (sums->count == ASKED_SUMS_MAX) {
        least_drop(sums);
        slot = slot_of(sums, hash, group, name, len);
    }
    if (sums->count == sums->room) {
        size_t room = sums->room == 0 ? 1024 : sums->room * 2;
        struct sum *more = realloc(sums->items, room * sizeof(*more));
        if (more == NULL)
            return NULL;
        sums->items = more;
        sums->room = room;
    }
    struct sum *sum = &sums->items[sums->count++];
    *sum = (struct sum){.hash = hash, .group = group, .name_len = (uint8_t)len};
    memcpy(sum->name, name, len);
    *slot = (uint32_t)sums->count;
    return sum;
}

/* The place of a group's name; ASKED_GROUPS_MAX: there are too many. */
static int group_at(struct asked_sums *sums, const char *name, uint16_t *out_group)
{
    unsigned group = 0;

    while (group < sums->group_count && strcmp(sums->groups[group], name) != 0)
        group++;
    if (group == sums->group_count && group < ASKED_GROUPS_MAX) {
        sums->groups[group] = strdup(name);
        if (sums->groups[group] == NULL)
            return -ENOMEM;
        sums->group_count++;
    }
    *out_group = (uint16_t)group;
    return 0;
}

static int stored_take(void *user, const struct asked_row *row)
{
    struct asked_sums *sums = user;
    struct sum *sum;
    uint16_t group;

    if (row->name_len > ASKED_NAME_MAX)
        return 0;
    if (group_at(sums, row->group, &group) < 0)
        return -ENOMEM;
    if (group == ASKED_GROUPS_MAX)
        return 0;
    sum = sum_at(sums, group, row->name, row->name_len);
    if (sum == NULL)
        return -ENOMEM;
    sum->count += row->count;
    sum->stored = true;
    return 0;
}

/* A day goes on where an earlier run left it; a file that cannot be read is begun anew. */
static int day_begin(struct asked_sums *sums, const struct day *day)
{
    asked_sums_forget(sums);
    sums->day = *day;
    int code = asked_file_read(sums->state, day->text, stored_take, sums, NULL);
    if (code == -ENOMEM) {
        asked_sums_forget(sums);
        return code;
    }
    return 0;
}

int asked_sums_take(struct asked_sums *sums, const struct asked *asked, struct asked_table *table,
                    int64_t wall_ms)
{
    struct day day;
    int code = 0;

    day_of(wall_ms, &day);
    if (strcmp(day.text, sums->day.text) != 0)
        code = day_begin(sums, &day);
    for (size_t i = 0; i < ASKED_SLOTS && code == 0; i++) {
        const struct asked_slot *slot = &table->slots[i];
        uint16_t group;
        if (slot->count == 0)
            continue;
        code = group_at(sums, asked->groups[slot->group], &group);
        if (code < 0 || group == ASKED_GROUPS_MAX)
            continue;
        struct sum *sum = sum_at(sums, group, slot->name, slot->name_len);
        if (sum == NULL) {
            code = -ENOMEM;
            break;
        }
        sum->count += slot->count;
        sum->devices |= slot->devices;
        sums->changed = true;
    }
    memset(table, 0, sizeof(*table));
    return code;
}

struct rows {
    struct asked_sums *sums;
    size_t at;
    unsigned least;
};

static bool row_next(void *user, struct asked_row *out_row)
{
    struct rows *rows = user;
    struct asked_sums *sums = rows->sums;

    while (rows->at < sums->count) {
        struct sum *sum = &sums->items[rows->at++];
        if (!sum->stored && (unsigned)__builtin_popcountll(sum->devices) < rows->least)
            continue;
        sum->stored = true;
        *out_row = (struct asked_row){.group = sums->groups[sum->group],
                                      .name = sum->name,
                                      .name_len = sum->name_len,
                                      .count = sum->count};
        return true;
    }
    return false;
}

int asked_sums_write(struct asked_sums *sums, unsigned least, struct bl_error *error)
{
    struct rows rows = {.sums = sums, .least = least};

    if (!sums->changed || sums->day.text[0] == '\0')
        return 0;
    int code = asked_file_write(sums->state, sums->day.text, least, row_next, &rows, error);
    sums->changed = code < 0;
    return code;
}

struct days_reading {
    const struct day *day;
    int (*each)(void *user, const struct asked_count *count);
    void *user;
};

static int row_give(void *user, const struct asked_row *row)
{
    const struct days_reading *reading = user;
    const struct asked_count count = {
        .day = reading->day, .group = row->group, .name = row->name, .count = row->count};

    return reading->each(reading->user, &count);
}

static int list_read(const char *state, const int64_t *since_ms, const int64_t *until_ms,
                     struct segment_list *out_list, struct bl_error *error)
{
    char folder[PATH_MAX];

    snprintf(folder, sizeof(folder), "%s/counts", state);
    return segments_list_in(folder, since_ms, until_ms, out_list, error);
}

int asked_read(const char *state, int64_t since_ms, int64_t until_ms,
               int (*each)(void *user, const struct asked_count *count), void *user,
               void (*warn)(void *user, const char *sentence), void *warn_user,
               struct bl_error *error)
{
    struct segment_list list;
    int code = list_read(state, &since_ms, &until_ms, &list, error);

    if (code < 0)
        return code;
    for (size_t i = 0; i < list.count && code == 0; i++) {
        struct days_reading reading = {.day = &list.days[i], .each = each, .user = user};
        struct bl_error why = {""};
        code = asked_file_read(state, list.days[i].text, row_give, &reading, &why);
        if (code == -ENOENT) { /* gone just now */
            code = 0;
        } else if (code < 0 && why.text[0] != '\0') {
            if (warn != NULL)
                warn(warn_user, why.text);
            code = 0;
        }
    }
    segments_list_free(&list);
    return code;
}

int asked_retain(const char *state, const struct retention *retention, int64_t now_ms,
                 struct retention_receipt *out_receipt, struct bl_error *error)
{
    const int64_t until_ms = now_ms - retention->keep_ms;
    struct segment_list list;
    char folder[PATH_MAX], path[PATH_MAX + 16];

    snprintf(folder, sizeof(folder), "%s/counts", state);
    int code = receipt_begin(folder, out_receipt, error);
    if (code == 0)
        code = list_read(state, NULL, &until_ms, &list, error);
    if (code < 0)
        return code;
    for (size_t i = 0; i < list.count; i++) {
        const struct day *day = &list.days[i];
        if (day->end_ms > until_ms)
            continue;
        if (retention->held != NULL && retention->held(retention->user, day)) {
            out_receipt->held++;
            continue;
        }
        struct retention_receipt then = *out_receipt, before = then;
        struct bl_error why = {""};
        snprintf(path, sizeof(path), "%s/counts/%s.mdb", state, day->text);
        then.dropped++;
        receipt_day(&then, day);
        int step = receipt_step(folder, out_receipt, &then, path, &why);
        if (step == 0 && unlink(path) < 0) {
            step = bl_error_set(&why, -errno, "%s: %s", path, strerror(errno));
            *out_receipt = before;
        }
        if (step < 0 && code == 0)
            code = bl_error_set(error, step, "%s", why.text);
    }
    segments_list_free(&list);
    return code;
}
