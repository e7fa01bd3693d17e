#include "resolver/control/keyring.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/log.h"
#include "resolver/denials/pseudonym.h"
#include "resolver/denials/segments.h"

enum { RETIRE_GRACE_S = 3600 }; /* for what workers record while they learn of it */

struct keyring {
    char state[PATH_MAX], folder[PATH_MAX]; /* of the keys in use */
    unsigned workers;
    uint32_t number;             /* 0: addresses are recorded */
    struct pseudonyms **devices; /* by worker */
};

int keyring_create(const char *state, unsigned workers, struct keyring **out_keyring,
                   struct bl_error *error)
{
    struct keyring *keyring = calloc(1, sizeof *keyring);

    if (keyring)
        keyring->devices = calloc(workers, sizeof(struct pseudonyms *));
    if (!keyring || !keyring->devices) {
        free(keyring);
        return bl_error_set(error, -ENOMEM, "out of memory");
    }
    snprintf(keyring->state, sizeof keyring->state, "%s", state);
    keyring->workers = workers;
    *out_keyring = keyring;
    return 0;
}

static void devices_close(struct pseudonyms **devices, unsigned count)
{
    for (unsigned i = 0; devices && i < count; i++)
        pseudonyms_close(devices[i]);
    free(devices);
}

void keyring_free(struct keyring *keyring)
{
    if (!keyring)
        return;
    devices_close(keyring->devices, keyring->workers);
    free(keyring);
}

struct pseudonyms *const *keyring_pseudonyms(const struct keyring *keyring)
{
    return keyring->devices;
}

void keyring_folder(const char *state, const struct config *config, char *folder, size_t size)
{
    if (config->recording.keys_folder)
        snprintf(folder, size, "%s", config->recording.keys_folder);
    else
        snprintf(folder, size, "%s/keys", state);
}

static void devices_hand(struct pipeline *pipeline, unsigned worker, void *user)
{
    struct pseudonyms **devices = user;

    pipeline->pseudonyms = devices[worker];
}

static int devices_open(const struct keyring *keyring, const char *folder, uint32_t number,
                        struct pseudonyms ***out_devices, struct bl_error *error)
{
    struct pseudonyms **devices = calloc(keyring->workers, sizeof(struct pseudonyms *));
    int code = devices ? 0 : bl_error_set(error, -ENOMEM, "out of memory");

    for (unsigned i = 0; number && i < keyring->workers && code == 0; i++)
        code = pseudonyms_open(folder, number, i, &devices[i], error);
    if (code < 0)
        devices_close(devices, keyring->workers);
    else
        *out_devices = devices;
    return code;
}

/* The end of the newest day below `folder`, if it is after `*newest_s`. */
static int newest_find(const char *folder, int64_t *newest_s)
{
    struct segment_list list;
    int code = segments_list(folder, NULL, NULL, &list, NULL);

    if (code < 0)
        return code;
    if (list.count > 0 && list.days[list.count - 1].end_ms / 1000 > *newest_s)
        *newest_s = list.days[list.count - 1].end_ms / 1000;
    segments_list_free(&list);
    return 0;
}

/* Pseudonyms are off: the key that was in use is needed for as long as a record of before is left.
 * Records are of the days that have a segment, whatever the clock said meanwhile, or of just now.
 */
static void keys_retire(const struct keyring *keyring, const char *folder, int64_t now_s)
{
    char allowed[PATH_MAX + 16];
    struct bl_error error = {""};
    int64_t at_s = now_s + RETIRE_GRACE_S;
    bool noted;

    snprintf(allowed, sizeof allowed, "%s/allowed", keyring->state);
    if (newest_find(keyring->state, &at_s) < 0 || newest_find(allowed, &at_s) < 0)
        return; /* the next look tries again */
    if (pseudonym_keys_retire(folder, at_s, &noted, &error) < 0)
        log_warning("the key of pseudonyms stays, although they are off: %s", error.text);
    else if (noted)
        log_notice("records hold addresses from now on; the keys of pseudonyms stay until the last "
                   "record that needs them is gone");
}

int keyring_settle(struct keyring *keyring, struct server *server, const struct config *config,
                   int64_t now_s, struct bl_error *error)
{
    struct pseudonyms **devices, **before = keyring->devices;
    char folder[PATH_MAX];
    uint32_t number = 0;
    int code = 0;

    keyring_folder(keyring->state, config, folder, sizeof folder);
    if (config->recording.pseudonyms)
        code = pseudonym_keys_settle(folder, config->recording.period_s, now_s, &number, error);
    if (code == 0 && number == 0 && keyring->number == 0)
        keys_retire(keyring, folder, now_s);
    if (code < 0 ||
        (number == keyring->number && (number == 0 || strcmp(folder, keyring->folder) == 0)))
        return code;
    code = devices_open(keyring, folder, number, &devices, error);
    if (code < 0)
        return code;
    keyring->devices = devices;
    keyring->number = number;
    strcpy(keyring->folder, folder);
    if (server && server_visit(server, devices_hand, devices) == -ENOMEM) {
        keyring->devices = before;
        keyring->number = 0; /* the next look tries again */
        devices_close(devices, keyring->workers);
        return bl_error_set(error, -ENOMEM, "out of memory");
    }
    devices_close(before, keyring->workers);
    if (number == 0)
        keys_retire(keyring, folder, now_s);
    return 0;
}

/* The start of the oldest day below `folder` that is left, if it is before `*oldest_ms`. */
static int oldest_find(const char *folder, int64_t *oldest_ms)
{
    struct segment_list list;
    int code = segments_list(folder, NULL, NULL, &list, NULL);

    if (code < 0)
        return code;
    if (list.count > 0 && list.days[0].start_ms < *oldest_ms)
        *oldest_ms = list.days[0].start_ms;
    segments_list_free(&list);
    return 0;
}

unsigned keyring_destroy_old(struct keyring *keyring, const struct config *config, int64_t now_s)
{
    /* What is in no segment yet is of these days. */
    int64_t oldest_ms = (now_s - INT64_C(2) * 86400) * 1000;
    char allowed[PATH_MAX + 16], folder[PATH_MAX];
    struct bl_error error = {""};
    unsigned count = 0;

    snprintf(allowed, sizeof allowed, "%s/allowed", keyring->state);
    keyring_folder(keyring->state, config, folder, sizeof folder);
    if (oldest_find(keyring->state, &oldest_ms) < 0 || oldest_find(allowed, &oldest_ms) < 0)
        return 0;
    if (pseudonym_keys_destroy(folder, oldest_ms / 1000, &count, &error) < 0 && keyring->number)
        log_warning("old keys of pseudonyms are still there: %s", error.text);
    return count;
}
