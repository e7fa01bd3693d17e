#include "resolver/denials/domain.h"

#include <libpsl.h>
#include <pthread.h>

#include "blocklists/name.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const psl_ctx_t *suffixes;

static void suffixes_load(void)
{
    suffixes = psl_latest(NULL);
    if (suffixes == NULL)
        suffixes = psl_builtin();
}

/* Text in which every label keeps its place: octets that no host name has become 'x', so that a dot
 * inside a label is not taken for one between two. Returns the number of labels; offsets[] has
 * where each begins. */
static unsigned labels_read(const uint8_t *wire, char text[BL_NAME_MAX + 1],
                            uint8_t offsets[BL_LABELS_MAX + 1])
{
    unsigned count = 0;
    size_t at = 0, out = 0;

    while (wire[at] != 0 && count < BL_LABELS_MAX) {
        size_t len = wire[at];
        offsets[count++] = (uint8_t)at;
        if (out > 0)
            text[out++] = '.';
        for (size_t i = 1; i <= len; i++) {
            char c = (char)wire[at + i];
            int fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
            text[out++] = fine ? c : 'x';
        }
        at += 1 + len;
    }
    text[out] = '\0';
    return count;
}

size_t domain_offset(const uint8_t *wire)
{
    char text[BL_NAME_MAX + 1];
    uint8_t offsets[BL_LABELS_MAX + 1];
    unsigned count = labels_read(wire, text, offsets), labels = 2;

    pthread_once(&once, suffixes_load);
    if (count <= 2 && suffixes == NULL)
        return 0;
    if (suffixes != NULL) {
        const char *found = psl_registrable_domain(suffixes, text);
        if (found == NULL)
            return 0;
        labels = 1;
        for (const char *at = found; *at != '\0'; at++)
            labels += *at == '.';
    }
    return labels >= count ? 0 : offsets[count - labels];
}
