#include "resolver/control/timekeeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocklists/lists.h"
#include "resolver/base/clock.h"
#include "resolver/base/known_time.h"
#include "resolver/base/log.h"
#include "resolver/control/daemon.h"

enum { WRITE_MS = 60 * 1000, APART_MS = 3600 * 1000, TRUST_MS = 24 * 3600 * 1000 };
enum { HELD_MOST_MS = 7 * TRUST_MS };

/* No clock of a machine that this runs on can have been right before. */
static const int64_t EPOCH_MS = 1767225600LL * 1000; /* 2026-01-01 */

/* When the lists in force were imported: it is later than that. */
static int64_t floor_find(const struct daemon *daemon)
{
    struct bl_store *store = NULL;
    char path[BL_PATH_MAX];
    uint64_t generation;
    int64_t floor_ms = EPOCH_MS;

    if (bl_lists_current(daemon->state, &generation, path, NULL) == 0 &&
        bl_store_open(path, &store, NULL) == 0)
        for (unsigned i = 0; i < bl_store_source_count(store); i++) {
            int64_t imported_ms = bl_store_source(store, i)->imported * 1000;
            if (imported_ms > floor_ms)
                floor_ms = imported_ms;
        }
    bl_store_close(store);
    return floor_ms;
}

static const char *time_text(int64_t wall_ms, char text[32])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;

    text[0] = '\0';
    if (localtime_r(&seconds, &local))
        strftime(text, 32, "%Y-%m-%d %H:%M", &local);
    return text;
}

static void fault_set(struct daemon *daemon, const char *text)
{
    pthread_mutex_lock(&daemon->lock);
    snprintf(daemon->clock_fault, sizeof daemon->clock_fault, "%s", text);
    pthread_mutex_unlock(&daemon->lock);
}

void timekeeper_begin(struct daemon *daemon)
{
    struct timekeeper *keeper = &daemon->timekeeper;
    struct moment now = clock_read();
    char text[BL_ERROR_MAX], real[32], known[32];

    keeper->floor_ms = floor_find(daemon);
    keeper->known_ms = known_time_read(daemon->state);
    keeper->mono_ms = keeper->begun_ms = now.mono_ms;
    keeper->written_ms = now.mono_ms - WRITE_MS;
    if (known_time_allows(keeper->known_ms, keeper->floor_ms, now.wall_ms)) {
        keeper->known_ms = now.wall_ms;
        return;
    }
    keeper->held = true;
    if (keeper->known_ms < keeper->floor_ms)
        keeper->known_ms = keeper->floor_ms;
    clock_correct(keeper->known_ms - now.wall_ms);
    snprintf(
        text, sizeof text,
        "the machine's clock says %s, which can hardly be: the time last known was %s, goes on "
        "from there, and nothing is destroyed by its age. Please set the clock (`timedatectl` "
        "shows it); if it is right, remove %.300s/clock and restart chalkgated",
        time_text(now.wall_ms, real), time_text(keeper->known_ms, known), daemon->state);
    log_error("%s", text);
    fault_set(daemon, text);
}

/* The machine's clock can be believed: what was judged by the other time is judged anew. */
static void release(struct daemon *daemon)
{
    struct bl_error error = {0};

    daemon->timekeeper.held = false;
    clock_correct(0);
    fault_set(daemon, "");
    log_notice("the machine's clock is believed again, and in force");
    pthread_mutex_lock(&daemon->change);
    (void)daemon_renew(daemon, &error); /* it logs what was wrong */
    pthread_mutex_unlock(&daemon->change);
}

/* A clock that leaps while we run is followed, but becomes the known time only once it has gone on
 * for a day: else a mistake of an hour would have the right time be doubted at the next start. */
static void known_advance(struct timekeeper *keeper, struct moment now)
{
    int64_t expected_ms = keeper->known_ms + (now.mono_ms - keeper->mono_ms);
    bool agrees = llabs((long long)(now.wall_ms - expected_ms)) < APART_MS;

    if (agrees)
        keeper->apart_ms = 0;
    else if (keeper->apart_ms == 0)
        keeper->apart_ms = now.mono_ms;
    keeper->mono_ms = now.mono_ms;
    keeper->known_ms = agrees || now.mono_ms - keeper->apart_ms > TRUST_MS ||
                               known_time_is_synchronised(now.wall_ms)
                           ? now.wall_ms
                           : expected_ms;
}

bool timekeeper_look(struct daemon *daemon)
{
    struct timekeeper *keeper = &daemon->timekeeper;
    struct moment now = clock_read();

    if (keeper->held && (known_time_allows(keeper->known_ms, keeper->floor_ms, clock_real_ms()) ||
                         now.mono_ms - keeper->begun_ms > HELD_MOST_MS)) {
        release(daemon);
        now = clock_read();
        keeper->known_ms = now.wall_ms;
        keeper->mono_ms = now.mono_ms;
    }
    known_advance(keeper, now);
    if (now.mono_ms - keeper->written_ms >= WRITE_MS) {
        keeper->written_ms = now.mono_ms;
        (void)known_time_write(daemon->state, keeper->known_ms); /* the next minute tries again */
    }
    return !keeper->held;
}
