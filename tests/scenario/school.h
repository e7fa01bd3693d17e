/* The school of a scenario: its configuration and lists, told in a few words, made into a real
 * world through the same code as the programs' (config_load, the compiler, adoption, world_create),
 * in a folder of its own.
 */
#ifndef TESTS_SCENARIO_SCHOOL_H
#define TESTS_SCENARIO_SCHOOL_H

#include "resolver/query/world.h"

void school_open(void);
void school_close(void); /* removes the folder */

const char *school_state(void);

/* The lines `group`, `list` and `config`. */
void school_group(char *text);
void school_list(char *text);
void school_config(char *text);

/* The line `device`: the kernel sees a neighbour, whom a DHCP server may have a name for. */
void school_device(char *text);

/* Whether something was told since the last world. */
bool school_changed(void);

/* Writes, compiles, adopts, does the acts that were told, and opens; ends the scenario when
 * something of it fails. */
struct world *school_world(int64_t wall_ms, const struct world *before);

/* The number of the upstream "up1", "up2", …; ends the scenario when there is none. */
unsigned school_upstream(const char *name);
const char *school_upstream_name(unsigned server);

#endif
