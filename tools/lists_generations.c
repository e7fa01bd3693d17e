/* Which generations there are, for the verbs that take the number of one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "blocklists/lists.h"
#include "tools/lists.h"

enum { KEPT_TOLD = 8 }; /* of more than that, only how many */

uint64_t generation_parse(const char *text, struct argp_state *state)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno || end == text || *end || number == 0 || *text == '-')
        argp_error(state, "\"%s\" is not the number of a generation; `lists show` has them", text);
    return number;
}

/* "5 is in force, and 2, 3 and 4 are kept besides" */
static void kept_describe(uint64_t current, const uint64_t *kept, int count, char *text,
                          size_t size)
{
    int others = 0, told = 0;
    size_t len = (size_t)snprintf(text, size, "%" PRIu64 " is in force, and ", current);

    for (int i = 0; i < count; i++)
        others += kept[i] != current;
    if (others == 0 || others > KEPT_TOLD) {
        snprintf(text + len, size - len,
                 others ? "%d others are kept: `chalkgate lists show` names them"
                        : "no other one is kept",
                 others);
        return;
    }
    for (int i = 0; i < count && len < size; i++)
        if (kept[i] != current)
            len += (size_t)snprintf(text + len, size - len, "%s%" PRIu64,
                                    told++ == 0      ? ""
                                    : told == others ? " and "
                                                     : ", ",
                                    kept[i]);
    if (len < size)
        snprintf(text + len, size - len, " %s kept besides", others == 1 ? "is" : "are");
}

enum exit_code generation_missing(struct command *command, uint64_t generation)
{
    uint64_t kept[LISTS_KEPT_MAX], current = 0;
    char path[BL_PATH_MAX], others[400] = "";
    const char *state = command_state(command);
    int count = bl_lists_kept(state, kept, LISTS_KEPT_MAX, NULL);

    if (bl_lists_current(state, &current, path, NULL) == 0)
        kept_describe(current, kept, count, others, sizeof others);
    if (count > 0 && generation < kept[0])
        return command_fail(EXIT_NOTHING,
                            "generation %" PRIu64 " is not kept any more (`lists: keep` says how "
                            "many are)%s%s",
                            generation, others[0] ? ": " : "", others);
    if (count > 0 && generation > kept[count - 1])
        return command_fail(EXIT_NOTHING, "there is no generation %" PRIu64 " yet%s%s", generation,
                            others[0] ? ": " : "", others);
    return command_fail(EXIT_NOTHING, "generation %" PRIu64 " is not kept%s%s", generation,
                        others[0] ? ": " : "", others);
}

enum exit_code generation_before(struct command *command, const char *what_for,
                                 uint64_t *out_generation)
{
    const char *state = command_state(command);
    struct bl_error error = {""};
    char path[BL_PATH_MAX];
    uint64_t current;
    int rc;

    if (!state)
        return EXIT_USAGE;
    if (bl_lists_before(state, out_generation, NULL) == 0)
        return EXIT_DONE;
    rc = bl_lists_current(state, &current, path, &error);
    if (rc == 0)
        return command_fail(EXIT_NOTHING,
                            "generation %" PRIu64 " is in force, and none before it is kept: there "
                            "is nothing to %s",
                            current, what_for);
    return command_fail(rc == -ENOENT ? EXIT_NOTHING : EXIT_FAILED, "%s", error.text);
}

bool generation_is_kept(struct command *command, uint64_t generation)
{
    uint64_t kept[LISTS_KEPT_MAX];
    int count = bl_lists_kept(command_state(command), kept, LISTS_KEPT_MAX, NULL);

    for (int i = 0; i < count; i++)
        if (kept[i] == generation)
            return true;
    return count < 0; /* the folder is not ours to read: who answers for it will know */
}

enum exit_code lists_open(struct command *command, uint64_t generation, struct bl_store **out_store)
{
    const char *state = command_state(command);
    struct bl_error error = {""};
    char path[BL_PATH_MAX];
    uint64_t current;
    int rc;

    if (!state)
        return EXIT_USAGE;
    rc = bl_lists_current(state, &current, path, &error);
    if (generation != 0 && (rc == 0 || rc == -EBADMSG)) {
        rc = 0;
        if ((size_t)snprintf(path, sizeof path, "%s/lists/%08" PRIu64 ".mdb", state, generation) >=
            sizeof path)
            rc = bl_error_set(&error, -ENAMETOOLONG, "the path of the state folder is too long");
    }
    if (rc == 0) {
        rc = bl_store_open(path, out_store, &error);
        if (rc == -ENOENT && generation != 0)
            return generation_missing(command, generation);
    }
    return rc == 0 ? EXIT_DONE
                   : command_fail(rc == -ENOENT ? EXIT_NOTHING : EXIT_FAILED, "%s", error.text);
}
