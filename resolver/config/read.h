/* From a tree of YAML nodes to the structure, by the table of keys. Internal to resolver/config/.
 *
 *   yaml.c   text to nodes          value.c  one scalar or short list, both ways
 *   read.c   nodes to fields        check.c  what only the whole file can tell
 *   print.c  fields back to YAML    load.c   the steps in order
 */
#ifndef RESOLVER_CONFIG_READ_H
#define RESOLVER_CONFIG_READ_H

#include "resolver/base/arena.h"
#include "resolver/config/config.h"
#include "resolver/config/faults.h"
#include "resolver/config/keys.h"
#include "resolver/config/yaml.h"

/* Where a field's value stood, so that check.c can point at it. */
struct place {
    const void *field;
    unsigned line, column;
};

struct reader {
    struct arena *arena;
    struct faults *faults;
    struct config *config;
    const char *folder;   /* of the file, for relative paths */
    char where[200];      /* `group "pupils": `, or empty */
    struct place *places; /* by field once sorted */
    size_t place_count;
    bool places_sorted;
};

/* A fault at a node; the surrounding element's name comes before the words. */
void reader_fault(struct reader *reader, const struct yaml_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Remembers and finds where `field` was given; NULL: it was not, and has its default. */
void reader_place(struct reader *reader, const void *field, const struct yaml_node *node);
const struct place *reader_place_of(struct reader *reader, const void *field);

/* Stands for an element of a list of structures as a whole; its first field has the same address.
 */
static inline const void *reader_whole(const void *element)
{
    return (const char *)element + 1;
}

/* A fault at the place of `field`, or about the file. */
void reader_fault_of(struct reader *reader, const void *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills the structure at `base` by the rows of `keys` from the mapping `node`, or from defaults
 * where it is NULL. Faults are gathered; reading goes on. */
void reader_object(struct reader *reader, const struct key *keys, const struct yaml_node *node,
                   void *base);

/* One scalar into its field; the field is left alone when there is a fault. */
void value_read(struct reader *reader, const struct key *key, enum key_type type,
                const struct yaml_node *node, void *field);
void value_read_days(struct reader *reader, const struct key *key, const struct yaml_node *node,
                     uint8_t *field);
void value_read_answer(struct reader *reader, const struct key *key, const struct yaml_node *node,
                       struct config_answer *field);
void value_read_targets(struct reader *reader, const struct key *key, const struct yaml_node *node,
                        struct config_targets *field);

/* Parts of these: the place of a word, of an element by the name that stands first in it, a wire
 * name. */
int value_word(const char *const *words, const char *text);
bool value_element(const void *array, size_t count, size_t size, const char *name,
                   struct nearest *nearest, uint16_t *out_index);
bool value_name(struct reader *reader, const struct yaml_node *node, const char *text,
                uint8_t field[BL_NAME_MAX]);

/* The scalar's text, as value_read() takes it; false when the field holds none. */
enum { VALUE_TEXT_MAX = 4200 };
bool value_text(const struct config *config, const struct key *key, enum key_type type,
                const void *field, char text[VALUE_TEXT_MAX]);

/* What only the whole file can tell: inheritance, subnets, loops, periods. */
void config_check(struct reader *reader);

/* `extends`, once all groups have been read; inherit.c. */
void config_inherit(struct reader *reader);

/* services.yaml as it was when the program was built. */
extern const unsigned char services_shipped[];
extern const size_t services_shipped_len;

#endif
