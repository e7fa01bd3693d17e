/* What `backup` and `restore` share: the options, and what a backup is made of. */
#ifndef TOOLS_BACKUP_H
#define TOOLS_BACKUP_H

#include <argp.h>
#include <stdbool.h>
#include <string.h>

#include "blocklists/error.h"

enum { BACKUP_PATH = 4096, BACKUP_CHUNK = 256 * 1024, BACKUP_PARTS = 7, BACKUP_FOLDERS = 6 };

struct backup_options {
    const char *file, *passphrase_file;
    char passphrase[512];
};

/* What a backup has at its top, in the order in which a restore puts it in place: lists last, since
 * with them the resolver starts. */
extern const char *const backup_parts[BACKUP_PARTS];

/* A folder of a backup, below a part of the same name, and what its files are called. */
struct backup_folder {
    const char *name, *form; /* a digit for each nought */
    bool copied; /* a database that may be written to meanwhile: one committed state of it */
};

extern const struct backup_folder backup_folders[BACKUP_FOLDERS];

/* What sealed categories ever held; below the part of the lists. */
#define BACKUP_HELD "lists/sealed.json"

bool backup_is_named(const char *name, const char *form);

/* --passphrase-file and FILE, for a struct backup_options. */
extern const struct argp_option backup_option_table[];
error_t backup_options_parse(int key, char *value, struct argp_state *state);

/* Reads the passphrase where one was asked for. 0 or -EINVAL with a sentence. */
int backup_passphrase_read(struct backup_options *options, struct bl_error *error);

/* FOLDER/NAME. 0 or -ENAMETOOLONG with a sentence. */
int backup_path(char out[BACKUP_PATH], const char *folder, const char *name,
                struct bl_error *error);

static inline bool backup_is_database(const char *name)
{
    size_t len = strlen(name);

    return len > 4 && strcmp(name + len - 4, ".mdb") == 0;
}

#endif
