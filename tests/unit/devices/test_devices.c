/* The table of devices: who is behind an address, by whose word, and what it is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/devices/devices.h"

enum { HOUR_MS = 3600 * 1000 };

static const int64_t NOW_MS = INT64_C(1795000000000);

static struct address address_of(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, 0, &address), 0);
    return address;
}

static void see(struct devices *devices, const char *address, uint8_t last, int64_t now_ms)
{
    struct neighbour neighbour = {.address = address_of(address), .mac = {2, 0, 0, 0, 0, last}};

    devices_see(devices, &neighbour, now_ms);
}

static void lease(struct devices *devices, size_t file, const char *text)
{
    struct leases leases = {0};

    assert_int_equal(leases_read(lease_recognise(text, strlen(text)), text, strlen(text), &leases),
                     0);
    leases_settle(&leases, NOW_MS / 1000);
    devices_lease(devices, file, &leases);
}

static void expect(struct devices *devices, const char *address, const char *expected)
{
    struct address host = address_of(address);
    struct device device;
    char told[128] = "unknown";

    if (devices_find(devices, &host, &device))
        snprintf(told, sizeof told, "%u %s%s", device.has_mac ? device.mac[5] : 0,
                 device.source == DEVICE_NEIGHBOUR ? "seen " : "lease ", device.name);
    if (strcmp(told, expected) != 0)
        fail_msg("%s: expected \"%s\", got \"%s\"", address, expected, told);
}

static void test_whose_word_counts(void **state)
{
    struct devices *devices;
    uint8_t mac[MAC_LEN];
    uint64_t changes;

    (void)state;
    assert_int_equal(devices_create(&devices), 0);
    expect(devices, "10.1.4.17", "unknown");
    lease(devices, 0,
          "1795500000 02:00:00:00:00:01 10.1.4.17 tablet *\n"
          "1795500000 02:00:00:00:00:02 10.1.4.18 Laptop *\n"
          "1795500000 02:00:00:00:00:03 10.1.4.19 laptop *\n");
    expect(devices, "10.1.4.17", "1 lease tablet");
    see(devices, "fd00::17", 1, NOW_MS);
    see(devices, "fd00::99", 1, NOW_MS);
    expect(devices, "fd00::99", "1 seen tablet");
    /* Somebody else took the address: its lease's name is not theirs. */
    see(devices, "10.1.4.17", 9, NOW_MS);
    expect(devices, "10.1.4.17", "9 seen ");
    assert_int_equal(devices_named(devices, "TABLET", mac), 1);
    assert_int_equal(mac[5], 1);
    assert_int_equal(devices_named(devices, "laptop", mac), 2);
    assert_int_equal(devices_named(devices, "nobody", mac), 0);
    changes = devices_changes(devices);
    see(devices, "fd00::99", 1, NOW_MS + 1000);
    lease(devices, 1, "");
    assert_int_equal(devices_changes(devices), changes);
    lease(devices, 0, "1795600000 02:00:00:00:00:01 10.1.4.17 tablet *\n");
    assert_true(devices_changes(devices) > changes);
    expect(devices, "10.1.4.18", "unknown");
    devices_free(devices);
}

/* A DUID that tells no MAC address still names the device at its own address. */
static void test_names_without_mac(void **state)
{
    struct devices *devices;

    (void)state;
    assert_int_equal(devices_create(&devices), 0);
    lease(devices, 0, "duid 00:01\n1795500000 7 fd00::5 tablet 00:04:aa:bb\n");
    expect(devices, "fd00::5", "0 lease tablet");
    see(devices, "fd00::5", 4, NOW_MS);
    expect(devices, "fd00::5", "4 seen tablet");
    devices_free(devices);
}

static void test_forgetting(void **state)
{
    struct devices *devices;

    (void)state;
    assert_int_equal(devices_create(&devices), 0);
    see(devices, "10.1.4.17", 1, NOW_MS);
    see(devices, "10.1.4.18", 2, NOW_MS + 12 * HOUR_MS);
    devices_age(devices, NOW_MS + 23 * HOUR_MS);
    expect(devices, "10.1.4.17", "1 seen ");
    devices_age(devices, NOW_MS + 25 * HOUR_MS);
    expect(devices, "10.1.4.17", "unknown");
    expect(devices, "10.1.4.18", "2 seen ");
    devices_free(devices);
}

/* More addresses than there is room for: the old make way, and nothing grows. */
static void test_a_flood(void **state)
{
    struct neighbour neighbour = {.mac = {2, 0, 0, 0, 0, 1}};
    struct devices *devices;
    struct device *all;
    size_t count;

    (void)state;
    assert_int_equal(devices_create(&devices), 0);
    neighbour.address = address_of("fd00::");
    for (uint32_t i = 0; i < DEVICES_MAX + 1000; i++) {
        memcpy(neighbour.address.bytes + 12, &i, sizeof i);
        devices_see(devices, &neighbour, NOW_MS);
    }
    assert_int_equal(devices_count(devices).neighbours, DEVICES_MAX);
    assert_int_equal(devices_count(devices).dropped, 1000);
    see(devices, "10.1.4.17", 1, NOW_MS + DEVICES_SPARE_MS + 1);
    expect(devices, "10.1.4.17", "1 seen ");
    assert_int_equal(devices_all(devices, &all, &count), 0);
    assert_int_equal(count, 1);
    free(all);
    devices_free(devices);
}

static void test_all(void **state)
{
    struct devices *devices;
    struct device *all;
    size_t count;

    (void)state;
    assert_int_equal(devices_create(&devices), 0);
    lease(devices, 0,
          "1795500000 02:00:00:00:00:01 10.1.4.17 tablet *\n"
          "1795500000 02:00:00:00:00:02 10.1.4.18 laptop *\n");
    see(devices, "10.1.4.17", 1, NOW_MS);
    see(devices, "fd00::1", 2, NOW_MS);
    see(devices, "fd00::2", 1, NOW_MS);
    assert_int_equal(devices_all(devices, &all, &count), 0);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(all[i].mac[5], i < 2 ? 1 : 2);
        assert_string_equal(all[i].name, i < 2 ? "tablet" : "laptop");
    }
    free(all);
    devices_free(devices);
}

/* Two servers that stand in for each other both have a lease of the address: the newer one counts,
 * whichever file it is in. */
static void test_two_files(void **state)
{
    static const char *const OLD = "1795500000 02:00:00:00:00:01 10.1.4.17 tablet *\n";
    static const char *const NEW = "1795600000 02:00:00:00:00:02 10.1.4.17 laptop *\n";
    struct devices *devices;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(devices_create(&devices), 0);
        lease(devices, 0, i ? OLD : NEW);
        lease(devices, 1, i ? NEW : OLD);
        expect(devices, "10.1.4.17", "2 lease laptop");
        devices_free(devices);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_word_counts),
        cmocka_unit_test(test_names_without_mac),
        cmocka_unit_test(test_forgetting),
        cmocka_unit_test(test_a_flood),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_two_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
