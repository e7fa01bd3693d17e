/* Clients of a segment that are one device. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/segment_read.h"

struct known {
    uint8_t mac[MAC_LEN];
    uint32_t client;
};

static int known_order(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    int order = memcmp(x->mac, y->mac, MAC_LEN);

    return order != 0 ? order : (x->client > y->client) - (x->client < y->client);
}

int segment_reader_same(struct segment_reader *reader, uint32_t count, uint32_t *out_same)
{
    struct known *known = calloc((size_t)count + 1, sizeof(*known));
    size_t known_count = 0;

    if (known == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct segment_client client;
        struct denial_device device;
        out_same[i] = i;
        if (!segment_reader_client(reader, i, &client, &device) || !device.has_mac)
            continue;
        memcpy(known[known_count].mac, device.mac, MAC_LEN);
        known[known_count++].client = i;
    }
    qsort(known, known_count, sizeof(*known), known_order);
    for (size_t i = 1; i < known_count; i++)
        if (memcmp(known[i - 1].mac, known[i].mac, MAC_LEN) == 0)
            out_same[known[i].client] = out_same[known[i - 1].client];
    free(known);
    return 0;
}
