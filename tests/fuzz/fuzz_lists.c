/* A list of any bytes, in any format: the first octet chooses one, or that it is to be recognised.
 */
#include <string.h>

#include "blocklists/read.h"

struct text {
    const uint8_t *at;
    size_t left;
};

static ssize_t text_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    struct text *text = user;

    (void)error;
    if (len > text->left)
        len = text->left;
    memcpy(buffer, text->at, len);
    text->at += len;
    text->left -= len;
    return (ssize_t)len;
}

static int check(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    (void)user;
    (void)error;
    if (!entry->is_address && bl_name_length(entry->name.wire) != entry->name.len)
        __builtin_trap();
    for (unsigned i = 0; i < entry->types.count; i++)
        if (i >= BL_TYPES_MAX || entry->types.types[i] <= (i ? entry->types.types[i - 1] : 0))
            __builtin_trap();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = {data + 1, size - 1};
    struct bl_input input = {.read = text_read, .user = &text};
    struct bl_sink sink = {.take = check};
    struct bl_read_options options = {0};
    struct bl_read_report report;
    const char *const *names = bl_format_names();
    unsigned count = 0, choice = size > 0 ? (unsigned char)(data[0] - 'a') : 0;

    if (size == 0)
        return 0;
    while (names[count])
        count++;
    if (choice < count)
        options.format = names[choice];
    bl_read(&input, &options, &sink, &report, NULL);
    if (report.malformed + report.unused > 2 * report.read)
        __builtin_trap();
    return 0;
}
