/* What the `lists …` verbs share. */
#ifndef TOOLS_LISTS_H
#define TOOLS_LISTS_H

#include <jansson.h>

#include "blocklists/diff.h"
#include "blocklists/types.h"
#include "tools/verb.h"

enum exit_code lists_import_run(struct command *command, int argc, char **argv);
enum exit_code lists_show_run(struct command *command, int argc, char **argv);
enum exit_code lists_diff_run(struct command *command, int argc, char **argv);
enum exit_code lists_rollback_run(struct command *command, int argc, char **argv);
enum exit_code lists_export_run(struct command *command, int argc, char **argv);
enum exit_code lists_update_run(struct command *command, int argc, char **argv);
enum exit_code lists_catalogue_run(struct command *command, int argc, char **argv);

/* Generations, lists_generations.c. They are looked for in the state folder; what is not there is
 * said on standard error, with what there is instead. */
enum { LISTS_KEPT_MAX = 1024 }; /* `lists: keep` is 1000 at most */

/* The number, for a parser of arguments; anything else is a usage error. */
uint64_t generation_parse(const char *text, struct argp_state *state);

/* Opens a kept generation; 0 is the one in force. EXIT_NOTHING where there is none; said why. */
enum exit_code lists_open(struct command *command, uint64_t generation,
                          struct bl_store **out_store);

/* The generation before the one in force, as `lists rollback` would choose it. EXIT_NOTHING where
 * there is none: "there is nothing to `what_for`". */
enum exit_code generation_before(struct command *command, const char *what_for,
                                 uint64_t *out_generation);

/* Whether it is kept; true also where only the daemon may look. generation_missing() says that it
 * is not, and why. */
bool generation_is_kept(struct command *command, uint64_t generation);
enum exit_code generation_missing(struct command *command, uint64_t generation);

/* 1234567 as "1,234,567"; a moment as local "2026-11-23 11:15". */
char *number_text(uint64_t number, char text[32]);
char *moment_text(int64_t wall_s, char text[32]);

/* A name, with "*." where it stands only for what is below; a prefix as 192.0.2.0/24. And " (only
 * AAAA)" where it is for some types of question, else "". */
enum { ENTRY_TYPES_TEXT_MAX = BL_TYPES_TEXT_MAX + 4 };

char *entry_text(const struct bl_entry *entry, char *text, size_t size);
char *entry_types_text(const struct bl_entry *entry, char text[ENTRY_TYPES_TEXT_MAX]);

/* Prints the object and frees it. */
void json_print(json_t *object);
json_t *diff_count_json(const struct bl_diff_count *count);

/* Whether any category changes; and a table of those that do, nothing where none does. `after`
 * heads what they have in the newer lists. */
bool diff_counts_are_changed(const struct bl_diff_count *counts, size_t count);
void diff_counts_print(const struct bl_diff_count *counts, size_t count, const char *after);

#endif
