/* The `chalkgate` command: one file a verb, one table of verbs.
 *
 * A verb is a function run(struct command, argc, argv) with argv[0] its own name; it parses its
 * options with argp (tools/verb.c sets usage errors to exit code 2), prints results on standard
 * output, as JSON when command->json, and messages on standard error. It returns an enum exit_code.
 */
#ifndef TOOLS_VERB_H
#define TOOLS_VERB_H

#include <argp.h>
#include <stdbool.h>

#include "blocklists/error.h"
#include "resolver/config/config.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_ALLOWED = 3,
    EXIT_NOTHING = 4,
    EXIT_NO_DAEMON = 64 /* of ask_daemon() only; the program never ends with it */
};

struct command {
    const char
        *config_path;  /* --config, CHALKGATE_CONFIG, /etc/chalkgate/config.yaml, ./config.yaml */
    const char *state; /* --state, or the configuration's */
    bool json;
    bool unicode;          /* the terminal shows UTF-8, as its locale says */
    bool colour;           /* standard output is a terminal and NO_COLOR is not set */
    struct config *config; /* loaded on first command_config() */
};

struct verb {
    const char *name;
    const char *summary; /* one line for the overview */
    enum exit_code (*run)(struct command *command, int argc, char **argv);
};

/* All verbs in the order of the overview, NULL last (verbs.c). A verb is declared here, one to a
 * line, when its file is there. */
extern const struct verb *const verbs[];
extern const struct verb verb_allow;
extern const struct verb verb_approve;
extern const struct verb verb_backup;
extern const struct verb verb_block_device;
extern const struct verb verb_changes;
extern const struct verb verb_deny;
extern const struct verb verb_devices;
extern const struct verb verb_grants;
extern const struct verb verb_policy;
extern const struct verb verb_revoke;
extern const struct verb verb_session;
extern const struct verb verb_case;
extern const struct verb verb_denials;
extern const struct verb verb_fault;
extern const struct verb verb_incident;
extern const struct verb verb_flush;
extern const struct verb verb_lists;
extern const struct verb verb_questions;
extern const struct verb verb_reload;
extern const struct verb verb_report;
extern const struct verb verb_restore;
extern const struct verb verb_reveal;
extern const struct verb verb_selftest;
extern const struct verb verb_status;
extern const struct verb verb_why;

/* Sets up `command` from the environment: main() and tests of verbs call it first. Options that
 * come after the verb (`chalkgate denials --json`) are written to it by verb_parse(). */
void command_init(struct command *command);
void command_fini(struct command *command); /* frees the configuration */

/* The options that every verb takes as well: --config, --state, --json. Its input is a struct
 * command. */
extern const struct argp command_argp;

/* The configuration, loaded once; prints its faults and returns NULL when it cannot be used. */
struct config *command_config(struct command *command);

/* The same where there is one: NULL without a word when no configuration is to be found. From then
 * on local time is the school's. */
const struct config *command_zone(struct command *command);

/* The state folder: --state or the configuration's; NULL (said why) when neither is to be had. */
const char *command_state(struct command *command);

/* Answers come first: from here on this process gets the processor and the disk only where nobody
 * else wants them. For verbs that read much, such as four weeks of records. */
void command_yield(void);

/* Runs argp for a verb, so that all verbs share forms and exit codes. 0, or the exit code to return
 * + 1. A wrong option, and argp_error() in a parser, end the program with EXIT_USAGE; --help with
 * EXIT_DONE. argv[0] is the verb as the usage line shows it after "chalkgate": "why", "lists
 * import". */
int verb_parse(const struct argp *argp, int argc, char **argv, void *input);

/* "chalkgate: …" on standard error; returns `code`. */
enum exit_code command_fail(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* TIME of interface.md: 2026-11-23T11:15[:30], 2026-11-23, 11:15 (today), now, today, yesterday,
 * -3h, -7d, and @EPOCH; local time, unless its offset stands behind it (11:15+01:00, Z). 0 and
 * *out_wall_s, or -EINVAL with a sentence. DURATION: 45m, 2h, 3d, 1w.
 *
 * A time in the hour that the clocks skip in spring is an hour later. One in the hour that comes
 * twice in autumn is the first; of what is still to come, the first that is. */
int time_parse(const char *text, int64_t now_s, int64_t *out_wall_s, struct bl_error *error);
int time_parse_coming(const char *text, int64_t now_s, int64_t *out_wall_s, struct bl_error *error);
int duration_parse(const char *text, int64_t *out_s, struct bl_error *error);

#endif
