/* Which format a list is in, by what its first lines show. */
#include "blocklists/reader.h"

#include <string.h>

static const struct format *const formats[] = {&format_domains, &format_hosts};
enum { FORMAT_COUNT = sizeof formats / sizeof formats[0] };

const char *const *bl_format_names(void)
{
    static const char *const names[] = {"domains", "hosts", NULL};

    return names;
}

const struct format *format_find(const char *name)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

static const struct format *line_format(struct slice line)
{
    struct slice rest = line;
    struct bl_prefix address;

    if (slice_address(slice_word(&rest), &address) && slice_trim(rest).len > 0)
        return &format_hosts;
    return &format_domains;
}

const struct format *format_recognise(const char *head, size_t len)
{
    struct slice rest = {head, len};
    unsigned votes[FORMAT_COUNT] = {0};
    size_t best = 0;

    while (rest.len > 0) {
        struct slice line = slice_trim(slice_until(&rest, '\n'));
        const struct format *format;

        if (line.len == 0 || line.at[0] == '#')
            continue;
        format = line_format(line);
        for (size_t i = 0; i < FORMAT_COUNT; i++)
            votes[i] += formats[i] == format;
    }
    for (size_t i = 1; i < FORMAT_COUNT; i++)
        if (votes[i] > votes[best])
            best = i;
    return formats[best];
}
