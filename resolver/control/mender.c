#include "resolver/control/mender.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/fallback.h"
#include "blocklists/lists.h"
#include "resolver/base/check.h"
#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/base/text.h"
#include "resolver/base/thread.h"
#include "resolver/config/config.h"
#include "resolver/control/daemon.h"
#include "resolver/control/rules.h"
#include "resolver/denials/alert.h"
#include "resolver/policy/held.h"
#include "resolver/policy/seals.h"

enum { LOOK_MS = 2000, WAIT_MOST_MS = 60 * 1000, MENDER_NICE = 5 };

struct mender {
    struct daemon *daemon;
    int wake_fd;
    bool stopping;     /* atomic */
    uint64_t hopeless; /* the epoch of damaged lists that nothing could replace; told once */
    uint64_t noted;    /* the epoch of which held.h was told, as this configuration has it */
    const struct config *noted_config; /* compared only */
    uint64_t owed;                     /* the epoch whose file has to be opened anew; 0: none's */
    int64_t try_ms, wait_ms;           /* when next (monotonic), and how long after that */
    char told[BL_ERROR_MAX];           /* the trouble that was told last */
    pthread_t thread;
};

/* Puts the generation that shall take the place of `damaged` in force on the disk. */
static int fall_back(const char *state, uint64_t damaged, const struct bl_guard *guard,
                     struct bl_fallback *out_fallback, struct bl_error *error)
{
    uint64_t ignored;
    int code = bl_fallback_find(state, damaged, guard, out_fallback, error);

    return code < 0 ? code : bl_lists_rollback(state, out_fallback->generation, &ignored, error);
}

/* For `status`, until other lists come into force. */
static void fault_set(struct daemon *daemon, uint64_t generation, const char *text)
{
    pthread_mutex_lock(&daemon->lock);
    daemon->lists_fault_of = generation;
    snprintf(daemon->lists_fault, sizeof daemon->lists_fault, "%s", text);
    pthread_mutex_unlock(&daemon->lock);
}

/* Nobody may be looking at the log. */
static void alert(struct daemon *daemon, char *text)
{
    struct world *world = daemon_world(daemon);
    char when[40];
    time_t now_s = (time_t)(clock_read().wall_ms / 1000);
    struct tm local;

    localtime_r(&now_s, &local);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S%z", &local);
    if (world->config->alerts.command_count > 0)
        alerts_raise(daemon->alerts,
                     json_pack("{ss,ss,ss,ss}", "time", when, "kind", "lists-damaged", "severity",
                               "urgent", "text", text_clean(text)));
    world_unref(world);
}

static void mending_tell(struct daemon *daemon, uint64_t damaged,
                         const struct bl_fallback *fallback, const char *why,
                         char out_text[BL_ERROR_MAX])
{
    struct actor actor = rules_actor_system(NULL);

    snprintf(out_text, BL_ERROR_MAX,
             "the lists of generation %" PRIu64 " are damaged (%.200s); generation %" PRIu64
             " before it is in force instead%s%.200s. Please import lists anew, and find out who "
             "wrote to the state folder",
             damaged, why, fallback->generation,
             fallback->lacks.text[0] ? ", but it lacks some: " : "", fallback->lacks.text);
    log_error("%s", out_text);
    fault_set(daemon, fallback->generation, out_text);
    rules_note_lists(daemon, &actor, "lists-rollback", damaged, fallback->generation,
                     fallback->lacks.text[0] ? fallback->lacks.text
                                             : "the lists in force were damaged on the disk");
}

/* What is sealed by the configuration, and what ever was: with one that takes a seal off, the start
 * is refused later on, and must not have gone back behind the seal before. */
static int seals_find(const char *state, const struct config *config, struct seals *out_seals,
                      struct bl_guard *out_guard, struct bl_error *error)
{
    const char **names;
    int code = config_guard(config, true, out_guard);

    if (code < 0)
        return bl_error_set(error, code, "out of memory");
    code = seals_read(state, out_seals, error);
    names = code < 0 ? NULL
                     : reallocarray(out_guard->sealed,
                                    out_guard->sealed_count + out_seals->count + 1, sizeof *names);
    if (!names) {
        free(out_guard->sealed);
        if (code == 0)
            seals_free(out_seals);
        return code < 0 ? code : bl_error_set(error, -ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < out_seals->count; i++)
        names[out_guard->sealed_count++] = out_seals->names[i];
    out_guard->sealed = names;
    return 0;
}

void mender_prepare(struct daemon *daemon, const struct config *config)
{
    struct bl_store *store = NULL;
    struct bl_fallback fallback;
    struct bl_error why = {0}, error = {0};
    struct bl_guard guard;
    struct seals seals;
    char path[BL_PATH_MAX], text[BL_ERROR_MAX];
    uint64_t damaged;
    int code;

    if (bl_lists_current(daemon->state, &damaged, path, &why) < 0)
        return;
    code = bl_lists_open(path, damaged, &store, &why);
    bl_store_close(store);
    if (code != -EBADMSG)
        return;
    code = seals_find(daemon->state, config, &seals, &guard, &error);
    if (code == 0) {
        held_read(daemon->state, damaged, &guard);
        code = fall_back(daemon->state, damaged, &guard, &fallback, &error);
        bl_guard_fini(&guard);
        seals_free(&seals);
    }
    if (code == 0)
        mending_tell(daemon, damaged, &fallback, why.text, text);
    else
        log_error("the lists of generation %" PRIu64
                  " are damaged, and nothing can take their place: %s",
                  damaged, error.text);
}

/* What the lists hold while they are whole. */
static void note(struct mender *mender, const struct world *world)
{
    uint64_t generation = bl_store_generation(world->store);
    struct bl_error error = {0};
    struct bl_guard guard;

    if (world->epoch == mender->noted && world->config == mender->noted_config)
        return;
    mender->noted = world->epoch;
    mender->noted_config = world->config;
    if (config_guard(world->config, true, &guard) < 0)
        return;
    if (guard.sealed_count > 0 && bl_guard_hold(&guard, world->store) == 0 &&
        held_write(mender->daemon->state, generation, &guard, &error) < 0)
        log_warning("%s", error.text);
    bl_guard_fini(&guard);
}

static void trouble_tell(struct mender *mender, const struct world *world)
{
    char text[BL_ERROR_MAX];

    if (strcmp(mender->told, world->lists_trouble.text) == 0)
        return;
    snprintf(mender->told, sizeof mender->told, "%s", world->lists_trouble.text);
    if (!mender->told[0])
        return;
    snprintf(text, sizeof text, MENDER_TROUBLE, mender->told);
    log_error("%s", text);
    alert(mender->daemon, text);
}

/* Later and later, until all is well. */
static void try_later(struct mender *mender)
{
    int64_t longer_ms = 2 * mender->wait_ms;

    mender->wait_ms = longer_ms < LOOK_MS        ? LOOK_MS
                      : longer_ms > WAIT_MOST_MS ? WAIT_MOST_MS
                                                 : longer_ms;
    mender->try_ms = clock_read().mono_ms + mender->wait_ms;
}

/* Whether the file in force can be opened anew: it was put right, or back, since it was mapped. */
static bool is_put_right(const char *state, const struct bl_store *before)
{
    struct bl_store *store = NULL;
    bool is_right =
        bl_lists_open_again(state, before, &store, NULL) == 0 && bl_store_compare(store, NULL) == 0;

    bl_store_close(store);
    return is_right;
}

/* What was remembered in between goes with the epoch. With daemon->change held. False: that is
 * still to be done. */
static bool open_anew(struct mender *mender)
{
    struct daemon *daemon = mender->daemon;
    struct bl_error error = {0};
    int code = daemon_renew(daemon, &error); /* it logs what was wrong */
    struct world *world = daemon_world(daemon);
    bool is_done = code == 0 && !world->lists_trouble.text[0];

    mender->owed = is_done ? 0 : world->epoch;
    if (is_done)
        log_notice("the file of the lists of generation %" PRIu64
                   " was touched while in use; it is whole, and was opened anew",
                   bl_store_generation(world->store));
    else
        try_later(mender);
    trouble_tell(mender, world);
    world_unref(world);
    return is_done;
}

/* What is mapped is whole, but was touched, or its file is not what it should be. With
 * daemon->change held. */
static void look_again(struct mender *mender, const struct world *world, bool is_touched)
{
    if (!is_touched && clock_read().mono_ms < mender->try_ms)
        return;
    if (is_touched || !world->lists_trouble.text[0] ||
        is_put_right(mender->daemon->state, world->store)) {
        (void)open_anew(mender);
        return;
    }
    trouble_tell(mender, world); /* others may have met it first */
    try_later(mender);
}

/* Puts other lists in the place of those that are damaged. */
static int replace(struct mender *mender, const struct world *world,
                   struct bl_fallback *out_fallback, struct bl_error *error)
{
    struct daemon *daemon = mender->daemon;
    struct bl_guard guard;
    int code = config_guard(world->config, true, &guard);

    if (code < 0)
        return bl_error_set(error, code, "out of memory");
    code = bl_guard_hold(&guard, world->store);
    if (code == 0)
        code = fall_back(daemon->state, bl_store_generation(world->store), &guard, out_fallback,
                         error);
    bl_guard_fini(&guard);
    return code < 0 ? code : daemon_renew(daemon, error);
}

/* With daemon->change held. */
static void mend(struct mender *mender, const struct world *world)
{
    struct daemon *daemon = mender->daemon;
    uint64_t damaged = bl_store_generation(world->store);
    bool is_hopeless = mender->hopeless == world->epoch;
    static const char WHY[] = "its file was cut or written to while in use";
    char text[BL_ERROR_MAX];
    struct bl_fallback fallback;
    struct bl_error error = {0};

    if (is_hopeless && clock_read().mono_ms < mender->try_ms)
        return;
    if (is_put_right(daemon->state, world->store) && open_anew(mender))
        return;
    if (replace(mender, world, &fallback, &error) == 0) {
        mending_tell(daemon, damaged, &fallback, WHY, text);
        alert(daemon, text);
        return;
    }
    try_later(mender);
    if (is_hopeless)
        return;
    mender->hopeless = world->epoch;
    snprintf(
        text, sizeof text,
        "the lists of generation %" PRIu64 " are damaged (%s), and nothing can replace them: "
        "%.150s. No name is let through. Please remove %.150s/lists/current and import lists anew",
        damaged, WHY, error.text, daemon->state);
    log_error("%s", text);
    fault_set(daemon, 0, text); /* whatever comes into force then is whole */
    alert(daemon, text);
}

/* Others may have made a world with the same trouble, or one without. */
static bool is_owed(const struct mender *mender, const struct world *world)
{
    return mender->owed == world->epoch || world->lists_trouble.text[0];
}

static void mender_look(struct mender *mender)
{
    struct world *world = daemon_world(mender->daemon), *now;
    enum bl_look look = bl_store_look(world->store);

    if (look == BL_LOOK_SAME && !is_owed(mender, world)) {
        mender->told[0] = '\0';
        mender->wait_ms = 0;
        note(mender, world);
        world_unref(world);
        return;
    }
    pthread_mutex_lock(&mender->daemon->change);
    now = daemon_world(mender->daemon); /* it may have changed before it was our turn */
    if (now->store != world->store)
        look = bl_store_look(now->store);
    if (look == BL_LOOK_DAMAGED)
        mend(mender, now);
    else if (look == BL_LOOK_TOUCHED || is_owed(mender, now))
        look_again(mender, now, look == BL_LOOK_TOUCHED);
    pthread_mutex_unlock(&mender->daemon->change);
    world_unref(now);
    world_unref(world);
}

static void *mender_run(void *user)
{
    struct mender *mender = user;
    struct pollfd item = {.fd = mender->wake_fd, .events = POLLIN};
    struct world *world = daemon_world(mender->daemon);
    eventfd_t count;

    thread_give_way(MENDER_NICE);
    note(mender, world);
    world_unref(world);
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
    char text[BL_ERROR_MAX]; /* of mender_prepare(), before there was anybody to tell */
    int code;

    if (!mender)
        return bl_error_set(error, -ENOMEM, "out of memory");
    snprintf(text, sizeof text, "%s", daemon->lists_fault);
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
    if (text[0])
        alert(daemon, text);
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
