/* Lease files of three DHCP servers: what counts, what is over, and names that are not nice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/devices/lease.h"
#include "tests/support/folder.h"

enum { NOW_S = 1795000000 };

#define KEA4                                                                                       \
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,"   \
    "user_context,pool_id\n"
#define KEA6                                                                                       \
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,"       \
    "fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id\n"
#define MAC1 "02:00:5e:10:00:01"
#define MAC2 "02:00:5e:10:00:02"

static const struct row {
    const char *title, *text, *told;
} ROWS[] = {
    {"dnsmasq", "1795500000 " MAC1 " 10.1.4.17 tablet-7 01:" MAC1 "\n",
     "dnsmasq: 10.1.4.17 " MAC1 " tablet-7;"},
    {"dnsmasq: no name, for ever", "0 " MAC1 " 10.1.4.17 * *\n", "dnsmasq: 10.1.4.17 " MAC1 " -;"},
    {"dnsmasq: over", "1794000000 " MAC1 " 10.1.4.17 tablet-7 *\n", "dnsmasq: "},
    {"dnsmasq: other hardware", "1795500000 06-" MAC1 " 10.1.4.17 t *\n",
     "dnsmasq: 10.1.4.17 - t;"},
    {"dnsmasq: IPv6, the MAC address in the DUID",
     "duid 00:01:00:01:2b:c4:1a:10:02:00:5e:10:00:ff\n"
     "1795500000 6164481 fd00::17 tablet-7 00:01:00:01:2b:c4:1a:11:" MAC1 "\n"
     "1795500000 T1 fd00::18 * 00:03:00:01:" MAC2 "\n"
     "1795500000 1 fd00::19 u 00:04:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99\n",
     "dnsmasq: fd00::17 " MAC1 " tablet-7;fd00::18 " MAC2 " -;fd00::19 - u;"},
    {"dnsmasq: half a line is left for later", "1795500000 " MAC1 " 10.1.4.17 a *\n1795500000 02:0",
     "dnsmasq: 10.1.4.17 " MAC1 " a;"},
    {"dnsmasq: lines that are none",
     "1795500000 " MAC1 " 10.1.4.999 a *\n1795500000\nx y z a b\n1795500000 " MAC1 " fd00::1 a *\n"
     "1795500000 " MAC2 " 10.1.4.18 b *\n",
     "dnsmasq: 10.1.4.18 " MAC2 " b; odd 4"},
    {"Kea: the last word counts",
     KEA4 "10.1.4.17," MAC1 ",,3600,1795500000,1,0,0,old,0,,0\n"
          "10.1.4.17," MAC2 ",,3600,1795500000,1,0,0,new.school.example.,0,,0\n",
     "Kea (IPv4): 10.1.4.17 " MAC2 " new.school.example;"},
    {"Kea: released, declined, reclaimed, over, for ever",
     KEA4 "10.1.4.1," MAC1 ",,3600,1795500000,1,0,0,a,0,,0\n10.1.4.1," MAC1
          ",,0,1795500000,1,0,0,a,0,,0\n"
          "10.1.4.2,,,3600,1795500000,1,0,0,b,1,,0\n10.1.4.3," MAC1
          ",,3600,1795500000,1,0,0,c,2,,0\n"
          "10.1.4.4," MAC1 ",,3600,1794000000,1,0,0,d,0,,0\n"
          "10.1.4.5," MAC1 ",,4294967295,1794000000,1,0,0,e,0,,0\n",
     "Kea (IPv4): 10.1.4.5 " MAC1 " e;"},
    {"Kea: IPv6, by DUID and by address; no prefixes",
     KEA6 "fd00::17,00:03:00:01:" MAC1 ",3600,1795500000,1,1800,0,1,128,0,0,t,,0,,,,0\n"
          "fd00::18,00:04:aa,3600,1795500000,1,1800,0,1,128,0,0,u," MAC2 ",0,,1,2,0\n"
          "fd00:5::,00:03:00:01:" MAC1 ",3600,1795500000,1,1800,2,1,56,0,0,v,,0,,,,0\n",
     "Kea (IPv6): fd00::17 " MAC1 " t;fd00::18 " MAC2 " u;"},
    {"Kea: a head in the middle (two files), Windows line ends",
     KEA4 "10.1.4.17," MAC1 ",,3600,1795500000,1,0,0,a,0,,0\r\n" KEA4 "10.1.4.18," MAC2
          ",,3600,1795500000,1,0,0,b,0,,0\r\n",
     "Kea (IPv4): 10.1.4.17 " MAC1 " a;10.1.4.18 " MAC2 " b;"},
    {"Kea: lines that are none", KEA4 "10.1.4.17\nx,y,z\n,,,,,,,\n", "Kea (IPv4):  odd 3"},
    {"ISC",
     "# dhcpd.leases(5)\nauthoring-byte-order little-endian;\nlease 10.1.4.17 {\n"
     "  starts 2 2026/11/24 08:00:00;\n  ends 2 2026/11/24 20:00:00;\n  binding state active;\n"
     "  hardware ethernet " MAC1 ";\n  uid \"\\001\\002}\";\n  client-hostname \"tablet-7\";\n}\n",
     "ISC dhcpd: 10.1.4.17 " MAC1 " tablet-7;"},
    {"ISC: the last word counts",
     "lease 10.1.4.17 { ends never; binding state active; hardware ethernet " MAC1 "; }\n"
     "lease 10.1.4.18 { ends never; binding state active; hardware ethernet " MAC2 "; }\n"
     "lease 10.1.4.17 { ends never; binding state free; hardware ethernet " MAC1 "; }\n",
     "ISC dhcpd: 10.1.4.18 " MAC2 " -;"},
    {"ISC: times",
     "lease 10.1.4.1 { ends epoch 1794000000; binding state active; }\n"
     "lease 10.1.4.2 { ends epoch 1795500000; # later\n binding state active; }\n"
     "lease 10.1.4.3 { ends 2 2020/02/29 20:00:00; binding state active; }\n",
     "ISC dhcpd: 10.1.4.2 - -;"},
    {"ISC: IPv6, the MAC address in the DUID",
     "ia-na \"\\001\\000\\000\\000\\000\\003\\000\\001\\002\\000^\\020\\000\\001\" {\n"
     "  cltt 2 2026/11/24 08:00:00;\n  iaaddr fd00::19 {\n    binding state active;\n"
     "    ends never;\n  }\n}\n",
     "ISC dhcpd: fd00::19 " MAC1 " -;"},
    {"ISC: half a block is left for later",
     "lease 10.1.4.18 { ends never; binding state active; }\nlease 10.1.4.17 { ends never; bind",
     "ISC dhcpd: 10.1.4.18 - -;"},
    {"names are made harmless",
     "lease 10.1.4.1 { ends never; binding state active; client-hostname \"<b>x</b>\\033[31m\"; }\n"
     "lease 10.1.4.2 { ends never; binding state active; client-hostname \"10.1.4.3\"; }\n"
     "lease 10.1.4.3 { ends never; binding state active; client-hostname \"" MAC1 "\"; }\n"
     "lease 10.1.4.4 { ends never; binding state active; client-hostname "
     "\"a23456789b123456789c123456789d123456789e123456789f123456789g123456789\"; }\n",
     "ISC dhcpd: 10.1.4.1 - b-x-b-31m;10.1.4.2 - -;10.1.4.3 - -;"
     "10.1.4.4 - a23456789b123456789c123456789d123456789e123456789f123456789g123;"},
    {"nothing", "", "none: "},
    {"something else", "hello: world\n", "none: "},
    {"a MAC address of a group is nobody's", "1795500000 01:00:5e:00:00:01 10.1.4.17 a *\n",
     "dnsmasq: 10.1.4.17 - a;"},
};

static void leases_tell(const struct leases *leases, char *text, size_t size)
{
    for (size_t i = 0; i < leases->count; i++) {
        const struct lease *lease = &leases->items[i];
        char address[ADDRESS_TEXT_MAX], mac[MAC_TEXT_MAX] = "-";
        size_t used = strlen(text);
        if (lease->has_mac)
            mac_text(lease->mac, mac);
        snprintf(text + used, size - used, "%s %s %s;", address_text(&lease->address, address), mac,
                 lease->name[0] ? lease->name : "-");
    }
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct leases leases = {0};
        size_t len = strlen(ROWS[i].text);
        char told[2048], *exact = malloc(len + 1);
        memcpy(exact, ROWS[i].text, len);
        exact = realloc(exact, len ? len : 1);
        enum lease_format format = lease_recognise(exact, len);
        assert_int_equal(leases_read(format, exact, len, &leases), 0);
        leases_settle(&leases, NOW_S);
        snprintf(told, sizeof told, "%s: ", lease_format_text(format));
        leases_tell(&leases, told, sizeof told);
        if (leases.odd) {
            size_t used = strlen(told);
            snprintf(told + used, sizeof told - used, " odd %zu", leases.odd);
        }
        if (strcmp(told, ROWS[i].told) != 0)
            fail_msg("%s:\nexpected %s\ngot      %s", ROWS[i].title, ROWS[i].told, told);
        leases_free(&leases);
        free(exact);
    }
}

static void file_write(const char *folder, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!text) {
        unlink(path);
        return;
    }
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void file_expect(const char *folder, const char *expected)
{
    struct leases leases = {0};
    enum lease_format format;
    struct bl_error error = {0};
    char path[256], told[1024] = "";

    snprintf(path, sizeof path, "%s/kea-leases4.csv", folder);
    if (lease_file_read(path, NOW_S, &leases, &format, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(format, LEASE_KEA4);
    leases_tell(&leases, told, sizeof told);
    assert_string_equal(told, expected);
    leases_free(&leases);
}

/* While Kea cleans up, older leases are in files beside. */
static void test_kea_cleans_up(void **state)
{
    char folder[FOLDER_ROOM];

    (void)state;
    folder_make(folder);
    file_write(folder, "kea-leases4.csv.2",
               KEA4 "10.1.4.1," MAC1 ",,3600,1795500000,1,0,0,a,0,,0\n");
    file_write(folder, "kea-leases4.csv.1",
               KEA4 "10.1.4.2," MAC1 ",,3600,1795500000,1,0,0,b,0,,0\n");
    file_write(folder, "kea-leases4.csv", KEA4 "10.1.4.1," MAC2 ",,0,1795500000,1,0,0,a,0,,0\n");
    file_expect(folder, "10.1.4.2 " MAC1 " b;");
    file_write(folder, "kea-leases4.csv.completed",
               KEA4 "10.1.4.3," MAC2 ",,3600,1795500000,1,0,0,c,0,,0\n");
    file_expect(folder, "10.1.4.3 " MAC2 " c;");
    file_write(folder, "kea-leases4.csv.2", NULL);
    file_write(folder, "kea-leases4.csv.1", NULL);
    file_write(folder, "kea-leases4.csv.completed", NULL);
    file_expect(folder, "");
    folder_drop(folder);
}

/* More than there is room for: as many as fit, and how many do not. */
static void test_too_many(void **state)
{
    struct leases leases = {0};

    (void)state;
    for (uint32_t i = 0; i < LEASES_MAX + 2; i++) {
        struct lease *lease = lease_add(&leases);
        assert_non_null(lease);
        memcpy(lease->address.bytes + 12, &i, sizeof i);
    }
    leases_settle(&leases, 0);
    assert_int_equal(leases.count, LEASES_MAX);
    assert_int_equal(leases.cut, 2);
    assert_false(leases.failed);
    leases_free(&leases);
}

static void test_files_that_are_none(void **state)
{
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 8];
    struct leases leases = {0};
    enum lease_format format;
    struct bl_error error = {0};

    (void)state;
    folder_make(folder);
    snprintf(path, sizeof path, "%s/x", folder);
    assert_int_equal(lease_file_read(path, NOW_S, &leases, &format, &error), -ENOENT);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(lease_file_read(folder, NOW_S, &leases, &format, &error), -EINVAL);
    file_write(folder, "x", "hello: world\n");
    assert_int_equal(lease_file_read(path, NOW_S, &leases, &format, &error), -ENOMSG);
    file_write(folder, "x", "");
    assert_int_equal(lease_file_read(path, NOW_S, &leases, &format, &error), 0);
    assert_int_equal(leases.count, 0);
    leases_free(&leases);
    folder_drop(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_kea_cleans_up),
        cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
