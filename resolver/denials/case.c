/* Case numbers as short codes: a one-to-one scrambling of 35, 45, 55 or 64 bits, so that
 * neighbouring cases do not look alike, in Crockford's base 32 (no I, L, O or U). */
#include <errno.h>
#include <string.h>

#include "resolver/denials/journal.h"

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* By length of the code: bits, and after which characters a hyphen stands. */
static const struct form {
    uint8_t chars, bits, hyphen1, hyphen2;
} forms[] = {{7, 35, 3, 0}, {9, 45, 3, 6}, {11, 55, 4, 8}, {13, 64, 4, 9}};

enum { FORM_COUNT = sizeof(forms) / sizeof(forms[0]) };

static const uint64_t factor1 = 0x5851f42d4c957f2du, factor2 = 0x2545f4914f6cdd1du;

static uint64_t mask_of(const struct form *form)
{
    return form->bits == 64 ? UINT64_MAX : ((uint64_t)1 << form->bits) - 1;
}

/* Newton's iteration: the inverse of an odd number modulo 2^64, hence modulo any smaller power. */
static uint64_t inverse(uint64_t odd)
{
    uint64_t x = odd;

    for (int i = 0; i < 5; i++)
        x *= 2 - odd * x;
    return x;
}

static uint64_t scramble(uint64_t x, const struct form *form)
{
    uint64_t mask = mask_of(form);
    unsigned half = (form->bits + 1u) / 2;

    x = x * factor1 & mask;
    x ^= x >> half;
    x = x * factor2 & mask;
    return x ^ x >> half;
}

static uint64_t unscramble(uint64_t x, const struct form *form)
{
    uint64_t mask = mask_of(form);
    unsigned half = (form->bits + 1u) / 2;

    x ^= x >> half;
    x = x * inverse(factor2) & mask;
    x ^= x >> half;
    return x * inverse(factor1) & mask;
}

/* The shortest form that holds the number. */
static const struct form *form_of(uint64_t number)
{
    const struct form *form = forms;

    while (form < forms + FORM_COUNT - 1 && number >> form->bits != 0)
        form++;
    return form;
}

char *denials_case_text(uint64_t number, char text[CASE_TEXT_MAX])
{
    const struct form *form = form_of(number);
    uint64_t x = scramble(number, form);
    char *at = text;

    for (unsigned i = 0; i < form->chars; i++) {
        unsigned shift = 5u * (form->chars - 1u - i);
        if (i == form->hyphen1 || (form->hyphen2 != 0 && i == form->hyphen2))
            *at++ = '-';
        *at++ = digits[x >> shift & 31];
    }
    *at = '\0';
    return text;
}

static int digit_value(char c)
{
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

int denials_case_parse(const char *text, uint64_t *out_number)
{
    uint64_t x = 0;
    unsigned chars = 0;
    const struct form *form = forms;

    for (; *text != '\0'; text++) {
        if (strchr("- \t#.", *text) != NULL)
            continue;
        int value = digit_value(*text);
        if (value < 0 || chars == 13 || x >> 59 != 0)
            return -EINVAL;
        x = x << 5 | (uint64_t)value;
        chars++;
    }
    while (form->chars != chars)
        if (++form == forms + FORM_COUNT)
            return -EINVAL;
    uint64_t number = unscramble(x, form);
    if (number == 0 || form_of(number) != form)
        return -EINVAL;
    *out_number = number;
    return 0;
}
