#include "tools/most_asked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/name.h"
#include "resolver/denials/asked_sums.h"
#include "tools/denial_show.h"
#include "tools/table.h"
#include "tools/tally.h"

struct gathering {
    const char *group;
    struct tally_words groups, names;
    struct tally sums;
    int64_t day_ms; /* of the last count */
    uint64_t days;
};

static int count_add(void *user, const struct asked_count *count)
{
    struct gathering *gathering = user;

    if (gathering->group != NULL && strcmp(gathering->group, count->group) != 0)
        return 0;
    uint32_t group = tally_word(&gathering->groups, count->group, strlen(count->group));
    uint32_t name = tally_word(&gathering->names, count->name, bl_name_length(count->name));
    *tally_at(&gathering->sums, tally_key(group, name)) += count->count;
    gathering->days += gathering->days == 0 || count->day->start_ms != gathering->day_ms;
    gathering->day_ms = count->day->start_ms;
    return 0;
}

static int by_group(const void *a, const void *b)
{
    const struct most_asked_name *x = a, *y = b;
    int groups = strcmp(x->group, y->group);

    if (groups != 0)
        return groups;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* Keeps the first `most` of each group. */
static void cut(struct most_asked *asked, size_t most)
{
    size_t kept = 0, of_group = 0;

    for (size_t i = 0; i < asked->count; i++) {
        struct most_asked_name *item = &asked->items[i];
        if (kept == 0 || strcmp(asked->items[kept - 1].group, item->group) != 0)
            of_group = 0;
        if (of_group++ < most) {
            asked->items[kept++] = *item;
            continue;
        }
        free(item->group);
        free(item->name);
    }
    asked->count = kept;
}

static void sums_take(const struct gathering *gathering, struct most_asked *asked)
{
    char text[BL_NAME_TEXT_MAX];

    asked->items = tally_must(calloc(gathering->sums.count + 1, sizeof(*asked->items)));
    for (size_t i = 0; i < gathering->sums.size; i++) {
        const struct tally_count *sum = &gathering->sums.slots[i];
        if (sum->key == UINT64_MAX || sum->value == 0)
            continue;
        const struct tally_word *group = &gathering->groups.items[sum->key >> 32],
                                *name = &gathering->names.items[(uint32_t)sum->key];
        bl_name_text(name->bytes, text);
        asked->items[asked->count++] =
            (struct most_asked_name){.group = tally_must(strdup((const char *)group->bytes)),
                                     .name = tally_must(strdup(text)),
                                     .count = sum->value};
    }
    qsort(asked->items, asked->count, sizeof(*asked->items), by_group);
}

int most_asked_find(const char *state, int64_t since_ms, int64_t until_ms, const char *group,
                    size_t most, void (*warn)(void *user, const char *sentence), void *warn_user,
                    struct most_asked *out_asked, struct bl_error *error)
{
    struct gathering gathering = {.group = group};
    struct most_asked asked = {0};
    int code = asked_read(state, since_ms, until_ms, count_add, &gathering, warn, warn_user, error);

    if (code == 0) {
        sums_take(&gathering, &asked);
        cut(&asked, most);
        asked.days = gathering.days;
        *out_asked = asked;
    }
    tally_words_free(&gathering.groups);
    tally_words_free(&gathering.names);
    tally_free(&gathering.sums);
    return code;
}

void most_asked_fini(struct most_asked *asked)
{
    for (size_t i = 0; i < asked->count; i++) {
        free(asked->items[i].group);
        free(asked->items[i].name);
    }
    free(asked->items);
    *asked = (struct most_asked){0};
}

void most_asked_print(const struct most_asked *asked, FILE *out)
{
    struct table *table = table_create();
    char times[32];

    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Name", TABLE_LEFT);
    table_column(table, "Times", TABLE_RIGHT);
    for (size_t i = 0; i < asked->count; i++) {
        table_cell(table, "%s", asked->items[i].group);
        table_cell(table, "%s", asked->items[i].name);
        table_cell(table, "%s", show_count(asked->items[i].count, times));
    }
    table_print(table, out);
}

json_t *most_asked_json(const struct most_asked *asked)
{
    json_t *array = json_array();

    for (size_t i = 0; i < asked->count; i++)
        json_array_append_new(array, json_pack("{ss,ss,sI}", "group", asked->items[i].group, "name",
                                               asked->items[i].name, "times",
                                               (json_int_t)asked->items[i].count));
    return array;
}
