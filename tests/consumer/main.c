/* main.c - a program of someone else: uses an installed posse for one task. */
#include <posse.h>

#include <stdio.h>
#include <string.h>

static int shout(posse_task *task, const void *arg, size_t size)
{
    char *loud = posse_task_reserve(task, size);
    if (!loud)
        return 1;
    for (size_t i = 0; i < size; i++)
        loud[i] = (char)(((const char *)arg)[i] - 'a' + 'A');
    return 0;
}

int main(void)
{
    posse_executor *pool = NULL;
    posse_future future;
    char word[5] = "";
    posse_status status = posse_create(NULL, &pool);
    if (status == POSSE_OK)
        status = posse_submit(pool, shout, "posse", 5, &future);
    if (status == POSSE_OK)
        status = posse_result_into(future, -1, word, sizeof word, NULL);
    if (status == POSSE_OK)
        status = posse_release(future);
    posse_status end = posse_destroy(pool);
    if (status == POSSE_OK)
        status = end;
    printf("%s %s: %.5s\n", posse_version(), posse_status_name(status), word);
    return status != POSSE_OK || memcmp(word, "POSSE", 5) != 0 ||
           strcmp(posse_version(), POSSE_VERSION) != 0;
}
