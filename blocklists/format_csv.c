/* Tables with a column of names: comma, semicolon or tab between fields, quoted as in RFC 4180.
 *
 * The column is the one asked for, or the first with a heading that says "names", or the first
 * whose field on the first line of data is a name. A quoted field that goes on over a line's end is
 * not understood.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "blocklists/reader.h"

enum { FIELDS_MAX = 256 };

struct csv_state {
    char separator;  /* 0 until the first line */
    unsigned column; /* from 1; 0 until it is known */
};

static char separator_of(struct slice line)
{
    static const char candidates[] = {',', ';', '\t'};
    size_t best_count = 0;
    char best = ',';

    for (size_t i = 0; i < sizeof candidates; i++) {
        struct slice rest = line;
        size_t count = 0;

        while (rest.len > 0) {
            slice_until(&rest, candidates[i]);
            count++;
        }
        if (count > best_count) {
            best_count = count;
            best = candidates[i];
        }
    }
    return best;
}

/* The next field, unquoted as far as names need it: a doubled quote inside stays doubled. */
static struct slice field_next(struct slice *rest, char separator)
{
    struct slice field;
    const char *at;

    *rest = slice_trim(*rest);
    if (rest->len == 0 || rest->at[0] != '"')
        return slice_trim(slice_until(rest, separator));
    field = (struct slice){rest->at + 1, rest->len - 1};
    for (at = field.at; at < field.at + field.len; at++) {
        if (*at != '"')
            continue;
        if (at + 1 == field.at + field.len || at[1] != '"')
            break;
        at++;
    }
    field.len = (size_t)(at - field.at);
    rest->len -= field.len + 1;
    rest->at += field.len + 1;
    slice_until(rest, separator);
    return slice_trim(field);
}

static bool heading_says_names(struct slice heading)
{
    static const char *const words[] = {"domain", "domains",  "domain_name", "domain name",
                                        "host",   "hostname", "fqdn",        "name",
                                        "names",  "site",     "website"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_is(heading, words[i]))
            return true;
    return false;
}

static bool field_is_name(struct slice field)
{
    struct bl_name name;

    return memchr(field.at, '.', field.len) &&
           bl_name_parse(field.at, field.len, &name) == BL_NAME_FINE;
}

/* The first column for which `fits` holds, or from 1, or the one with the heading asked for; 0 for
 * none. */
static unsigned column_find(struct slice line, char separator, const char *heading,
                            bool (*fits)(struct slice))
{
    for (unsigned column = 1; line.len > 0 && column <= FIELDS_MAX; column++) {
        struct slice field = field_next(&line, separator);

        if (heading ? slice_is(field, heading) : fits(field))
            return column;
    }
    return 0;
}

/* Takes a heading for what it says. True when the line is no data. */
static bool heading_read(struct reader *reader, struct csv_state *state, struct slice line)
{
    const char *wanted = reader->options->csv_column;

    state->separator = separator_of(line);
    state->column = column_find(line, state->separator, wanted, heading_says_names);
    if (state->column > 0)
        return true;
    return !wanted && column_find(line, state->separator, NULL, field_is_name) == 0;
}

/* A web address counts as its host only when it names nothing below it. */
static int field_take(struct reader *reader, struct slice field)
{
    const struct rule rule = {.scope = BL_SUBTREE, .action = reader->options->action};
    const char *scheme = memmem(field.at, field.len, "://", 3);
    struct slice rest = field;

    if (field.len == 0)
        return reader_reject(reader, "the column is empty here");
    if (scheme) {
        rest.at = scheme + 3;
        rest.len = field.len - (size_t)(rest.at - field.at);
        field = slice_until(&rest, '/');
    }
    if (scheme ? rest.len > 0 : memchr(field.at, '/', field.len) != NULL)
        return reader_unused(reader, "a web address: DNS sees only the name in it");
    if (slice_starts(field, "*."))
        field = (struct slice){field.at + 2, field.len - 2};
    return reader_name(reader, field, &rule);
}

/* With what there is instead: a heading is easily mistyped, and a file may have none. */
static int column_missing(struct reader *reader, struct slice line, char separator)
{
    char columns[400] = "";
    size_t len = 0;

    while (line.len > 0 && len < sizeof columns) {
        struct slice field = field_next(&line, separator);

        len += (size_t)snprintf(columns + len, sizeof columns - len, "%s\"%.*s\"", len ? ", " : "",
                                (int)(field.len < 60 ? field.len : 60), field.at);
    }
    return bl_error_set(reader->error, -EINVAL,
                        "the table has no column \"%s\"; its first line has %s",
                        reader->options->csv_column, columns);
}

static int csv_line(struct reader *reader, struct slice line)
{
    struct csv_state *state = reader->state;
    const char *wanted = reader->options->csv_column;
    struct slice field = {line.at, 0};

    if (line.at[0] == '#') {
        /* abuse.ch puts its headings into a comment. */
        struct slice heading = slice_trim((struct slice){line.at + 1, line.len - 1});

        if (!state->separator && wanted && !heading_read(reader, state, heading))
            state->separator = '\0';
        return 0;
    }
    if (!state->separator && heading_read(reader, state, line))
        return 0;
    if (state->column == 0 && wanted)
        return column_missing(reader, line, state->separator);
    if (state->column == 0)
        state->column = column_find(line, state->separator, NULL, field_is_name);
    if (state->column == 0)
        return reader_reject(reader, "no column with a name");
    for (unsigned column = 1; column <= state->column; column++) {
        if (line.len == 0)
            return reader_reject(reader, "fewer columns than the heading");
        field = field_next(&line, state->separator);
    }
    return field_take(reader, field);
}

const struct format format_csv = {
    .name = "csv", .state_size = sizeof(struct csv_state), .line = csv_line};
