/* Any bytes as a lease file, read by every reader: no crash, and what comes out is fit to be shown.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/devices/lease.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lease_check(const struct lease *lease)
{
    if (lease->has_mac && !mac_is_device(lease->mac))
        abort();
    if (strlen(lease->name) >= LEASE_NAME_MAX)
        abort();
    for (const char *at = lease->name; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("-_.", *at))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of its own, so that the sanitizer sees a read beyond the end. */
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text = realloc(text, size ? size : 1);
    (void)lease_recognise(text, size);
    for (int format = LEASE_DNSMASQ; format <= LEASE_ISC; format++) {
        struct leases leases = {0};
        if (leases_read((enum lease_format)format, text, size, &leases) == 0) {
            leases_settle(&leases, 1700000000);
            for (size_t i = 0; i < leases.count; i++) {
                lease_check(&leases.items[i]);
                if (leases.items[i].over || (i && memcmp(leases.items[i - 1].address.bytes,
                                                         leases.items[i].address.bytes, 16) >= 0))
                    abort();
            }
        }
        leases_free(&leases);
    }
    free(text);
    return 0;
}
