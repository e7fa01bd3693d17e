/* Runs a verb of the command with what it prints in a buffer. */
#ifndef TESTS_SUPPORT_VERB_RUN_H
#define TESTS_SUPPORT_VERB_RUN_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/verb.h"

struct verb_run {
    const struct verb *verb;
    const char *config, *folder; /* in `folder` the output becomes a file */
    bool json, complaints;       /* `complaints`: what goes to standard error is taken, too */
};

enum { VERB_RUN_WORDS = 16 };

/* The arguments after the verb's name up to a NULL. Gives the exit code. */
static inline enum exit_code verb_run(const struct verb_run *run, char *out, size_t size,
                                      const char *first, va_list arguments)
{
    const char *argv[VERB_RUN_WORDS] = {run->verb->name, first};
    struct command command;
    enum exit_code code;
    int argc = 2, kept[2], fd;
    char path[200];
    ssize_t len;

    while (argc < VERB_RUN_WORDS - 1 && (argv[argc] = va_arg(arguments, const char *)))
        argc++;
    snprintf(path, sizeof path, "%s/out", run->folder);
    command_init(&command);
    command.config_path = run->config;
    command.json = run->json;
    fflush(stdout);
    kept[0] = dup(STDOUT_FILENO);
    kept[1] = dup(STDERR_FILENO);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, 0600);
    if (dup2(fd, STDOUT_FILENO) < 0 || (run->complaints && dup2(fd, STDERR_FILENO) < 0))
        abort();
    code = run->verb->run(&command, argc, (char **)(uintptr_t)argv);
    fflush(stdout);
    dup2(kept[0], STDOUT_FILENO);
    dup2(kept[1], STDERR_FILENO);
    close(kept[0]);
    close(kept[1]);
    len = pread(fd, out, size - 1, 0);
    out[len > 0 ? len : 0] = '\0';
    close(fd);
    command_fini(&command);
    return code;
}

#endif
