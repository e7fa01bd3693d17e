#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Any text loads or is refused with a reason; what loads prints to text that loads to the same
 * print. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *config, *again;
    struct config_faults faults;
    char *text = NULL, *second = NULL;
    size_t len, second_len;
    FILE *out;

    if (config_load_text("fuzz.yaml", (const char *)data, size, &config, &faults) < 0) {
        if (!faults.count || !*faults.items[0].text)
            abort();
        config_faults_free(&faults);
        return 0;
    }
    out = open_memstream(&text, &len);
    if (!out || config_print(config, out) < 0 || fclose(out) != 0)
        abort();
    if (config_load_text("fuzz.yaml", text, len, &again, &faults) < 0) {
        fprintf(stderr, "%s\n%s\n", faults.items[0].text, text);
        abort();
    }
    out = open_memstream(&second, &second_len);
    if (!out || config_print(again, out) < 0 || fclose(out) != 0)
        abort();
    if (len != second_len || memcmp(text, second, len) != 0)
        abort();
    config_free(config);
    config_free(again);
    free(text);
    free(second);
    return 0;
}
