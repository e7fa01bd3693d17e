#include "blocklists/catalogue.h"

#include <stdio.h>
#include <string.h>

/* Made by CMake from catalogue/ (see CMakeLists.txt). */
extern const char catalogue_ut1_text[], catalogue_sources_text[];

struct column {
    const char *at;
    size_t len;
};

/* Takes a line of tab-separated columns apart; missing ones are empty. False at the end of the
 * text. */
static bool line_next(const char **at, struct column *columns, size_t count)
{
    const char *line;

    do {
        line = *at;
        if (*line == '\0')
            return false;
        *at = line + strcspn(line, "\n");
        *at += **at == '\n';
    } while (*line == '#' || *line == '\n');
    for (size_t i = 0; i < count; i++) {
        columns[i] = (struct column){line, strcspn(line, "\t\n")};
        line += columns[i].len;
        line += *line == '\t';
    }
    return true;
}

static bool column_is(struct column column, const char *text)
{
    return column.len == strlen(text) && memcmp(column.at, text, column.len) == 0;
}

static void column_copy(struct column column, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)column.len, column.at);
}

bool catalogue_ut1(const char *name, char out_category[CATALOGUE_NAME_MAX],
                   enum bl_action *out_action)
{
    const char *at = catalogue_ut1_text;
    struct column columns[3]; /* folder, category, "allow" */

    while (line_next(&at, columns, 3))
        if (column_is(columns[0], name)) {
            column_copy(columns[1], out_category, CATALOGUE_NAME_MAX);
            *out_action = column_is(columns[2], "allow") ? BL_ALLOW : BL_BLOCK;
            return true;
        }
    return false;
}

bool catalogue_next(const char **at, struct catalogue_source *out_source)
{
    struct column columns[6];

    if (!*at)
        *at = catalogue_sources_text;
    if (!line_next(at, columns, 6))
        return false;
    column_copy(columns[0], out_source->name, sizeof out_source->name);
    column_copy(columns[1], out_source->category, sizeof out_source->category);
    column_copy(columns[2], out_source->format, sizeof out_source->format);
    column_copy(columns[3], out_source->licence, sizeof out_source->licence);
    column_copy(columns[4], out_source->url, sizeof out_source->url);
    column_copy(columns[5], out_source->title, sizeof out_source->title);
    if (column_is(columns[1], "-"))
        out_source->category[0] = '\0';
    return true;
}

const char *catalogue_licence(const char *url)
{
    static _Thread_local struct catalogue_source source;
    const char *at = NULL;

    while (catalogue_next(&at, &source))
        if (strcmp(source.url, url) == 0)
            return source.licence;
    return "";
}
