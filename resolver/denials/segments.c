#include "resolver/denials/segments.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int day_compare(const void *a, const void *b)
{
    return strcmp(((const struct day *)a)->text, ((const struct day *)b)->text);
}

/* "2026-11-23.mdb" and nothing else: no lock files, no half-made copies. */
static int day_of_file(const char *name, struct day *out_day)
{
    char text[DAY_TEXT_MAX];

    if (strlen(name) != 14 || strcmp(name + 10, ".mdb") != 0)
        return -EINVAL;
    memcpy(text, name, 10);
    text[10] = '\0';
    return day_parse(text, out_day);
}

int segments_list(const char *state, const int64_t *since_ms, const int64_t *until_ms,
                  struct segment_list *out_list, struct bl_error *error)
{
    char folder[PATH_MAX];

    snprintf(folder, sizeof(folder), "%s/denials", state);
    return segments_list_in(folder, since_ms, until_ms, out_list, error);
}

int segments_list_in(const char *folder, const int64_t *since_ms, const int64_t *until_ms,
                     struct segment_list *out_list, struct bl_error *error)
{
    struct segment_list list = {0};
    struct dirent *entry;
    struct day day;
    size_t room = 0;

    DIR *dir = opendir(folder);
    if (dir == NULL && errno != ENOENT)
        return bl_error_set(error, -errno, "%s: %s", folder, strerror(errno));
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (day_of_file(entry->d_name, &day) < 0)
            continue;
        if ((since_ms != NULL && day.end_ms <= *since_ms) ||
            (until_ms != NULL && day.start_ms >= *until_ms))
            continue;
        if (list.count == room) {
            room = room * 2 + 32;
            struct day *more = realloc(list.days, room * sizeof(*more));
            if (more == NULL) {
                segments_list_free(&list);
                closedir(dir);
                return bl_error_set(error, -ENOMEM, "out of memory while reading %s", folder);
            }
            list.days = more;
        }
        list.days[list.count++] = day;
    }
    if (dir != NULL)
        closedir(dir);
    if (list.count > 0)
        qsort(list.days, list.count, sizeof(*list.days), day_compare);
    *out_list = list;
    return 0;
}

void segments_list_free(struct segment_list *list)
{
    free(list->days);
    *list = (struct segment_list){0};
}
