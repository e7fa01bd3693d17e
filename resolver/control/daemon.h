/* The running daemon, as main.c and the handlers of the control socket see it.
 *
 * Threads: `change` is held by whoever makes a new world (a reload, an adopted generation, a
 * grant): control.c holds it for CONTROL_CHANGES handlers, main.c for SIGHUP. The world in force is
 * taken with daemon_world(), which any thread may call. Everything else is set before threads start
 * and constant.
 */
#ifndef RESOLVER_CONTROL_DAEMON_H
#define RESOLVER_CONTROL_DAEMON_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "blocklists/error.h"
#include "resolver/query/world.h"

struct allowed;
struct alerts;
struct denials_writer;
struct keyring;
struct devices;
struct listeners;
struct server;
struct state;
struct rules_change;
struct watch;

enum { REFUSALS_MAX = 256 };

/* timekeeper.c's own; times in milliseconds, monotonic but for the first two. */
struct timekeeper {
    int64_t known_ms, floor_ms; /* what is believed, as of mono_ms; what it cannot be before */
    int64_t mono_ms, begun_ms, written_ms;
    int64_t apart_ms; /* since when the clock says otherwise; 0: it does not */
    bool held;        /* the known time is in force instead of the clock's */
};

struct daemon {
    struct timekeeper timekeeper;
    const char *config_path;
    char *state; /* the state folder; fixed for the life of the process */
    char *user;  /* as the configuration said at the start; NULL: nobody in particular */
    struct listeners *listeners;
    struct server *server;         /* net/server.h */
    struct denials_writer *writer; /* denials/writer.h */
    struct alerts *alerts;         /* denials/alert.h */
    struct devices *devices;       /* devices/devices.h: who is behind an address */
    struct watch *watch;           /* watch.h: what keeps that up to date */
    struct allowed *allowed;       /* control/allowed.h */
    struct keyring *keyring;       /* control/keyring.h */
    int64_t started_wall_ms, started_mono_ms;
    struct state *rules; /* policy/state.h; NULL: unusable, and rules_fault says why */
    char rules_fault[BL_ERROR_MAX];
    struct refusal { /* of late; guarded by `change` */
        uid_t uid;
        const char *verb;
        int64_t when_ms;
    } refusals[REFUSALS_MAX];
    pthread_mutex_t change;          /* one change at a time */
    pthread_mutex_t lock;            /* guards the fields below; held for moments only */
    struct world *world;             /* in force */
    int64_t reloaded_wall_ms;        /* when the configuration in force was read */
    char clock_fault[BL_ERROR_MAX];  /* what timekeeper.c says; empty when the clock is fine */
    uint64_t lists_fault_of;         /* the generation that took a damaged one's place, or 0 */
    char lists_fault[BL_ERROR_MAX];  /* what mender.c did about it; empty once others are adopted */
    char reload_fault[BL_ERROR_MAX]; /* why the last reload was refused; empty when it was not */
    bool reload_waits;               /* config.yaml was read last, and waits for approval */
    char restart_wanted[BL_ERROR_MAX]; /* which keys of it the process does not go by; or empty */
};

/* Takes `world`; the rest of the fields, and the locks, are set by main.c. */
void daemon_init(struct daemon *daemon, struct world *world);
void daemon_fini(struct daemon *daemon);

/* The world in force, with a reference of its own for the caller. */
struct world *daemon_world(struct daemon *daemon);

/* With daemon->change held: lets the workers have this world, which is taken. */
void daemon_enter(struct daemon *daemon, struct world *world);

/* With daemon->change held: reads config.yaml anew, opens the generation in force, and lets the
 * workers take the new world. On failure what ran runs on. Faults are logged, all of them. 1: it
 * waits for a second manager, as the reply tells, and what ran runs on. */
int daemon_reload(struct daemon *daemon, const struct rules_change *change, json_t *reply,
                  struct bl_error *error);

/* Which of the keys that are settled once, when the process begins, `config` has otherwise than we
 * run: "`listen` and `state` have", or "". */
enum { DAEMON_SETTLED_MAX = 100 };
char *daemon_settled_otherwise(const struct daemon *daemon, const struct config *config,
                               char text[DAEMON_SETTLED_MAX]);

/* With daemon->change held: the same configuration with the generation and the policy changes now
 * in force (after an adoption, a rollback, a grant). On failure what ran runs on. */
int daemon_renew(struct daemon *daemon, struct bl_error *error);

#endif
