/* header.c - see header.h. */
#include "header.h"

#include "support.h"

#include <stdio.h>
#include <string.h>

static bool matches(const char *name, const char *pattern)
{
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(name, pattern, length - 1) == 0;
    return strcmp(name, pattern) == 0;
}

bool is_listed(const char *name, const char *const *list)
{
    while (*list != NULL && !matches(name, *list))
        list++;
    return *list != NULL;
}

/* The name in a declaration: what stands before the first parenthesis. */
static bool name_in(const char *declaration, char name[64])
{
    size_t length = strcspn(declaration, "(;");
    size_t from = length;
    while (from > 0 && strchr(" *\n", declaration[from - 1]) == NULL)
        from--;
    snprintf(name, 64, "%.*s", (int)(length - from), declaration + from);
    return strncmp(name, "posse_", 6) == 0;
}

static void assert_in_one(const char *name, const char *const *const *lists)
{
    while (*lists != NULL && !is_listed(name, *lists))
        lists++;
    if (*lists == NULL)
        fail_msg("%s is in no list", name);
}

void assert_all_listed(const char *const *const *lists)
{
    static char text[200000];
    FILE *header = fopen(POSSE_TEST_HEADER, "re");
    assert_non_null(header);
    text[fread(text, 1, sizeof text - 1, header)] = '\0';
    fclose(header);
    int found = 0;
    for (char *at = text, name[64]; (at = strstr(at, "\nPOSSE_API ")) != NULL; at++) {
        assert_true(name_in(at, name));
        assert_in_one(name, lists);
        found++;
    }
    print_message("%d calls\n", found);
    assert_true(found > 50);
}
