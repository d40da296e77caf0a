/* known.c - every call that the library makes is one of which fault/kit/calls.def knows: either it
 * is made to fail, or it says why it cannot. The library itself is asked, by nm. */
#include "fault/kit/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SYMBOLS 2000

static const char *const known[] = {
#define FAULT(type, name, ...) #name,
#define BY_HAND(name) #name,
#define SOUND(name, reason) #name,
#include "fault/kit/calls.def"
#undef FAULT
#undef BY_HAND
#undef SOUND
};

/* What comes from the compiler, with sanitizers and counters. */
static const char *const instruments[] = {"__asan_",      "__ubsan_",       "__tsan_",
                                          "__sanitizer_", "__gcov_",        "__llvm_",
                                          "__stack_",     "__tls_get_addr", "__aarch64_"};

static char names[MAX_SYMBOLS][64];
static bool defined[MAX_SYMBOLS];
static int count;

static int place_of(const char *name)
{
    int i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    if (i == count && count < MAX_SYMBOLS)
        snprintf(names[count++], sizeof names[0], "%s", name);
    return i;
}

/* A line of nm -P is "name type ...". Others name the file. */
static void read_symbols(const char *library)
{
    char command[1000], line[500], name[64], type;
    snprintf(command, sizeof command, "%s -P -g '%s' 2>/dev/null", POSSE_TEST_NM, library);
    FILE *symbols = popen(command, "re");
    assert_non_null(symbols);
    while (fgets(line, sizeof line, symbols) != NULL) {
        if (sscanf(line, "%63s %c", name, &type) == 2 && strchr("TDBRSVWCUu", type) != NULL) {
            int place = place_of(name);
            defined[place] |= type != 'U';
        }
    }
    assert_int_equal(pclose(symbols), 0);
}

/* What headers make of a name: strtol is __isoc23_strtol since C23, read is __read_chk with
 * _FORTIFY_SOURCE, and open is open64 with _FILE_OFFSET_BITS. */
static const struct {
    const char *before, *after;
} variants[] = {{"__isoc99_", ""}, {"__isoc23_", ""}, {"__", "_chk"}, {"__", "_2"}, {"", "64"}};

/* The name as it stands in the source. */
static const char *plain(char *name)
{
    for (size_t i = 0; i < COUNT(variants); i++) {
        size_t length = strlen(name), before = strlen(variants[i].before);
        size_t after = strlen(variants[i].after);
        if (length > before + after && strncmp(name, variants[i].before, before) == 0 &&
            strcmp(name + length - after, variants[i].after) == 0) {
            name[length - after] = '\0';
            name += before;
        }
    }
    return name;
}

static bool is_known(char *symbol)
{
    for (size_t i = 0; i < COUNT(instruments); i++)
        if (strncmp(symbol, instruments[i], strlen(instruments[i])) == 0)
            return true;
    const char *name = plain(symbol);
    for (size_t i = 0; i < COUNT(known); i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

TEST(every_call_is_known, PROCESSES)
{
    int calls = 0, unknown = 0;
    read_symbols(POSSE_TEST_LIBRARY);
    for (int i = 0; i < count; i++) {
        calls += !defined[i];
        if (!defined[i] && !is_known(names[i])) {
            print_error("calls.def says nothing of %s\n", names[i]);
            unknown++;
        }
    }
    print_message("  the library makes %d different calls, %d of which may fail\n", calls, CALLS);
    assert_int_equal(unknown, 0);
    assert_in_range(calls, 50, MAX_SYMBOLS); /* else nm was not understood */
}

/* The copy that the other tests are linked with makes none of the calls that may fail itself. */
TEST(every_call_is_led_to_the_test, PROCESSES)
{
    count = 0;
    read_symbols(POSSE_TEST_COPY);
    for (int i = 0; i < count; i++) {
        const char *name = plain(names[i]);
        for (int k = 0; k < CALLS; k++)
            if (strcmp(name, fault_names[k]) == 0)
                fail_msg("%s is called", name);
    }
}
