/* Figures of two workers make one sum, within their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/query/verdicts.h"

static struct verdicts one, other, sum;

static void place_set(struct verdicts *worker, unsigned number, uint64_t denied)
{
    struct verdict_counts *place = &worker->places[worker->count++];

    snprintf(place->group, sizeof(place->group), "group-%u", number);
    snprintf(place->category, sizeof(place->category), "category");
    place->counts[VERDICT_COUNT_DENIED] = denied;
}

static void test_workers_are_summed_by_words(void **state)
{
    (void)state;

    for (unsigned i = 0; i < VERDICTS_MAX; i++)
        place_set(&one, i, 1);
    place_set(&other, 7, 5);
    place_set(&other, VERDICTS_MAX + 1, 3); /* no place is left for it */
    other.other[VERDICT_COUNT_ALLOWED] = 2;
    verdicts_sum(&sum, &one);
    verdicts_sum(&sum, &other);
    assert_int_equal(sum.count, VERDICTS_MAX);
    assert_int_equal(sum.places[7].counts[VERDICT_COUNT_DENIED], 6);
    assert_int_equal(sum.places[8].counts[VERDICT_COUNT_DENIED], 1);
    assert_int_equal(sum.other[VERDICT_COUNT_DENIED], 3);
    assert_int_equal(sum.other[VERDICT_COUNT_ALLOWED], 2);
}

static void test_latencies_find_their_bucket(void **state)
{
    static struct verdicts worker;
    const uint64_t *buckets = worker.latencies[LATENCY_OWN].buckets;
    (void)state;

    latency_note(NULL, LATENCY_OWN, 1, 1);
    latency_note(&worker, LATENCY_OWN, -1, 1); /* a clock that goes back */
    latency_note(&worker, LATENCY_OWN, LATENCY_BOUNDS_US[0], 2);
    latency_note(&worker, LATENCY_OWN, LATENCY_BOUNDS_US[0] + 1, 4);
    latency_note(&worker, LATENCY_OWN, LATENCY_BOUNDS_US[LATENCY_BOUNDS - 1] + 1, 8);
    latency_note(&worker, LATENCY_OWN, 1000, 0);
    assert_int_equal(buckets[0], 3);
    assert_int_equal(buckets[1], 4);
    assert_int_equal(buckets[LATENCY_BOUNDS], 8);
    assert_int_equal(worker.latencies[LATENCY_OWN].sum_us,
                     2 * LATENCY_BOUNDS_US[0] + 4 * (LATENCY_BOUNDS_US[0] + 1) +
                         8 * (LATENCY_BOUNDS_US[LATENCY_BOUNDS - 1] + 1));
    assert_int_equal(worker.latencies[LATENCY_CACHE].sum_us, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_are_summed_by_words),
        cmocka_unit_test(test_latencies_find_their_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
