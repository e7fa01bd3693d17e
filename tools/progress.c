#include "tools/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/fetch.h"

enum { EVERY_MS = 200, WIDTH = 79 };

static struct {
    int64_t shown_ms, begun_ms;
    bool on_screen;
} progress;

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether it is time for another line. */
static bool is_due(void)
{
    int64_t now = now_ms();

    if (!isatty(STDERR_FILENO) || now - progress.shown_ms < EVERY_MS)
        return false;
    if (progress.begun_ms == 0)
        progress.begun_ms = now;
    progress.shown_ms = now;
    return true;
}

static void line_show(const char *line)
{
    fprintf(stderr, "\r\033[K%.*s", WIDTH, line);
    fflush(stderr);
    progress.on_screen = true;
}

ssize_t progress_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    struct progress_input *input = user;
    ssize_t got = input->inner->read(input->inner->user, buffer, len, error);

    if (got > 0)
        input->bytes += (uint64_t)got;
    if (got > 0 && is_due()) {
        const char *end = input->location + strlen(input->location);
        char line[160];

        /* Of a long path the end says more. */
        if (end - input->location > 48)
            input->location = end - 48;
        snprintf(line, sizeof line, "Reading %s: %.1f MiB", input->location,
                 (double)input->bytes / 1048576);
        line_show(line);
    }
    return got;
}

void progress_compiling(void *user, uint64_t done, uint64_t total)
{
    char line[160];
    int64_t spent_ms;
    double rate;

    (void)user;
    if (progress.begun_ms == 0)
        progress.begun_ms = now_ms();
    if (!is_due() || total == 0)
        return;
    done = done < total ? done : total;
    spent_ms = progress.shown_ms - progress.begun_ms;
    rate = spent_ms > 0 ? (double)done * 1000 / (double)spent_ms : 0;
    if (rate > 0)
        snprintf(line, sizeof line, "Compiling: %u %%, %.1f million names a second, %.0f s left",
                 (unsigned)(done * 100 / total), rate / 1e6, (double)(total - done) / rate);
    else
        snprintf(line, sizeof line, "Compiling: %u %%", (unsigned)(done * 100 / total));
    line_show(line);
}

void progress_fetching(void *user, size_t index, uint64_t bytes, uint64_t expected)
{
    const struct bl_fetch *fetch = (const struct bl_fetch *)user + index;
    size_t len = strlen(fetch->url);
    char line[160];

    if (bytes == 0 || !is_due())
        return;
    snprintf(line, sizeof line, "Fetching %s: %.1f MiB", fetch->url + (len > 48 ? len - 48 : 0),
             (double)bytes / 1048576);
    if (expected > 0)
        snprintf(line + strlen(line), sizeof line - strlen(line), " of %.1f",
                 (double)expected / 1048576);
    line_show(line);
}

void progress_clear(void)
{
    if (progress.on_screen)
        fputs("\r\033[K", stderr);
    progress.on_screen = false;
    progress.begun_ms = 0;
}
