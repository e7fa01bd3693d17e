/* The control socket: what the `chalkgate` command may ask of the running daemon.
 *
 * STATE/control.sock, a Unix stream socket. One JSON object in a line each way; a file descriptor
 * (a staged generation) may come along by SCM_RIGHTS with the first byte. A connection asks one
 * thing and is closed.
 *
 *   → {"verb": "flush", "name": "www.example"}
 *   ← {"ok": true, "entries": 3}
 *   ← {"ok": false, "error": "one sentence for people", "code": 3}     code: enum exit_code of
 * tools/verb.h
 *
 * Who asks is what the kernel says of the other end when it connected (SO_PEERCRED, SO_PEERGROUPS,
 * and the login behind a sudo), never what the request claims. Each verb names the role it needs;
 * control.c refuses before the handler is called, and handlers that need more look at the caller
 * themselves.
 *
 * How to add verbs: write `resolver/control/verbs_AREA.c` with the handlers and a table
 *
 *     const struct control_verb control_AREA_verbs[] = {
 *         {"allow", ROLE_MANAGER, CONTROL_CHANGES, handle_allow},
 *         {0},
 *     };
 *
 * declare the table below, and add it to the list in verbs.c and the file to sources.cmake.
 *
 * Threads: each connection has a thread of its own (so many in all and of one user as queue.h says;
 * some more wait their turn, the rest are turned away), so a handler may take its time: read files,
 * sync, wait for a database. It is never on a worker's loop. Handlers marked CONTROL_CHANGES run
 * one at a time, under daemon->change. See daemon.h for what a handler may reach.
 *
 * Limits: a request of CONTROL_REQUEST_MAX octets within 10 s, a reply of CONTROL_REPLY_MAX; 5
 * minutes for a slow reader, and half a minute for one that takes nothing. Failure modes: a caller
 * that goes away, stalls or sends rubbish costs its own thread only.
 */
#ifndef RESOLVER_CONTROL_CONTROL_H
#define RESOLVER_CONTROL_CONTROL_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include "blocklists/error.h"

enum {
    CONTROL_REQUEST_MAX = 256 * 1024,
    CONTROL_REPLY_MAX = 64 * 1024 * 1024,
    CONTROL_GROUPS_MAX = 256,
    CONTROL_USER_MAX = 64,
};

struct daemon;
struct control;

/* What one may do; each includes the ones before. */
enum control_role { ROLE_ANYONE, ROLE_VIEWER, ROLE_MANAGER };

struct caller {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    gid_t groups[CONTROL_GROUPS_MAX]; /* supplementary */
    size_t group_count;
    uid_t login_uid;              /* who signed on, also behind sudo; (uid_t)−1 where unknown */
    char user[CONTROL_USER_MAX];  /* the name of uid, or its number */
    char login[CONTROL_USER_MAX]; /* the name of login_uid; that of uid where unknown */
    enum control_role role;       /* by the configuration in force when the caller came */
};

enum control_kind {
    CONTROL_READS,   /* runs beside others */
    CONTROL_CHANGES, /* runs alone, with daemon->change held */
};

struct control_verb {
    const char *name; /* NULL ends a table */
    enum control_role role;
    enum control_kind kind;
    /* Adds to `reply` (an empty object) and returns 0, or a negative errno and a sentence: −EPERM
     * and −EACCES become exit code 3, −ENOENT 4, −EINVAL 2, all others 1. `request` is the whole
     * object, "verb" included, borrowed for the call, as is `fd`: −1, or what came along, closed
     * afterwards. */
    int (*handle)(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,
                  json_t *reply, struct bl_error *error);
};

extern const struct control_verb control_basic_verbs[], control_devices_verbs[],
    control_evidence_verbs[], control_lists_verbs[], control_policy_verbs[],
    control_selftest_verbs[];

/* All tables, for control.c; NULL-terminated. */
extern const struct control_verb *const control_tables[];

/* Binds STATE/control.sock (the caller holds the state lock, so one left behind is removed) with
 * mode 0666: the roles decide, not the file. Main thread, before privileges are dropped or after.
 */
int control_open(struct daemon *daemon, struct control **out_control, struct bl_error *error);
int control_start(struct control *control, struct bl_error *error); /* starts to answer */
void control_close(
    struct control *control); /* stops, waits for handlers, removes the socket; NULL is fine */

/* Strings of a request: NULL and a sentence when it is missing (or not a string). */
const char *control_string(json_t *request, const char *key, struct bl_error *error);

#endif
