/* Asking the running daemon over its control socket (STATE/control.sock): one JSON object out, one
 * back.
 *
 * The daemon takes the caller's identity from the socket (SO_PEERCRED), never from the request. A
 * file descriptor may go along (a staged generation). Replies: {"ok": true, …} or {"ok": false,
 * "error": "sentence", "code": enum exit_code}.
 */
#ifndef TOOLS_ASK_H
#define TOOLS_ASK_H

#include <jansson.h>

#include "tools/verb.h"

/* Sends {"verb": verb, …arguments} (`arguments` is taken, may be NULL) and waits for the reply.
 * `fd` is −1 where none goes along. Returns EXIT_DONE and *out_reply (the caller frees it with
 * json_decref), or another exit code with the sentence in *error: the daemon's own, EXIT_NO_DAEMON
 * where none is running, EXIT_FAILED where it did not answer in time (a minute; ten for what may
 * wait for a disk; $CHALKGATE_PATIENCE seconds where set). */
enum exit_code ask_daemon(struct command *command, const char *verb, json_t *arguments, int fd,
                          json_t **out_reply, struct bl_error *error);

/* Prints the sentence of an ask_daemon() that failed; returns what the program ends with. */
enum exit_code ask_fail(enum exit_code code, const struct bl_error *error);

/* What the daemon has to say beside its answer, on standard output. */
void ask_warnings_print(const json_t *reply);

/* What another manager is asked to confirm: a grant that waits, with what it "loosens". */
void ask_waiting_print(const json_t *grant);
void ask_loosens_print(const json_t *grant);

/* Whether a daemon has the state folder: then it is to be asked, whatever it says. */
bool ask_is_answered(struct command *command);

/* For verbs that read files of the state folder themselves: EXIT_DONE where `file` (below the state
 * folder) may be read or is not there; else EXIT_NOT_ALLOWED, said why on standard error, and on
 * record where a daemon runs. `verb` is one that resolver/control/ knows. */
enum exit_code ask_may_read(struct command *command, const char *verb, const char *file);

#endif
