#include "blocklists/catalogue.h"

#include <stdio.h>
#include <string.h>

/* Made by CMake from catalogue/ (see CMakeLists.txt). */
extern const char catalogue_ut1_text[];

/* The next column of a line, up to a tab or the line's end; empty when there are no more. */
static const char *column_next(const char **at, size_t *out_len)
{
    const char *from = *at;
    size_t len = strcspn(from, "\t\n");

    *at = from + len + (from[len] == '\t');
    *out_len = len;
    return from;
}

bool catalogue_ut1(const char *name, char out_category[CATALOGUE_NAME_MAX],
                   enum bl_action *out_action)
{
    const char *at = catalogue_ut1_text;

    while (*at) {
        size_t folder_len, category_len, action_len;
        const char *folder = column_next(&at, &folder_len);
        const char *category = column_next(&at, &category_len);
        const char *action = column_next(&at, &action_len);

        at += strcspn(at, "\n");
        at += *at == '\n';
        if (*folder == '#' || folder_len != strlen(name) || memcmp(folder, name, folder_len) != 0)
            continue;
        snprintf(out_category, CATALOGUE_NAME_MAX, "%.*s", (int)category_len, category);
        *out_action = action_len == 5 && memcmp(action, "allow", 5) == 0 ? BL_ALLOW : BL_BLOCK;
        return true;
    }
    return false;
}
