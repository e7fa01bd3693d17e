#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "resolver/config/read.h"

/* How a value of a row is written. */
static void form_print(const struct key *key, FILE *out)
{
    static const char *const FORMS[] = {
        [KEY_BOOL] = "true or false",
        [KEY_COUNT] = "a whole number",
        [KEY_WORKERS] = "a whole number, or auto",
        [KEY_SIZE] = "a size such as 64MiB",
        [KEY_SECONDS] = "a time such as 10s, 5m, 2h or 7d",
        [KEY_MILLISECONDS] = "a time such as 800ms or 2s",
        [KEY_TEXT] = "text",
        [KEY_PATH] = "a path",
        [KEY_LOCATION] = "a path or an address",
        [KEY_CATEGORY] = "a category",
        [KEY_GROUP] = "a group",
        [KEY_PERIOD] = "a period",
        [KEY_NAME] = "a name",
        [KEY_ADDRESS] = "an address",
        [KEY_PREFIX] = "a subnet",
        [KEY_MAC] = "a MAC address",
        [KEY_DATES] = "a date, or first..last",
        [KEY_TIMES] = "HH:MM-HH:MM",
        [KEY_DAYS] = "a list of days",
        [KEY_ANSWER] = "nxdomain, null, nodata, refused or a list of addresses",
        [KEY_TARGETS] = "a list of categories, service:NAME and names",
        [KEY_OBJECT] = "keys",
        [KEY_ITEMS] = "a list",
    };

    if (key->type == KEY_WORD) {
        for (size_t i = 0; key->words[i]; i++)
            fprintf(out, "%s%s", i == 0 ? "" : key->words[i + 1] ? ", " : " or ", key->words[i]);
    } else if (key->type == KEY_LIST) {
        fprintf(out, "a list: %s each", FORMS[key->element]);
    } else if (key->type == KEY_MAP) {
        fprintf(out, "by the name of each %s", key->noun);
    } else {
        fputs(FORMS[key->type], out);
    }
    if (key->type == KEY_COUNT || key->type == KEY_WORKERS)
        fprintf(out, ", %lld to %lld", (long long)key->least, (long long)key->most);
}

static void keys_print(const struct key *keys, const char *path, FILE *out)
{
    for (; keys->name; keys++) {
        char own[200], below[216];
        snprintf(own, sizeof own, "%s%s%s", path, *path && *keys->name ? "." : "", keys->name);
        snprintf(below, sizeof below, "%s%s", own, keys->type == KEY_MAP ? ".NAME" : "");
        if (*keys->name || keys->type != KEY_ITEMS) {
            fprintf(out, "- `%s`: %s", own, keys->meaning);
            fputs(" (", out);
            form_print(keys, out);
            if (keys->fallback)
                fprintf(out, "; default %s", keys->fallback);
            fputs(keys->required && !keys->or_else ? "; needed)\n" : ")\n", out);
        }
        if (keys->children)
            keys_print(keys->children, below, out);
    }
}

int config_keys_print(FILE *out)
{
    keys_print(config_root.children, "", out);
    return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}
