/* `why` run against a state folder of the test's own: its configuration, its lists, what it says.
 */
#ifndef TESTS_UNIT_TOOLS_WHY_H
#define TESTS_UNIT_TOOLS_WHY_H

#include "blocklists/lists.h"
#include "tests/support/says.h"
#include "tests/support/store_fixture.h"
#include "tests/support/verb_run.h"

enum { OUT_ROOM = 16384, PATH_ROOM = FOLDER_ROOM + 32 };

static char folder[FOLDER_ROOM], config_path[PATH_ROOM];

static inline void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The next generation, on top of what is in force. */
static inline void lists_adopt(const struct fixture_list *lists, size_t count)
{
    char path[BL_PATH_MAX];
    struct bl_store *base = NULL;
    struct bl_error error = {0};
    uint64_t generation;
    int fd;

    if (bl_lists_current(folder, &generation, path, &error) == 0)
        assert_int_equal(bl_store_open(path, &base, &error), 0);
    fd = fixture_compile(lists, count, base);
    bl_store_close(base);
    if (bl_lists_adopt(folder, fd, 5, &generation, &error) < 0)
        fail_msg("%s", error.text);
    close(fd);
}

/* A folder for `config_path` and the state; what is in them is the test's to make. */
static inline void school_make(void)
{
    folder_make(folder);
    snprintf(config_path, sizeof config_path, "%s/config.yaml", folder);
}

static inline int school_close(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

/* Runs the verb with what it prints, and its complaints, in `out`; gives the exit code. */
static inline enum exit_code run(bool json, char out[OUT_ROOM], const char *first, ...)
{
    const struct verb_run why = {.verb = &verb_why,
                                 .config = config_path,
                                 .folder = folder,
                                 .json = json,
                                 .complaints = true};
    enum exit_code code;
    va_list arguments;

    va_start(arguments, first);
    code = verb_run(&why, out, OUT_ROOM, first, arguments);
    va_end(arguments);
    return code;
}

#endif
