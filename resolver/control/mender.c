#include "resolver/control/mender.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "blocklists/lists.h"
#include "resolver/base/check.h"
#include "resolver/base/log.h"
#include "resolver/base/thread.h"
#include "resolver/control/daemon.h"
#include "resolver/control/rules.h"

enum { LOOK_MS = 2000, GENERATIONS_MAX = 256 };

struct mender {
    struct daemon *daemon;
    int wake_fd;
    bool stopping;     /* atomic */
    uint64_t hopeless; /* the damaged generation that nothing could replace; told once */
    pthread_t thread;
};

static bool generation_is_whole(const char *state, uint64_t generation)
{
    struct bl_store *store = NULL;
    char path[BL_PATH_MAX];
    bool whole;

    snprintf(path, sizeof path, "%s/lists/%08" PRIu64 ".mdb", state, generation);
    whole = bl_lists_open(path, generation, &store, NULL) == 0 && bl_store_verify(store, NULL) == 0;
    bl_store_close(store);
    return whole;
}

/* Puts the newest whole generation before `damaged` in force on the disk. */
static int generation_before(const char *state, uint64_t damaged, uint64_t *out_generation,
                             struct bl_error *error)
{
    uint64_t kept[GENERATIONS_MAX];
    int count = bl_lists_kept(state, kept, GENERATIONS_MAX, error);

    while (count > 0) {
        uint64_t generation = kept[--count];
        if (generation < damaged && generation_is_whole(state, generation))
            return bl_lists_rollback(state, generation, out_generation, error);
    }
    return count < 0 ? count
                     : bl_error_set(error, -ENOENT, "no earlier generation is kept that is whole");
}

/* For `status`, until other lists come into force. */
static void fault_set(struct daemon *daemon, uint64_t generation, const char *text)
{
    pthread_mutex_lock(&daemon->lock);
    daemon->lists_fault_of = generation;
    snprintf(daemon->lists_fault, sizeof daemon->lists_fault, "%s", text);
    pthread_mutex_unlock(&daemon->lock);
}

static void mending_tell(struct daemon *daemon, uint64_t damaged, uint64_t generation,
                         const char *why)
{
    struct actor actor = rules_actor_system(NULL);
    char text[BL_ERROR_MAX];

    snprintf(text, sizeof text,
             "the lists of generation %" PRIu64 " are damaged (%.200s); generation %" PRIu64
             " before it is in force instead. Please import lists anew, and find out who wrote to "
             "the state folder",
             damaged, why, generation);
    log_error("%s", text);
    fault_set(daemon, generation, text);
    rules_note_lists(daemon, &actor, "lists-rollback", damaged, generation,
                     "the lists in force were damaged on the disk");
}

void mender_prepare(struct daemon *daemon)
{
    struct bl_store *store = NULL;
    struct bl_error why = {0}, error;
    char path[BL_PATH_MAX];
    uint64_t damaged, generation;

    if (bl_lists_current(daemon->state, &damaged, path, &why) < 0)
        return;
    if (bl_lists_open(path, damaged, &store, &why) == -EBADMSG &&
        generation_before(daemon->state, damaged, &generation, &error) == 0)
        mending_tell(daemon, damaged, generation, why.text);
    bl_store_close(store);
}

/* With daemon->change held. */
static void mend(struct mender *mender, struct world *world)
{
    struct daemon *daemon = mender->daemon;
    uint64_t damaged = bl_store_generation(world->store), generation;
    static const char WHY[] = "its file was cut or written to while in use";
    char text[BL_ERROR_MAX];
    struct bl_error error = {0};

    if (mender->hopeless == damaged)
        return;
    if (generation_before(daemon->state, damaged, &generation, &error) == 0 &&
        daemon_renew(daemon, &error) == 0) {
        mending_tell(daemon, damaged, generation, WHY);
        return;
    }
    mender->hopeless = damaged;
    snprintf(
        text, sizeof text,
        "the lists of generation %" PRIu64 " are damaged (%s), and nothing can replace them: "
        "%.100s. No name is let through. Please remove %.200s/lists/current and import lists anew",
        damaged, WHY, error.text, daemon->state);
    log_error("%s", text);
    fault_set(daemon, damaged, text);
}

static void mender_look(struct mender *mender)
{
    struct world *world = daemon_world(mender->daemon);

    if (!bl_store_look(world->store)) {
        world_unref(world);
        pthread_mutex_lock(&mender->daemon->change);
        world = daemon_world(mender->daemon); /* it may have changed before it was our turn */
        if (!bl_store_look(world->store))
            mend(mender, world);
        pthread_mutex_unlock(&mender->daemon->change);
    }
    world_unref(world);
}

static void *mender_run(void *user)
{
    struct mender *mender = user;
    struct pollfd item = {.fd = mender->wake_fd, .events = POLLIN};
    eventfd_t count;

    for (;;) {
        if (poll(&item, 1, LOOK_MS) > 0)
            (void)eventfd_read(mender->wake_fd, &count);
        if (__atomic_load_n(&mender->stopping, __ATOMIC_ACQUIRE))
            return NULL;
        mender_look(mender);
    }
}

static int mender_begin(struct mender *mender, struct bl_error *error)
{
    int code = bl_store_guard(mender->wake_fd, error);

    if (code < 0)
        return code;
    code = thread_begin(&mender->thread, NULL, mender_run, mender);
    if (code < 0)
        return bl_error_set(error, code, "no thread to look after the lists: %s", strerror(-code));
    pthread_setname_np(mender->thread, "mender");
    return 0;
}

int mender_start(struct daemon *daemon, struct mender **out_mender, struct bl_error *error)
{
    struct mender *mender = calloc(1, sizeof *mender);
    int code;

    if (!mender)
        return bl_error_set(error, -ENOMEM, "out of memory");
    mender->daemon = daemon;
    mender->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    code = mender->wake_fd < 0
               ? bl_error_set(error, -errno, "cannot look after the lists: %s", strerror(errno))
               : mender_begin(mender, error);
    if (code < 0) {
        if (mender->wake_fd >= 0)
            close(mender->wake_fd);
        free(mender);
        return code;
    }
    *out_mender = mender;
    return 0;
}

void mender_stop(struct mender *mender)
{
    if (!mender)
        return;
    __atomic_store_n(&mender->stopping, true, __ATOMIC_RELEASE);
    CHECK(eventfd_write(mender->wake_fd, 1) == 0);
    pthread_join(mender->thread, NULL);
    (void)bl_store_guard(-1, NULL);
    close(mender->wake_fd);
    free(mender);
}
