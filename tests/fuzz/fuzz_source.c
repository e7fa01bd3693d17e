/* A source of any bytes: an archive, compressed data or a list; every part of it read as a list. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blocklists/read.h"

static int take(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    (void)user;
    (void)entry;
    (void)error;
    return 0;
}

static int read_part(void *user, const struct bl_part *part, const struct bl_input *input,
                     struct bl_error *error)
{
    struct bl_read_options options = {.action = part->action};
    struct bl_sink sink = {.take = take};
    struct bl_read_report report;

    (void)user;
    bl_read(input, &options, &sink, &report, error);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bl_source_options options = {.category = size % 2 ? "mine" : NULL};
    struct bl_source_visitor visitor = {.part = read_part};
    struct bl_error error;
    char path[64];
    int fd = memfd_create("source", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        __builtin_trap();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bl_source_walk(path, &options, &visitor, &error);
    close(fd);
    return 0;
}
