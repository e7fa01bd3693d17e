/* Replays a fuzz target's corpus as an ordinary test: each file as it is, then damaged copies of it
 * from a fixed seed, so that a run repeats exactly. `fuzz-WHAT FOLDER-OR-FILE... [--copies=N]`.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

enum { FILE_MAX = 1 << 20, COPIES = 200 };

struct replay {
    unsigned copies;
    unsigned files;
    unsigned long inputs;
    uint64_t state;
};

/* xorshift64*: any generator will do that gives the same numbers everywhere. */
static uint32_t random_next(struct replay *replay)
{
    replay->state ^= replay->state >> 12;
    replay->state ^= replay->state << 25;
    replay->state ^= replay->state >> 27;
    return (uint32_t)((replay->state * UINT64_C(2685821657736338717)) >> 32);
}

/* Gives the target a copy of exactly that size, so that the sanitizer sees one octet too far. */
static void input_run(struct replay *replay, const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact)
        abort();
    memcpy(exact, data, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    replay->inputs++;
}

static size_t input_damage(struct replay *replay, uint8_t *data, size_t len)
{
    static const uint8_t telling[] = {0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff, '\n', '.'};
    unsigned times = 1 + random_next(replay) % 4;
    while (times-- > 0 && len > 0) {
        size_t at = random_next(replay) % len;
        switch (random_next(replay) % 6) {
        case 0:
            data[at] ^= (uint8_t)(1u << random_next(replay) % 8);
            break;
        case 1:
            data[at] = telling[random_next(replay) % sizeof(telling)];
            break;
        case 2:
            data[at] = (uint8_t)random_next(replay);
            break;
        case 3:
            len = at;
            break;
        case 4:
            memmove(data + at, data + at + 1, len - at - 1);
            len--;
            break;
        default:
            memmove(data + at + 1, data + at, len - at);
            len++;
            break;
        }
    }
    return len;
}

static int file_replay(struct replay *replay, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(FILE_MAX + 8), *copy = malloc(FILE_MAX + 8);
    if (!file || !data || !copy) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        if (file)
            fclose(file);
        free(data);
        free(copy);
        return -1;
    }
    size_t len = fread(data, 1, FILE_MAX, file);
    fclose(file);
    input_run(replay, data, len);
    replay->state = UINT64_C(0x9e3779b97f4a7c15) ^ len;
    for (unsigned i = 0; i < replay->copies; i++) {
        memcpy(copy, data, len);
        input_run(replay, copy, input_damage(replay, copy, len));
    }
    replay->files++;
    free(data);
    free(copy);
    return 0;
}

static int folder_replay(struct replay *replay, const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return -1;
    }
    int failed = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            failed |= file_replay(replay, path);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    struct replay replay = {.copies = COPIES, .state = 1};
    int failed = 0;
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--copies=", 9) == 0)
            replay.copies = (unsigned)strtoul(argv[i] + 9, NULL, 10);
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (strncmp(argv[i], "--", 2) == 0)
            continue;
        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode))
            failed |= folder_replay(&replay, argv[i]);
        else
            failed |= file_replay(&replay, argv[i]);
    }
    printf("%u files, %lu inputs\n", replay.files, replay.inputs);
    if (replay.files == 0)
        fprintf(stderr, "there is no corpus to replay\n");
    return failed || replay.files == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
