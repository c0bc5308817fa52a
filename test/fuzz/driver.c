/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a fuzz target without libFuzzer
 *
 *     fuzz-NAME PATH...                         run each file, and each file of a directory, once
 *     fuzz-NAME -t SECONDS [-s SEED] PATH...    run inputs that are made by changing, cutting and
 *                                               joining these files
 *
 * Only the first 4096 bytes of a file are used. When the target aborts (FUZZ_CHECK), the driver
 * writes the input to the file fuzz-input.bin in the working directory.
 */

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX 4096

struct seed {
        uint8_t *data;
        size_t n;
};

static struct seed *seeds;
static size_t n_seeds;
static uint64_t state = 1;
static uint8_t input[INPUT_MAX];
static size_t n_input;

static uint32_t random_below(uint32_t n) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (state >> 33) % n;
}

static void keep_input(int signal_number) {
        FILE *file = fopen("fuzz-input.bin", "w");

        if (file) {
                fwrite(input, 1, n_input, file);
                fclose(file);
        }
        signal(signal_number, SIG_DFL);
        raise(signal_number);
}

/* Run the target on a copy in memory of n bytes: sanitizers notice a read beyond its end. */
static void run(const uint8_t *data, size_t n) {
        uint8_t *exact = malloc(n ? n : 1);

        if (!exact)
                exit(EXIT_FAILURE);
        if (n > 0)
                memcpy(exact, data, n);
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
}

static void load_file(const char *path) {
        struct seed *more = realloc(seeds, (n_seeds + 1) * sizeof(*more));
        FILE *file = fopen(path, "r");
        uint8_t *data = malloc(INPUT_MAX);

        if (!file || !more || !data) {
                perror(path);
                exit(EXIT_FAILURE);
        }
        seeds = more;
        seeds[n_seeds++] = (struct seed){data, fread(data, 1, INPUT_MAX, file)};
        fclose(file);
}

static void load(const char *path) {
        DIR *dir = opendir(path);
        struct dirent *entry;

        if (!dir) {
                load_file(path);
                return;
        }
        while ((entry = readdir(dir))) {
                char file[4096];

                if (entry->d_name[0] == '.')
                        continue;
                snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
                load_file(file);
        }
        closedir(dir);
}

static void run_each(void) {
        for (size_t i = 0; i < n_seeds; i++) {
                memcpy(input, seeds[i].data, seeds[i].n);
                n_input = seeds[i].n;
                run(input, n_input);
        }
        printf("%zu inputs\n", n_seeds);
}

static const struct seed *random_seed(void) {
        return &seeds[random_below(n_seeds)];
}

static void add(const struct seed *seed, size_t from) {
        size_t n = seed->n - from;

        if (n > sizeof(input) - n_input)
                n = sizeof(input) - n_input;
        memcpy(input + n_input, seed->data + from, n);
        n_input += n;
}

static void change(void) {
        static const uint8_t favourites[] = {0,    1,   2,    4,    8,   0x7f, 0x80,
                                             0xff, ' ', '\r', '\n', 'a', 's',  'v'};
        size_t at, n;

        if (n_input == 0)
                return;
        at = random_below(n_input);
        switch (random_below(6)) {
        case 0:
                input[at] ^= 1 << random_below(8);
                return;
        case 1:
                input[at] = favourites[random_below(sizeof(favourites))];
                return;
        case 2:
                input[at] += random_below(16) - 8;
                return;
        case 3: /* take bytes out */
                n = 1 + random_below(8);
                if (n > n_input - at)
                        n = n_input - at;
                memmove(input + at, input + at + n, n_input - at - n);
                n_input -= n;
                return;
        case 4: /* put bytes in */
                n = 1 + random_below(8);
                if (n > sizeof(input) - n_input)
                        return;
                memmove(input + at + n, input + at, n_input - at);
                memset(input + at, favourites[random_below(sizeof(favourites))], n);
                n_input += n;
                return;
        default: /* sometimes replace the bytes from `at` on with the end of a seed */
                if (random_below(4) == 0) {
                        const struct seed *seed = random_seed();

                        n_input = at;
                        add(seed, random_below(seed->n + 1));
                }
                return;
        }
}

static double now(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec + t.tv_nsec / 1e9;
}

static void run_random(double seconds) {
        double end = now() + seconds;
        unsigned long n_runs = 0;

        do {
                for (unsigned i = 0; i < 1000; i++) {
                        n_input = 0;
                        add(random_seed(), 0);
                        for (unsigned n = random_below(6); n > 0; --n)
                                change();
                        run(input, n_input);
                        ++n_runs;
                }
        } while (now() < end);
        printf("%lu inputs\n", n_runs);
}

int main(int argc, char **argv) {
        double seconds = 0;
        int option;

        while ((option = getopt(argc, argv, "t:s:")) >= 0)
                switch (option) {
                case 't':
                        seconds = atof(optarg);
                        break;
                case 's':
                        state = strtoull(optarg, NULL, 0);
                        break;
                default:
                        return EXIT_FAILURE;
                }

        for (; optind < argc; optind++)
                load(argv[optind]);
        if (n_seeds == 0) {
                fprintf(stderr, "%s: nothing to start from\n", argv[0]);
                return EXIT_FAILURE;
        }

        signal(SIGABRT, keep_input);
        if (seconds > 0)
                run_random(seconds);
        else
                run_each();

        for (size_t i = 0; i < n_seeds; i++)
                free(seeds[i].data);
        free(seeds);
        return EXIT_SUCCESS;
}
