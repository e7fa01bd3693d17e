/* The readers of formats, each with what it takes, what it leaves alone and what is hostile. */
#include "tests/unit/blocklists/reading.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define BROWSER     "~a rule for browsers only"
#define PATTERN     "~a pattern inside a name, which DNS lists cannot say"
#define URL         "~a web address: DNS sees only the name in it"
#define COSMETIC    "~changes pages, which only a browser can"
#define TLD         "?a top-level domain: everything below it would go too"
#define SUFFIX      "?a public suffix: names of everybody are below it"
#define OWN_ANSWER  "~gives a name an answer of its own"
#define OWN_ADDRESS "~gives a name an address of its own"
#define EVERY       "~stands for every name there is"
#define NO_RULE     "~no rule about names"
#define TYPES       "?$dnstype takes types of question parted by \"|\": A, HTTPS, TYPE65"
#define LABEL       "?not a domain name: an empty label"
#define A64         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_LABEL  "?not a domain name: a label is longer than 63 octets"

static const struct reading_row adblock[] = {
    {TEXT("[Adblock Plus 2.0]\n! Title: x\n# x\n||a.test^\n"), "a.test"},
    {TEXT("||a.test^$important\n||b.test^$all\n||c.test\n||d.test^|\n"),
     "a.test! b.test c.test d.test"},
    {TEXT("@@||a.test^\n@@||b.test^$important\n@@|c.test^\n"), "+a.test +b.test! +=c.test"},
    {TEXT("|a.test^\n||*.b.test^\n*.c.test\nd.test\n"), "=a.test *.b.test c.test d.test"},
    {TEXT("0.0.0.0 a.test\nb.test # x\n"), "a.test b.test"},
    {TEXT("||a.test^$denyallow=b.a.test|c.a.test|d.test\n"), "a.test +b.a.test +c.a.test"},
    {TEXT("||a.test^$denyallow=b..a\n"), "a.test ?$denyallow takes domain names parted by \"|\""},
    {TEXT("||co.uk^$denyallow=a.co.uk\n"), SUFFIX},
    {TEXT("||a.test^$third-party\n||b.test^$script,domain=c.test\n||d.test^$popup\n"), BROWSER},
    {TEXT("@@||a.test^$document\n@@||a.test^$denyallow=b.a.test\n"), BROWSER},
    {TEXT("||a.test^$dnstype=AAAA\n||b.test^\n"), "a.test (only AAAA) b.test"},
    {TEXT("||a.test^$dnstype=AAAA|A|aaaa\n|b.test^$dnstype=~A|~cname\n"),
     "a.test (only A, AAAA) =b.test (all but A, CNAME)"},
    {TEXT("@@||a.test^$dnstype=TYPE65\n||b.test^$dnstype=https|SVCB|type65280|28\n"),
     "+a.test (only HTTPS) b.test (only AAAA, SVCB, HTTPS, TYPE65280)"},
    /* Mixed, the types that are named plainly and not left out as well. */
    {TEXT("||a.test^$dnstype=A|AAAA|~AAAA\n||b.test^$dnstype=~TXT|MX\n"),
     "a.test (only A) b.test (only MX)"},
    {TEXT("||a.test^$important,dnstype=AAAA,denyallow=b.a.test\n"),
     "a.test! (only AAAA) +b.a.test (only AAAA)"},
    {TEXT(
         "||a.test^$dnstype=HTTPS,dnsrewrite=REFUSED\n||b.test^$dnstype=AAAA,dnsrewrite=NOERROR\n"),
     "a.test (only HTTPS) b.test (only AAAA)"},
    {TEXT("||a.test^$dnstype=\n||a.test^$dnstype\n||a.test^$dnstype=A|\n||a.test^$dnstype=|A\n"),
     TYPES " " TYPES " " TYPES " " TYPES},
    {TEXT("||a.test^$dnstype=~\n||a.test^$dnstype=~~A\n||a.test^$dnstype=TYPE0\n"
          "||a.test^$dnstype=TYPE65536\n||a.test^$dnstype=A6X\n"),
     TYPES " " TYPES " " TYPES " " TYPES " " TYPES},
    {TEXT("||a.test^$dnstype=99999999999999999999\n||a.test^$dnstype=TYPE\n"
          "||a.test^$dnstype=A AAAA\n"),
     TYPES " " TYPES " " TYPES},
    {TEXT("||a.test^$dnstype=A|~A\n"), "?$dnstype leaves out every type that it names"},
    {TEXT("||a.test^$dnstype=1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|"
          "27|28|29|30|31|32|33\n"),
     "?$dnstype names more types than a rule can have here (32)"},
    {TEXT("||a.test^$dnstype=A,script\n||b.test^$dnstype=X,script\n"), BROWSER},
    {TEXT("||a.test^$client=10.0.0.1\n||a.test^$ctag=device_pc\n"),
     "~for some clients only; groups say that here"},
    {TEXT("||a.test^$badfilter\n"), "~takes back another rule, which our lists cannot say"},
    {TEXT("||a.test^$dnsrewrite=NXDOMAIN;;\n||b.test^$dnsrewrite=0.0.0.0\n"), "a.test b.test"},
    {TEXT("||a.test^$dnsrewrite=192.0.2.1\n@@||b.test^$dnsrewrite=REFUSED\n"), OWN_ANSWER},
    {TEXT("a.test##.ad\na.test#@#.ad\n##.x\na.test#?#x\n#%#x\na.test$$div\n"), COSMETIC},
    {TEXT("/ads[0-9]+/\n/ads/$script\n@@/x/\n"),
     "~a regular expression, which our lists cannot say"},
    {TEXT("||a.test/b\n|https://a.test^\n/banner/a\n"), URL},
    {TEXT("a.test^\n||a*.test^\n-ads.\n.a.test^\n||\n@@\n^\n*\n"), PATTERN},
    {TEXT("||a.test:8080^\n"), "~for one port only, which DNS does not see"},
    {TEXT("||com^\n||co.uk^\n||" A64 ".test^\n||a..test^\n"),
     TLD " " SUFFIX " " LONG_LABEL " " LABEL},
    {TEXT("||192.0.2.1^\n"), "~an address in a list of names"},
    {TEXT("||\xff\xfe.test^\n"), "?not a valid internationalised domain name"},
    {TEXT("||a.test^$\n||b.test^$,,\n"), "a.test b.test"},
};

static const struct reading_row dnsmasq[] = {
    {TEXT(
         "# x\naddress=/a.test/\naddress=/b.test/0.0.0.0\naddress=/c.test/::\naddress=/d.test/#\n"),
     "a.test b.test c.test d.test"},
    {TEXT("server=/a.test/\nlocal=/b.test/\nlocal=/c.test/d.test/\n"),
     "a.test b.test c.test d.test"},
    {TEXT("server=/a.test/#\n"), "+a.test"},
    {TEXT("address=/.a.test/127.0.0.1 # x\n"), "a.test"},
    {TEXT(" address = /a.test/ \n"), "a.test"},
    {TEXT("address=/a.test/192.0.2.1\n"), OWN_ADDRESS},
    {TEXT("address=/a.test/x\n"), OWN_ANSWER},
    {TEXT("server=/a.test/192.0.2.1#53\n"), "~sends a name to a server of its own"},
    {TEXT("server=192.0.2.1\nport=53\nconf-file=/etc/passwd\n"), NO_RULE},
    {TEXT("address=/#/0.0.0.0\n"), EVERY},
    {TEXT("address=//0.0.0.0\nlocal=//\n"), "~stands for names without a dot"},
    {TEXT("address=/*ad.test/\n"), PATTERN},
    {TEXT("local=/*.a.test/\nlocal=/*.b.*/\n"), "*.a.test " PATTERN},
    {TEXT("bogus-nxdomain=198.51.100.7\nbogus-nxdomain=x\n"), "198.51.100.7/32 ?not an address"},
    {TEXT("address=/a.test\naddress=\naddress\n=\n"), "?no \"/\" ends the names " NO_RULE},
    {TEXT("address=/com/a..b/" A64 ".test/\n"), TLD},
    {TEXT("address=/co.uk/\naddress=/./\n"),
     SUFFIX " ?the root \".\" would stand for every name there is"},
};

static const struct reading_row unbound[] = {
    {TEXT("server:\n  local-zone: \"a.test\" always_nxdomain\nlocal-zone: b.test. refuse # x\n"),
     "a.test b.test"},
    {TEXT("local-zone: 'a.test' static\nlocal-zone: \"b.test\" always_null\n"), "a.test b.test"},
    {TEXT("local-zone: \"a.test\" redirect\nlocal-data: \"a.test A 0.0.0.0\"\n"), "a.test"},
    {TEXT("local-zone: \"a.test\" redirect\nlocal-data: \"a.test. 60 IN A 192.0.2.1\"\n"),
     OWN_ANSWER},
    {TEXT("local-zone: \"a.test\" redirect\nlocal-zone: \"b.test\" redirect\n"), "a.test b.test"},
    {TEXT("local-zone: \"a.test\" redirect\nlocal-data: \"b.test AAAA ::\"\n"), "=b.test a.test"},
    {TEXT("local-zone: \"co.uk\" redirect\n"), SUFFIX},
    {TEXT("local-data: \"a.test 300 IN A 127.0.0.1\"\n"), "=a.test"},
    {TEXT("local-data: \"a.test CNAME b.test\"\n"), OWN_ANSWER},
    {TEXT("local-zone: \"a.test\" always_transparent\n"), "+a.test"},
    {TEXT("local-zone: \"a.test\" transparent\nlocal-zone: \"a.test\" nodefault\n"),
     "~a zone that is answered as usual"},
    {TEXT("forward-zone:\n name: \"a.test\"\n interface: ::1\n"), NO_RULE},
    {TEXT("local-zone: \"a.test\"\nlocal-zone:\nlocal-data:\nlocal-zone: \"a.test\n"),
     "?no type after the zone's name ?no type after the zone's name ?no type after the zone's "
     "name " OWN_ANSWER},
    {TEXT("local-zone: \"a..test\" redirect\nlocal-zone: \".\" refuse\n"),
     LABEL " ?the root \".\" would stand for every name there is"},
};

#define ZONE                                                                                       \
    "$TTL 2h\n@ IN SOA localhost. root.localhost. (\n 1 ; serial\n 2h 1h\n 1w 1h )\n NS "          \
    "localhost.\n"

static const struct reading_row rpz[] = {
    {TEXT(ZONE "a.test CNAME .\n*.a.test CNAME .\nb.test 60 IN CNAME *.\n"),
     "=a.test *.a.test =b.test"},
    {TEXT("$ORIGIN rpz.example.\n" ZONE "a.test CNAME .\n*.b.test.rpz.example. CNAME rpz-drop.\n"),
     "=a.test *.b.test"},
    {TEXT("rpz.example. SOA a. b. 1 2 3 4 5\nA.Test.RPZ.example. CNAME .\nb.test. CNAME .\n"),
     "=a.test ?a name outside of the zone"},
    {TEXT("$ORIGIN example.\n$ORIGIN rpz\n@ SOA a. b. 1 2 3 4 5\na.test CNAME .\n"), "=a.test"},
    {TEXT(ZONE "a.test CNAME rpz-passthru.\nb.test CNAME b.test.\n"), "+=a.test +=b.test"},
    {TEXT(ZONE "a.test A 0.0.0.0\n AAAA ::\n"), "=a.test =a.test"},
    {TEXT(ZONE "a.test A 192.0.2.1\nb.test CNAME garden.test.\nc.test TXT \"x ; (y\" ; z\n"),
     OWN_ANSWER},
    {TEXT(ZONE "a.test CNAME rpz-tcp-only.\n"), "~makes clients ask by TCP"},
    {TEXT(ZONE "24.0.2.0.192.rpz-ip CNAME .\n32.7.100.51.198.rpz-ip CNAME rpz-passthru.\n"),
     "192.0.2.0/24 +198.51.100.7/32"},
    {TEXT(ZONE "48.zz.db8.2001.rpz-ip CNAME .\n128.1.zz.db8.2001.rpz-ip CNAME .\n"),
     "2001:db8::/48 2001:db8::1/128"},
    {TEXT(ZONE "128.7.0.0.0.0.0.db8.2001.rpz-ip CNAME .\n"), "2001:db8::7/128"},
    {TEXT(ZONE "24.1.2.0.192.rpz-ip CNAME .\n8.0.rpz-ip CNAME .\nrpz-ip CNAME .\n"),
     "?a prefix with bits beyond its length ?not an address before \"rpz-ip\" ?not an address "
     "before "
     "\"rpz-ip\""},
    {TEXT(ZONE "0.0.0.0.0.rpz-ip CNAME .\n8.0.0.0.10.rpz-ip CNAME .\n"),
     "?a prefix that holds too much of the Internet ~addresses of private networks"},
    {TEXT(ZONE "8.0.0.0.10.rpz-client-ip CNAME .\n"),
     "~for some clients only; groups say that here"},
    {TEXT(ZONE "ns.test.rpz-nsdname CNAME .\n24.0.2.0.192.rpz-nsip CNAME .\n"),
     "~about name servers, which a forwarder does not see"},
    {TEXT(ZONE "* CNAME .\n"), EVERY},
    {TEXT(ZONE "com CNAME .\n*.co.uk CNAME .\n" A64 ".test CNAME .\n"),
     TLD " " SUFFIX " ?not a DNS record"},
    {TEXT(ZONE "a.test CNAME\na.test FOO x\na.test A x\nb.test CNAME .\n"),
     "=b.test ?not a DNS record ?not a DNS record ?not a DNS record"},
    {TEXT(ZONE "a\\.b.test CNAME .\na\\000.test CNAME .\n"),
     "?not a domain name: a character that host names do not have ?not a domain name: a character "
     "that "
     "host names do not have"},
    {TEXT("$INCLUDE /etc/passwd\n$TTL\n$GENERATE 1-9 a$ A 0.0.0.0\n"),
     "?a directive without its value ~a directive that lists do not need"},
    {TEXT(ZONE "a.test CNAME (\n\n .\n"), "?a record whose parentheses are never closed"},
};

static const struct reading_row csv[] = {
    {TEXT("id,Domain,note\n1,a.test,x\n2,\"b.test\",\"y, z\"\n"), "a.test b.test"},
    {TEXT("id;host\n1;a.test\n"), "a.test"},
    {TEXT("1\ta.test\n2\tb.test\n"), "a.test b.test"},
    {TEXT("when,what\n2026-01-01,a.test\n"), "a.test"},
    {TEXT("\"he said \"\"a, b\"\"\",a.test\n"), "a.test"},
    {TEXT("id,url\nx,y\n"), "?no column with a name"},
    {TEXT("domain,x\n\"https://a.test/\",1\nhttp://b.test/c,1\nc.test/d,1\n*.d.test,1\n"),
     "a.test d.test " URL},
    {TEXT("id,domain\n1\n2,\n3,a..b\n4,192.0.2.1\n5,com\n"),
     "?fewer columns than the heading ?fewer columns than the heading " LABEL " " TLD
     " ~an address in a list of names"},
    {TEXT("id,domain,x\n2,,3\n\"\"\"\n\"a\n"),
     "?the column is empty here ?fewer columns than the heading ?fewer columns than the heading"},
};

static const struct reading_row addresses[] = {
    {TEXT("# x\n; x\n198.51.100.7\n192.0.2.0/24 ; SBL1\n2001:db8::/32 # x\n"),
     "198.51.100.7/32 192.0.2.0/24 2001:db8::/32"},
    {TEXT("198.51.100.254-198.51.101.1\n198.51.100.4 - 198.51.100.4\n"),
     "198.51.100.254/31 198.51.101.0/31 198.51.100.4/32"},
    {TEXT("10.0.0.0/8\n127.0.0.1\n0.0.0.0/8\n192.168.1.1\nfd00::/64\nfe80::1\n::1\n172.0.0.0/8\n"),
     "~addresses of private networks"},
    {TEXT("0.0.0.0/0\n::/0\n64.0.0.0/7\n2000::/3\n"),
     "?a prefix that holds too much of the Internet ?a prefix that holds too much of the Internet "
     "?a "
     "prefix that holds too much of the Internet ?a prefix that holds too much of the Internet"},
    {TEXT("192.0.2.1/24\n192.0.2.0/33\n192.0.2.0/\n192.0.2.0/2x\n192.0.2\n"),
     "?a prefix with bits beyond its length ?not an address or prefix ?not an address or prefix "
     "?not an "
     "address or prefix ?not an address or prefix"},
    {TEXT("a.test\n192.0.2.1 a.test\n192.0.2.9-192.0.2.1\n192.0.2.1-x\n192.0.2.1-2001:db8::\n"),
     "?not an address or prefix ?more than one word on a line ?a range that ends before it begins "
     "?not a "
     "range of addresses ?not a range of addresses"},
    {TEXT("2001:db8::1-2001:db8::2\n"), "~a range of IPv6 addresses; please write prefixes"},
    {TEXT("198.51.100.255-255.255.255.255\n"),
     "198.51.100.255/32 198.51.101.0/24 198.51.102.0/23 198.51.104.0/21 198.51.112.0/20 "
     "198.51.128.0/17 "
     "198.52.0.0/14 198.56.0.0/13 198.64.0.0/10 198.128.0.0/9 199.0.0.0/8 "
     "?a prefix that holds too much of the Internet"},
};

#define TABLE(format) reading_table(#format, format, sizeof format / sizeof format[0])

static void test_tables(void **state)
{
    (void)state;
    TABLE(adblock);
    TABLE(dnsmasq);
    TABLE(unbound);
    TABLE(rpz);
    TABLE(csv);
    TABLE(addresses);
}

static void test_recognised(void **state)
{
    static const struct {
        const char *text, *format;
    } rows[] = {
        {"! x\n||a.test^\n", "adblock"},
        {"a.test\nb.test\n@@||c.test^\n", "adblock"},
        {"0.0.0.0 a.test\n||b.test^\n", "adblock"},
        {"address=/a.test/\n", "dnsmasq"},
        {"# x\nserver=/a.test/\n", "dnsmasq"},
        {"server:\nlocal-zone: \"a.test\" refuse\n", "unbound"},
        {"; x\n" ZONE, "rpz"},
        {"@ 3600 IN SOA a. b. (\n 1\n 2\n 3\n 4\n 5 )\n", "rpz"},
        {"a.test CNAME .\nb.test CNAME .\n", "rpz"},
        {"id,domain\n1,a.test\n", "csv"},
        {"a.test # one, two\nb.test\n", "domains"},
        {"192.0.2.1\n198.51.100.0/24 ; x\n", "addresses"},
        {"192.0.2.1\n192.0.2.2\na.test\n", "domains"},
        {"192.0.2.1-192.0.2.9\n192.0.2.20 - 192.0.2.30\n", "addresses"},
        {"192.0.2.1\n300.1.1.1\n192.0.2.1/33\n", "addresses"},
        {"a.test\n192.0.2.1-192.0.2.9\n", "domains"},
        {"192.0.2.1 a.test\n", "hosts"},
        {"0 a.test\n", "hosts"},
    };
    static struct reading reading;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bl_read_options options = {0};

        assert_int_equal(reading_run(&reading, &options, rows[i].text, strlen(rows[i].text)), 0);
        if (strcmp(reading.report.format, rows[i].format) != 0)
            fail_msg("\"%s\" was taken for %s", rows[i].text, reading.report.format);
    }
    for (size_t i = 0; bl_format_names()[i]; i++) {
        struct bl_read_options options = {.format = bl_format_names()[i]};

        assert_int_equal(reading_run(&reading, &options, "", 0), 0);
    }
}

static void test_csv_column(void **state)
{
    static struct reading reading;
    struct bl_read_options options = {.format = "csv", .csv_column = "bad host"};

    (void)state;
    assert_int_equal(reading_run(&reading, &options, TEXT("host,Bad Host\na.test,b.test\n")), 0);
    assert_string_equal(reading.out, "b.test");
    assert_int_equal(reading_run(&reading, &options, TEXT("# x\n# id,bad host\n1,b.test\n")), 0);
    assert_string_equal(reading.out, "b.test");
    assert_int_equal(reading_run(&reading, &options, TEXT("host\na.test\n")), -22);
    assert_string_equal(reading.error.text,
                        "the table has no column \"bad host\"; its first line has \"host\"");
    assert_int_equal(reading_run(&reading, &options, TEXT("id;\"a; b\"; host\n1;2;a.test\n")), -22);
    assert_non_null(strstr(reading.error.text, "its first line has \"id\", \"a; b\", \"host\""));
}

/* The same list in another format: entries as sorted text. */
struct lines {
    char **items;
    size_t count;
};

static int lines_take(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    struct lines *lines = user;
    char text[BL_NAME_TEXT_MAX];

    (void)error;
    assert_false(entry->is_address);
    assert_int_equal(entry->scope, BL_SUBTREE);
    assert_int_equal(entry->action, BL_BLOCK);
    bl_name_text(entry->name.wire, text);
    if (lines->count % 1024 == 0)
        lines->items = realloc(lines->items, (lines->count + 1024) * sizeof *lines->items);
    lines->items[lines->count++] = strdup(text);
    return 0;
}

static ssize_t fd_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    (void)error;
    return read(*(int *)user, buffer, len);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The hosts file of "crypto" is two weeks younger than the other three, and holds two names more.
 */
static bool is_of_younger_file(const char *text)
{
    return strcmp(text, "adiri.tel") == 0 || strcmp(text, "tokenist.com") == 0;
}

/* In order, each once. */
static void lines_sort(struct lines *lines)
{
    size_t kept = 0;

    qsort(lines->items, lines->count, sizeof *lines->items, by_text);
    for (size_t i = 0; i < lines->count; i++) {
        if ((kept > 0 && strcmp(lines->items[kept - 1], lines->items[i]) == 0) ||
            is_of_younger_file(lines->items[i]))
            free(lines->items[i]);
        else
            lines->items[kept++] = lines->items[i];
    }
    lines->count = kept;
}

static struct lines lines_read(const char *folder, const char *format, const char *name,
                               const char *suffix)
{
    struct lines lines = {0};
    struct bl_read_options options = {0};
    static struct bl_read_report report;
    struct bl_error error = {0};
    char path[1024];
    int fd;
    struct bl_input input = {.read = fd_read, .user = &fd};
    struct bl_sink sink = {.take = lines_take, .user = &lines};

    snprintf(path, sizeof path, "%s/blocklistproject/%s/%s%s", folder, format, name, suffix);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(bl_read(&input, &options, &sink, &report, &error), 0);
    close(fd);
    assert_string_equal(report.format, format);
    assert_int_equal(report.malformed + report.unused, 0);
    lines_sort(&lines);
    return lines;
}

static void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
}

static void test_nine_lists_in_four_formats(void **state)
{
    static const char *const names[] = {"crypto",  "fortnite", "piracy", "ransomware", "tiktok",
                                        "torrent", "twitter",  "vaping", "whatsapp"};
    static const char *const formats[][2] = {
        {"hosts", ".txt"}, {"adblock", ".txt"}, {"dnsmasq", ".conf"}};
    const char *shared = getenv("CHALKGATE_SHARED");
    char folder[900], path[1024];

    (void)state;
    snprintf(folder, sizeof folder, "%s/data",
             shared && *shared ? shared : CHALKGATE_SOURCE_DIR "/../shared");
    snprintf(path, sizeof path, "%s/blocklistproject", folder);
    if (access(path, R_OK) != 0) {
        printf("SKIP: nine lists in four formats: no shared data: looked for data/blocklistproject "
               "in $CHALKGATE_SHARED and in ../shared\n");
        skip();
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct lines plain = lines_read(folder, "domains", names[i], ".txt");

        for (size_t k = 0; k < sizeof formats / sizeof formats[0]; k++) {
            struct lines other = lines_read(folder, formats[k][0], names[i], formats[k][1]);

            assert_int_equal(other.count, plain.count);
            for (size_t n = 0; n < plain.count; n++)
                assert_string_equal(other.items[n], plain.items[n]);
            lines_free(&other);
        }
        lines_free(&plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_recognised),
        cmocka_unit_test(test_csv_column),
        cmocka_unit_test(test_nine_lists_in_four_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
