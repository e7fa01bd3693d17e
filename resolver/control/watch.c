#include "resolver/control/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "resolver/base/check.h"
#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/base/thread.h"
#include "resolver/control/daemon.h"
#include "resolver/control/watch_internal.h"

enum {
    FIRST_LOOK_MS = 2000,
    TURN_MS = 2000,      /* the longest wait */
    APPLY_MS = 1000,     /* between two new worlds */
    LOOK_MS = 50,        /* between two looks whether one is needed */
    AGE_MS = 600 * 1000, /* between two clearances */
};

void watch_fault(struct watch *watch, char fault[BL_ERROR_MAX], const char *text)
{
    bool is_news;

    pthread_mutex_lock(&watch->lock);
    is_news = strcmp(fault, text) != 0;
    snprintf(fault, BL_ERROR_MAX, "%s", text);
    pthread_mutex_unlock(&watch->lock);
    if (is_news && *text)
        log_warning("%s", text);
}

/* All neighbours, before the first question comes. */
static void neighbours_wait(struct watch *watch)
{
    int64_t end_ms = clock_read().mono_ms + FIRST_LOOK_MS;
    struct pollfd item = {.fd = watch->neighbours.fd, .events = POLLIN};

    do {
        struct moment now = clock_read();
        neighbours_ask(watch, now.mono_ms);
        if (!watch->neighbours.waiting || now.mono_ms >= end_ms)
            return;
        if (poll(&item, 1, (int)(end_ms - now.mono_ms)) > 0)
            neighbours_read(watch, now.mono_ms);
    } while (watch->neighbours.waiting);
}

int watch_open(struct daemon *daemon, const struct config *config, struct bl_error *error)
{
    struct watch *watch = calloc(1, sizeof *watch);
    struct moment now = clock_read();

    if (!watch)
        return bl_error_set(error, -ENOMEM, "out of memory");
    watch->daemon = daemon;
    watch->neighbours.fd = watch->wake_fd = -1;
    pthread_mutex_init(&watch->lock, NULL);
    daemon->watch = watch;
    if (devices_create(&watch->devices) < 0)
        return bl_error_set(error, -ENOMEM, "out of memory for the table of devices");
    daemon->devices = watch->devices;
    watch->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (watch->wake_fd < 0)
        return bl_error_set(error, -errno, "cannot watch devices: %s", strerror(errno));
    neighbours_open(watch);
    neighbours_wait(watch);
    lease_files_look(watch, config, now);
    watch->applied = devices_changes(watch->devices);
    return 0;
}

/* Whether the world in force lacks an address of a device that matters, or has one too many. */
static bool world_is_behind(const struct watch *watch, const struct world *world)
{
    const struct policy_rules *rules = policy_rules(world->policy);
    struct policy_neighbour *neighbours;
    struct arena arena = {0};
    size_t count;
    bool behind =
        policy_neighbours_find(rules, world->config, watch->devices, &arena, &neighbours, &count) &&
        !policy_neighbours_equal(neighbours, count, rules->neighbours, rules->neighbour_count);

    arena_free(&arena);
    return behind;
}

static void changes_apply(struct watch *watch, int64_t mono_ms)
{
    uint64_t changes = devices_changes(watch->devices);
    struct world *world;
    struct bl_error error;
    bool behind;

    if (changes == watch->applied || mono_ms < watch->apply_due_ms)
        return;
    watch->applied = changes;
    watch->apply_due_ms = mono_ms + LOOK_MS;
    world = daemon_world(watch->daemon);
    behind = world_is_behind(watch, world);
    world_unref(world);
    if (!behind)
        return;
    pthread_mutex_lock(&watch->daemon->change);
    if (daemon_renew(watch->daemon, &error) < 0) /* it logs why */
        watch->applied = changes - 1;
    pthread_mutex_unlock(&watch->daemon->change);
    watch->apply_due_ms = clock_read().mono_ms + APPLY_MS;
}

static int wait_ms(const struct watch *watch, int64_t mono_ms)
{
    int64_t wait = watch->apply_due_ms - mono_ms;

    if (devices_changes(watch->devices) == watch->applied || wait > TURN_MS)
        return TURN_MS;
    return wait > 0 ? (int)wait : 0;
}

static void *watch_run(void *user)
{
    struct watch *watch = user;
    int64_t age_due_ms = clock_read().mono_ms + AGE_MS;
    struct pollfd items[2] = {{.fd = watch->wake_fd, .events = POLLIN},
                              {.fd = watch->neighbours.fd, .events = POLLIN}};

    for (;;) {
        (void)poll(items, 2, wait_ms(watch, clock_read().mono_ms));
        if (items[0].revents)
            return NULL;
        struct moment now = clock_read();
        struct world *world = daemon_world(watch->daemon);
        if (items[1].revents)
            neighbours_read(watch, now.mono_ms);
        neighbours_ask(watch, now.mono_ms);
        lease_files_look(watch, world->config, now);
        world_unref(world);
        if (now.mono_ms >= age_due_ms) {
            devices_age(watch->devices, now.mono_ms);
            age_due_ms = now.mono_ms + AGE_MS;
        }
        changes_apply(watch, now.mono_ms);
    }
}

int watch_start(struct watch *watch, struct bl_error *error)
{
    int code = thread_begin(&watch->thread, NULL, watch_run, watch);

    if (code < 0)
        return bl_error_set(error, code, "cannot watch devices: %s", strerror(-code));
    watch->started = true;
    return 0;
}

void watch_stop(struct watch *watch)
{
    if (!watch || !watch->started)
        return;
    CHECK(eventfd_write(watch->wake_fd, 1) == 0);
    pthread_join(watch->thread, NULL);
    watch->started = false;
}

void watch_close(struct watch *watch)
{
    if (!watch)
        return;
    if (watch->neighbours.fd >= 0)
        close(watch->neighbours.fd);
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    devices_free(watch->devices);
    pthread_mutex_destroy(&watch->lock);
    free(watch);
}

static void warning_add(json_t *warnings, const char *text)
{
    if (*text)
        json_array_append_new(warnings, json_string(text));
}

json_t *watch_describe(struct watch *watch, json_t *warnings)
{
    struct devices_counts counts = devices_count(watch->devices);
    json_t *files = json_array(), *item;

    pthread_mutex_lock(&watch->lock);
    for (size_t i = 0; i < watch->files.count; i++) {
        const struct lease_file *file = &watch->files.items[i];
        json_array_append_new(files, json_pack("{s:s, s:s, s:I, s:s}", "path", file->path, "format",
                                               lease_format_text(file->format), "leases",
                                               (json_int_t)file->count, "fault", file->fault));
        warning_add(warnings, file->fault);
    }
    item = json_pack("{s:I, s:I, s:I, s:s, s:o}", "neighbours", (json_int_t)counts.neighbours,
                     "leases", (json_int_t)counts.leases, "dropped", (json_int_t)counts.dropped,
                     "netlink", watch->neighbours.fault, "files", files);
    warning_add(warnings, watch->neighbours.fault);
    pthread_mutex_unlock(&watch->lock);
    if (counts.dropped)
        warning_add(warnings, "there are more devices on the network than there is room for; "
                              "some are known by their address only");
    return item;
}
