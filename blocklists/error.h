/* What went wrong, in words for the person who can mend it.
 *
 * A function that meets the world's faults (files, sockets, disks, sources) returns 0 or a negative
 * errno value, and writes the message where the cause is known; callers further out put their place
 * before it with bl_error_wrap(): `config.yaml:41:7: group "pupils": no category "gambeling"`.
 * Libraries do not log: whoever decides what to do about an error logs or prints it, once.
 *
 * Any thread; an error belongs to its caller and needs no clean-up.
 */
#ifndef BLOCKLISTS_ERROR_H
#define BLOCKLISTS_ERROR_H

enum { BL_ERROR_MAX = 1024 };

struct bl_error {
    char text[BL_ERROR_MAX]; /* one sentence, no newline; empty when nothing was set */
};

/* Sets the message and returns `code` (negative errno), so that `return bl_error_set(…)` is one
 * line. `error` may be NULL: then only the code counts. Control characters in the result become
 * '?'. */
int bl_error_set(struct bl_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts a prefix and ": " before the message that is there. Keeps the code: returns `code`. */
int bl_error_wrap(struct bl_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What an errno of a file says, as strerror() has it, and what to do where the disk is full or only
 * to be read. Goes behind ": " at a sentence's end. Borrowed until the thread asks again. */
const char *bl_disk_text(int number);

#endif
