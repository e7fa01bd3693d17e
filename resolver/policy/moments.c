#include "resolver/policy/moments.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGEST_LEN = 2 * SHA256_DIGEST_LENGTH };

_Static_assert(DIGEST_LEN + 1 == MOMENT_CONFIG_KEY, "a digest is the key of its text");

struct moment_entry {
    uint8_t key[4];
    int64_t time_ms;
    char config[MOMENT_CONFIG_KEY];
    uint64_t generation;
};

static void digest_make(const char *text, size_t len, char out[DIGEST_LEN + 1])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];

    SHA256((const uint8_t *)text, len, hash);
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* A damaged entry is as none. */
static bool entry_take(const MDB_val *key, const MDB_val *value, struct moment_entry *entry)
{
    json_t *moment = json_loadb(value->mv_data, value->mv_size, 0, NULL);
    const char *config = json_string_value(json_object_get(moment, "config"));
    json_int_t generation = json_integer_value(json_object_get(moment, "generation"));
    bool is_one = moment && key->mv_size == sizeof entry->key;

    *entry = (struct moment_entry){
        .time_ms = json_integer_value(json_object_get(moment, "time")),
        .generation = generation > 0 ? (uint64_t)generation : 0,
    };
    if (config && strlen(config) == DIGEST_LEN)
        memcpy(entry->config, config, DIGEST_LEN + 1);
    if (is_one)
        memcpy(entry->key, key->mv_data, sizeof entry->key);
    json_decref(moment);
    return is_one;
}

/* Called with one entry after the other until it is false. */
typedef bool entry_visit(void *user, const struct moment_entry *entry);

static int entries_walk(struct change *change, enum state_table table, MDB_cursor_op step,
                        entry_visit *visit, void *user, struct bl_error *error)
{
    struct moment_entry entry;
    MDB_cursor *cursor;
    MDB_val key, value;
    bool more = true;
    int code = change_cursor(change, table, &cursor, error);

    if (code < 0)
        return code == -ENOENT ? 0 : code;
    while (more && mdb_cursor_get(cursor, &key, &value, step) == 0) {
        if (entry_take(&key, &value, &entry))
            more = visit(user, &entry);
    }
    mdb_cursor_close(cursor);
    return 0;
}

static bool first_visit(void *user, const struct moment_entry *entry)
{
    *(struct moment_entry *)user = *entry;
    return false;
}

static int latest_read(struct change *change, struct moment_entry *out, struct bl_error *error)
{
    *out = (struct moment_entry){.time_ms = 0};
    return entries_walk(change, TABLE_MOMENTS, MDB_PREV, first_visit, out, error);
}

static int entry_write(struct change *change, const struct moment_entry *entry,
                       struct bl_error *error)
{
    uint32_t number = change_number(change, "moment") + 1;
    json_t *moment =
        json_pack("{s:I, s:s, s:I}", "time", (json_int_t)change_now_ms(change), "config",
                  entry->config, "generation", (json_int_t)entry->generation);
    char *text = moment ? json_dumps(moment, JSON_COMPACT) : NULL;
    uint8_t key[4];
    int code;

    json_decref(moment);
    if (!text)
        return bl_error_set(error, -ENOMEM, "no memory to note what is in force");
    put_be32(key, number);
    code = change_put(change, TABLE_MOMENTS, key, sizeof key, text, strlen(text), error);
    free(text);
    return code < 0 ? code : change_number_set(change, "moment", number, error);
}

/* A clock that has stepped back makes what is in force already a moment again: else it would have
 * begun in the future. */
static int entry_note(struct change *change, const struct moment_entry *latest,
                      const struct moment_entry *now, struct bl_error *error)
{
    if (strcmp(latest->config, now->config) == 0 && latest->generation == now->generation &&
        latest->time_ms <= change_now_ms(change))
        return 0;
    return entry_write(change, now, error);
}

/* The oldest moment, and whether a later one has its configuration, too. */
struct oldest {
    struct moment_entry entry;
    bool is_there, is_named_again;
};

static bool oldest_visit(void *user, const struct moment_entry *entry)
{
    struct oldest *oldest = user;

    if (oldest->is_there)
        oldest->is_named_again = strcmp(oldest->entry.config, entry->config) == 0;
    else
        oldest->entry = *entry;
    oldest->is_there = true;
    return !oldest->is_named_again;
}

/* Lets the oldest go until what is left has room; the one in force is the last that is left. */
static int room_make(struct change *change, const char *in_force, uint32_t size,
                     struct bl_error *error)
{
    int code = 0;

    while (code == 0 && size > MOMENTS_CONFIGS_MOST) {
        struct oldest oldest = {.is_there = false};
        const char *config = oldest.entry.config;
        MDB_val text;
        code = entries_walk(change, TABLE_MOMENTS, MDB_NEXT, oldest_visit, &oldest, error);
        if (code < 0 || !oldest.is_there ||
            (!oldest.is_named_again && strcmp(config, in_force) == 0))
            break;
        code =
            change_delete(change, TABLE_MOMENTS, oldest.entry.key, sizeof oldest.entry.key, error);
        if (code < 0 || oldest.is_named_again ||
            change_get(change, TABLE_CONFIGS, config, strlen(config), &text) < 0)
            continue;
        size -= text.mv_size < size ? (uint32_t)text.mv_size : size;
        code = change_delete(change, TABLE_CONFIGS, config, strlen(config), error);
    }
    return code < 0 ? code : change_number_set(change, "configs", size, error);
}

/* The text, unless it is there already, and room for it. */
static int text_keep(struct change *change, const char *digest, const char *text, size_t len,
                     struct bl_error *error)
{
    uint32_t size = change_number(change, "configs");
    MDB_val there;
    int code;

    if (change_get(change, TABLE_CONFIGS, digest, DIGEST_LEN, &there) == 0 &&
        there.mv_size == len && memcmp(there.mv_data, text, len) == 0)
        return 0;
    code = change_put(change, TABLE_CONFIGS, digest, DIGEST_LEN, text, len, error);
    return code < 0 ? code : room_make(change, digest, size + (uint32_t)len, error);
}

static int config_text(const struct config *config, char **out_text, size_t *out_len)
{
    FILE *out = open_memstream(out_text, out_len);
    int code = out ? config_print(config, out) : -ENOMEM;

    return out && fclose(out) != 0 ? -ENOMEM : code;
}

int moments_note_config(struct change *change, const struct config *config, struct bl_error *error)
{
    struct moment_entry latest, now;
    char *text = NULL;
    size_t len = 0;
    int code = latest_read(change, &latest, error);

    if (code < 0)
        return code;
    code = config_text(config, &text, &len);
    if (code < 0)
        bl_error_set(error, code, "no memory to note the configuration");
    now = latest;
    if (code == 0) {
        digest_make(text, len, now.config);
        code = entry_note(change, &latest, &now, error);
    }
    if (code == 0)
        code = text_keep(change, now.config, text, len, error);
    free(text);
    return code;
}

int moments_note_lists(struct change *change, uint64_t generation, struct bl_error *error)
{
    struct moment_entry latest, now;
    int code = latest_read(change, &latest, error);

    if (code < 0)
        return code;
    now = latest;
    now.generation = generation;
    return entry_note(change, &latest, &now, error);
}

bool moments_have_lists(struct change *change, uint64_t generation)
{
    struct moment_entry latest;

    return latest_read(change, &latest, NULL) == 0 && latest.generation == generation;
}

struct finding {
    int64_t at_ms;
    struct moment_found found;
};

static bool moment_visit(void *user, const struct moment_entry *entry)
{
    struct finding *finding = user;

    if (entry->time_ms < finding->found.since_ms)
        finding->found.since_ms = entry->time_ms;
    if (entry->time_ms > finding->at_ms)
        return true;
    memcpy(finding->found.config, entry->config, sizeof entry->config);
    finding->found.generation = entry->generation;
    return false;
}

static bool version_visit(void *user, const struct moment_entry *version)
{
    struct finding *finding = user;

    if (version->time_ms > finding->at_ms)
        return true;
    finding->found.version = get_be32(version->key);
    return false;
}

int moments_find(struct change *change, int64_t at_ms, struct moment_found *out_found,
                 struct bl_error *error)
{
    struct finding finding = {.at_ms = at_ms, .found = {.since_ms = INT64_MAX}};
    int code = entries_walk(change, TABLE_MOMENTS, MDB_PREV, moment_visit, &finding, error);

    if (code == 0) /* these have "time", too */
        code = entries_walk(change, TABLE_VERSIONS, MDB_PREV, version_visit, &finding, error);
    if (code == 0)
        *out_found = finding.found;
    return code;
}

int moments_config_read(struct change *change, const char *key, char **out_text, size_t *out_len,
                        struct bl_error *error)
{
    char digest[DIGEST_LEN + 1], *text;
    MDB_val kept;

    if (change_get(change, TABLE_CONFIGS, key, strlen(key), &kept) < 0)
        return bl_error_set(error, -ENOENT, "the configuration of that time is missing on record");
    digest_make(kept.mv_data, kept.mv_size, digest);
    if (strcmp(digest, key) != 0)
        return bl_error_set(error, -EBADMSG, "the configuration of that time is damaged on record");
    text = malloc(kept.mv_size + 1);
    if (!text)
        return bl_error_set(error, -ENOMEM, "no memory for the configuration of that time");
    memcpy(text, kept.mv_data, kept.mv_size);
    text[kept.mv_size] = '\0';
    *out_text = text;
    *out_len = kept.mv_size;
    return 0;
}
