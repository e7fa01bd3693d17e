/* Kea's memfile: CSV with a head that names the columns, to which each change of a lease appends.
 *
 * A lease is over when its lifetime is 0 (released), or its state is not 0 (declined, or expired
 * and reclaimed). Kea writes a comma within a value as "&#x2c", so a comma is always a border.
 */
#include <string.h>

#include "resolver/devices/lease.h"

enum { DUID_MAX = 130 };

enum column { ADDRESS, HWADDR, DUID, LIFETIME, EXPIRE, HOSTNAME, STATE, TYPE, COLUMNS };

static const char *const NAMES[COLUMNS] = {
    [ADDRESS] = "address", [HWADDR] = "hwaddr",
    [DUID] = "duid",       [LIFETIME] = "valid_lifetime",
    [EXPIRE] = "expire",   [HOSTNAME] = "hostname",
    [STATE] = "state",     [TYPE] = "lease_type",
};

enum { FIELDS_MAX = 32 };

struct row {
    const char *fields[FIELDS_MAX];
    size_t lens[FIELDS_MAX];
    size_t count;
};

struct table {
    size_t places[COLUMNS]; /* FIELDS_MAX: not there */
};

static void row_split(const char *line, size_t len, struct row *row)
{
    row->count = 0;
    if (len && line[len - 1] == '\r')
        len--;
    for (size_t at = 0; row->count < FIELDS_MAX;) {
        const char *comma = at < len ? memchr(line + at, ',', len - at) : NULL;
        size_t end = comma ? (size_t)(comma - line) : len;
        row->fields[row->count] = line + at;
        row->lens[row->count++] = end - at;
        if (!comma)
            return;
        at = end + 1;
    }
}

static void head_take(const struct row *row, struct table *table)
{
    for (int column = 0; column < COLUMNS; column++) {
        table->places[column] = FIELDS_MAX;
        for (size_t i = 0; i < row->count; i++) {
            if (row->lens[i] == strlen(NAMES[column]) &&
                memcmp(row->fields[i], NAMES[column], row->lens[i]) == 0)
                table->places[column] = i;
        }
    }
}

static const char *field_of(const struct table *table, const struct row *row, enum column column,
                            size_t *out_len)
{
    size_t place = table->places[column];

    *out_len = place < row->count ? row->lens[place] : 0;
    return place < row->count ? row->fields[place] : "";
}

static bool number_of(const struct table *table, const struct row *row, enum column column,
                      int64_t *out_value)
{
    size_t len;
    const char *text = field_of(table, row, column, &len);

    return lease_number(text, len, out_value);
}

static void mac_take(const struct table *table, const struct row *row, struct lease *lease)
{
    uint8_t duid[DUID_MAX];
    size_t len;
    const char *text = field_of(table, row, HWADDR, &len);
    int duid_len;

    if (lease_octets(text, len, lease->mac, MAC_LEN) == MAC_LEN && mac_is_device(lease->mac)) {
        lease->has_mac = true;
        return;
    }
    text = field_of(table, row, DUID, &len);
    duid_len = lease_octets(text, len, duid, sizeof duid);
    if (duid_len > 0)
        lease_duid_take(lease, duid, (size_t)duid_len);
}

static bool row_take(const struct table *table, const struct row *row, struct lease *lease)
{
    int64_t state = 0, type = 0, lifetime;
    size_t len;
    const char *text = field_of(table, row, ADDRESS, &len);

    if (!lease_address_take(lease, text, len) || !number_of(table, row, LIFETIME, &lifetime) ||
        !number_of(table, row, EXPIRE, &lease->expires_s))
        return false;
    (void)number_of(table, row, STATE, &state);
    (void)number_of(table, row, TYPE, &type);
    /* Kea's "for ever" is a lifetime of 2^32 - 1. */
    if (lifetime == UINT32_MAX)
        lease->expires_s = INT64_MAX;
    lease->over = lifetime == 0 || state != 0 || type == 2; /* 2: a prefix, no address */
    text = field_of(table, row, HOSTNAME, &len);
    lease_name_take(lease, text, len);
    mac_take(table, row, lease);
    return true;
}

void lease_read_kea(const char *text, size_t len, struct leases *leases)
{
    struct table table;
    struct row row;
    bool has_head = false;

    for (size_t at = 0; at < len && !leases->failed;) {
        const char *line = text + at, *end = memchr(line, '\n', len - at);
        struct lease lease = {0}, *added;
        if (!end) /* it is being written */
            return;
        at += (size_t)(end - line) + 1;
        row_split(line, (size_t)(end - line), &row);
        if (row.lens[0] == strlen("address") && memcmp(line, "address", row.lens[0]) == 0) {
            head_take(&row, &table);
            has_head = true;
        } else if (end == line || *line == '#') {
            continue;
        } else if (!has_head || !row_take(&table, &row, &lease)) {
            leases->odd++;
        } else {
            added = lease_add(leases);
            if (added)
                *added = lease;
        }
    }
}
