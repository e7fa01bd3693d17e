#include "resolver/denials/days.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/guard.h"
#include "resolver/denials/segments.h"

static void days_warn(const struct denials_filter *filter, const char *sentence)
{
    if (filter->warn != NULL)
        filter->warn(filter->warn_user, sentence);
}

static int list_add(struct segment_list *list, int64_t wall_ms)
{
    struct day day;

    day_of(wall_ms, &day);
    for (size_t i = list->count; i > 0; i--)
        if (strcmp(list->days[i - 1].text, day.text) == 0)
            return 0;
    struct day *more = realloc(list->days, (list->count + 1) * sizeof(*more));
    if (more == NULL)
        return -ENOMEM;
    list->days = more;
    size_t at = list->count++;
    for (; at > 0 && strcmp(list->days[at - 1].text, day.text) > 0; at--)
        list->days[at] = list->days[at - 1];
    list->days[at] = day;
    return 0;
}

/* Days that only the journals know so far. */
static int list_add_pending(struct segment_list *list, const struct denials_filter *filter,
                            const struct pending *pending)
{
    int64_t known_ms = INT64_MIN;
    int code = 0;

    for (size_t i = 0; i < pending->item_count && code == 0; i++) {
        int64_t wall_ms = pending->items[i].item.denial.wall_ms;
        if (wall_ms < filter->since_ms || wall_ms >= filter->until_ms ||
            wall_ms / 900000 == known_ms)
            continue;
        known_ms = wall_ms / 900000; /* a quarter of an hour lies within one day */
        code = list_add(list, wall_ms);
    }
    for (size_t i = 0; i < pending->count_count && code == 0; i++)
        if (pending->counts[i].last_ms >= filter->since_ms &&
            pending->counts[i].last_ms < filter->until_ms)
            code = list_add(list, pending->counts[i].last_ms);
    return code;
}

struct day_run {
    struct days_now now;
    int (*each)(void *user, const struct days_now *now);
    void *user;
    int result;
};

static void day_run(void *user)
{
    struct day_run *run = user;

    run->result = run->each(run->user, &run->now);
}

static int day_read(const char *state, const struct day *day, struct day_run *run)
{
    const struct denials_filter *filter = run->now.filter;
    struct segment_reader *reader = NULL;
    struct bl_error why = {""};
    int code = segment_reader_open(state, day, filter->copy, &reader, &why);

    if (code < 0 && code != -ENOENT)
        days_warn(filter, why.text);
    run->now.reader = reader;
    run->now.day = reader != NULL ? &reader->day : day;
    if (!guard_run(day_run, run)) {
        bl_error_set(&why, -EBADMSG, "the denials of %s are damaged; what could be read was",
                     day->text);
        days_warn(filter, why.text);
        if (reader != NULL)
            segment_reader_abandon(reader);
        return 0;
    }
    segment_reader_close(reader);
    if (run->result == -EBADMSG) {
        bl_error_set(&why, -EBADMSG, "the denials of %s are damaged; what could be read was",
                     day->text);
        days_warn(filter, why.text);
        return 0;
    }
    return run->result;
}

int days_read(const char *state, const struct denials_filter *filter,
              int (*each)(void *user, const struct days_now *now), void *user,
              struct bl_error *error)
{
    struct pending pending = {.warn = filter->warn, .warn_user = filter->warn_user};
    struct segment_list list = {0};
    struct bl_error why = {""};
    int code = pending_open(state, &pending, &why);

    if (code == -EACCES) {
        days_warn(filter, why.text);
        code = 0;
    } else if (code < 0) {
        bl_error_set(error, code, "%s", why.text);
    }
    if (code == 0)
        code = segments_list(state, &filter->since_ms, &filter->until_ms, &list, error);
    if (code == 0 && list_add_pending(&list, filter, &pending) < 0)
        code = bl_error_set(error, -ENOMEM, "out of memory while reading denials");
    for (size_t i = 0; i < list.count && code == 0; i++) {
        struct day_run run = {
            .now = {.filter = filter, .pending = &pending}, .each = each, .user = user};
        code = day_read(state, &list.days[i], &run);
    }
    segments_list_free(&list);
    pending_close(&pending);
    return code;
}

bool days_is_waiting(const struct days_now *now, const struct pending_item *item)
{
    int64_t wall_ms = item->item.denial.wall_ms;
    struct day day;

    if (wall_ms < now->day->start_ms || wall_ms >= now->day->end_ms) {
        /* Moments outside any day of the calendar count as its first or last. */
        day_of(wall_ms, &day);
        if (strcmp(day.text, now->day->text) != 0)
            return false;
    }
    return now->reader == NULL ||
           item->item.offset >= segment_reader_drained(now->reader, item->sequence);
}

const char *days_group(const struct legend_names *legend, uint16_t group)
{
    return legend != NULL && group < legend->group_count ? legend->groups[group] : "";
}

const char *days_category(const struct legend_names *legend, uint16_t category,
                          const char **out_title, uint8_t *out_severity)
{
    bool known = legend != NULL && category < legend->category_count;

    *out_title = known ? legend->titles[category] : "";
    *out_severity = known ? legend->severities[category] : 0;
    return known ? legend->categories[category] : "";
}
