/* Seals are for good: which categories were ever sealed is on record, and no configuration that
 * says otherwise comes into force. */
#include "resolver/policy/seals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 511 }; /* of LMDB */
static const char prefix[] = "sealed:";

static int seal_check(const struct config *config, const char *name, size_t len,
                      struct bl_error *error)
{
    for (size_t i = 0; i < config->category_count; i++)
        if (strlen(config->categories[i].name) == len &&
            memcmp(config->categories[i].name, name, len) == 0)
            return config->categories[i].sealed
                       ? 0
                       : bl_error_set(
                             error, -EPERM,
                             "%s: category \"%.*s\" was sealed, and a seal cannot be taken "
                             "off: please put `sealed: true` back",
                             config->path, (int)len, name);
    return bl_error_set(error, -EPERM,
                        "%s: category \"%.*s\" was sealed and is not there any more: please put it "
                        "back, with `sealed: true`",
                        config->path, (int)len, name);
}

static int seals_check(struct change *change, const struct config *config, struct bl_error *error)
{
    MDB_val key = {sizeof prefix - 1, (void *)(uintptr_t)prefix}, value;
    MDB_cursor *cursor;
    int code = change_cursor(change, TABLE_META, &cursor, error), found;

    if (code < 0)
        return code;
    found = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == 0 && found == 0 && key.mv_size >= sizeof prefix - 1 &&
           memcmp(key.mv_data, prefix, sizeof prefix - 1) == 0) {
        code = seal_check(config, (const char *)key.mv_data + sizeof prefix - 1,
                          key.mv_size - (sizeof prefix - 1), error);
        found = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code;
}

int seals_keep(struct change *change, const struct config *config, struct bl_error *error)
{
    int code = seals_check(change, config, error);

    for (size_t i = 0; code == 0 && i < config->category_count; i++) {
        char key[KEY_MAX + 1];

        if (!config->categories[i].sealed)
            continue;
        snprintf(key, sizeof key, "%s%s", prefix, config->categories[i].name);
        if (change_number(change, key) == 0)
            code = change_number_set(change, key, 1, error);
    }
    return code;
}
