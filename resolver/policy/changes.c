/* The change log: a chain in which each entry's hash covers the one before, so that nothing can be
 * altered, taken out or put in without its end showing it. */
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/policy/state.h"

enum { HASH_LEN = SHA256_DIGEST_LENGTH, HEAD_LEN = 8 + HASH_LEN };

struct head {
    uint64_t number;
    uint8_t hash[HASH_LEN];
};

static void put_be64(uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get_be64(const uint8_t *at)
{
    return (uint64_t)get_be32(at) << 32 | get_be32(at + 4);
}

static struct head head_read(struct change *change)
{
    struct head head = {0};
    MDB_val value;

    if (change_get(change, TABLE_META, "head", 4, &value) == 0 && value.mv_size == HEAD_LEN) {
        const uint8_t *octets = value.mv_data;
        head.number = get_be64(octets);
        memcpy(head.hash, octets + 8, HASH_LEN);
    }
    return head;
}

static int head_write(struct change *change, const struct head *head, struct bl_error *error)
{
    uint8_t octets[HEAD_LEN];

    put_be64(octets, head->number);
    memcpy(octets + 8, head->hash, HASH_LEN);
    return change_put(change, TABLE_META, "head", 4, octets, sizeof octets, error);
}

static void chain(const uint8_t before[HASH_LEN], const void *entry, size_t len,
                  uint8_t out[HASH_LEN])
{
    uint8_t *joined = malloc(HASH_LEN + len);

    if (!joined) { /* a hash that will not match is found by whoever checks */
        memset(out, 0, HASH_LEN);
        return;
    }
    memcpy(joined, before, HASH_LEN);
    memcpy(joined + HASH_LEN, entry, len);
    SHA256(joined, HASH_LEN + len, out);
    free(joined);
}

static char *utc_text(int64_t wall_ms, char text[32])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) || !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &parts))
        snprintf(text, 32, "?");
    return text;
}

static char *entry_text(struct change *change, uint64_t number, const char *action,
                        const char *target, const json_t *before, const json_t *after,
                        const char *reason)
{
    const struct actor *actor = change_actor(change);
    char when[32];
    json_t *entry, *nothing = json_null();
    char *text;

    entry =
        json_pack("{s:I, s:s, s:{s:s, s:i, s:s, s:i, s:s}, s:s, s:s, s:O, s:O, s:s, s:i}", "number",
                  (json_int_t)number, "time", utc_text(change_now_ms(change), when), "by", "user",
                  actor->user, "uid", (int)actor->uid, "login", actor->login, "login_uid",
                  (int)actor->login_uid, "role", actor->role ? actor->role : "system", "action",
                  action, "target", target ? target : "", "before", before ? before : nothing,
                  "after", after ? after : nothing, "reason", reason ? reason : "", "version",
                  (int)change_number(change, "version"));
    text = entry ? json_dumps(entry, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(entry);
    return text;
}

int change_log(struct change *change, const char *action, const char *target, const json_t *before,
               const json_t *after, const char *reason, struct bl_error *error)
{
    struct head head = head_read(change);
    uint8_t key[8], *value;
    char *text;
    size_t len;
    int code;

    head.number++;
    text = entry_text(change, head.number, action, target, before, after, reason);
    len = text ? strlen(text) : 0;
    value = malloc(HASH_LEN + len);
    if (!text || !value) {
        free(text);
        free(value);
        return bl_error_set(error, text ? -ENOMEM : -EINVAL,
                            "the entry for the change log cannot be written: is its text UTF-8?");
    }
    chain(head.hash, text, len, head.hash);
    memcpy(value, head.hash, HASH_LEN);
    memcpy(value + HASH_LEN, text, len);
    put_be64(key, head.number);
    code = change_put(change, TABLE_CHANGES, key, sizeof key, value, HASH_LEN + len, error);
    if (code == 0)
        code = head_write(change, &head, error);
    free(text);
    free(value);
    return code;
}

static char *hash_text(const uint8_t hash[HASH_LEN], char text[65])
{
    for (int i = 0; i < HASH_LEN; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    return text;
}

uint64_t changes_count(struct change *change)
{
    return head_read(change).number;
}

int changes_read(struct change *change, uint64_t from, size_t max, json_t **out_entries,
                 struct bl_error *error)
{
    uint64_t last = head_read(change).number;
    json_t *entries = json_array();

    if (!entries)
        return bl_error_set(error, -ENOMEM, "no memory for the change log");
    for (uint64_t number = from ? from : 1; number <= last && max-- > 0; number++) {
        uint8_t key[8];
        char hash[65];
        MDB_val value;
        json_t *entry = NULL;
        put_be64(key, number);
        if (change_get(change, TABLE_CHANGES, key, sizeof key, &value) == 0 &&
            value.mv_size > HASH_LEN)
            entry = json_loadb((const char *)value.mv_data + HASH_LEN, value.mv_size - HASH_LEN, 0,
                               NULL);
        if (!entry) { /* told, and the rest still read */
            entry = json_pack("{s:I, s:b}", "number", (json_int_t)number, "unreadable", 1);
        } else {
            json_object_set_new(entry, "hash", json_string(hash_text(value.mv_data, hash)));
        }
        json_array_append_new(entries, entry);
    }
    *out_entries = entries;
    return 0;
}

/* Whether the entry is whole and continues the chain; moves `hash` on. */
static bool entry_continues(const MDB_val *value, uint64_t number, uint8_t hash[HASH_LEN])
{
    const uint8_t *octets = value->mv_data;
    bool fine;
    json_t *entry;

    if (value->mv_size <= HASH_LEN)
        return false;
    chain(hash, octets + HASH_LEN, value->mv_size - HASH_LEN, hash);
    if (memcmp(hash, octets, HASH_LEN) != 0)
        return false;
    entry = json_loadb((const char *)octets + HASH_LEN, value->mv_size - HASH_LEN, 0, NULL);
    fine = json_integer_value(json_object_get(entry, "number")) == (json_int_t)number;
    json_decref(entry);
    return fine;
}

int changes_verify(struct change *change, uint64_t *out_count, uint64_t *out_broken,
                   char out_head[65], struct bl_error *error)
{
    struct head head = head_read(change);
    uint8_t hash[HASH_LEN] = {0}, key[8];
    uint64_t number;
    MDB_val value;

    *out_count = head.number;
    *out_broken = 0;
    for (number = 1; number <= head.number; number++) {
        put_be64(key, number);
        if (change_get(change, TABLE_CHANGES, key, sizeof key, &value) < 0 ||
            !entry_continues(&value, number, hash)) {
            *out_broken = number;
            return bl_error_set(error, -EBADMSG,
                                "entry %llu of the change log is missing or not what was written",
                                (unsigned long long)number);
        }
    }
    put_be64(key, number);
    if (memcmp(hash, head.hash, HASH_LEN) != 0 ||
        change_get(change, TABLE_CHANGES, key, sizeof key, &value) == 0) {
        *out_broken = number;
        return bl_error_set(error, -EBADMSG,
                            "the change log does not end where its last writer left it, after "
                            "entry %llu",
                            (unsigned long long)head.number);
    }
    hash_text(hash, out_head);
    return 0;
}
