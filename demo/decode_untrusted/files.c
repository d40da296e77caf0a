/* files.c - see files.h. */
#include "files.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE 67108864

/* ---- the list -------------------------------------------------------------------------------- */

static void add(struct file_list *list, const char *directory, const char *name)
{
    char **paths = realloc(list->paths, (list->count + 1) * sizeof *paths);
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (!paths || !path)
        err(1, "%s", name);
    snprintf(path, size, "%s%s%s", directory, *directory ? "/" : "", name);
    list->paths = paths;
    list->paths[list->count++] = path;
}

static int is_shown(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

void file_list_add(struct file_list *list, const char *path)
{
    struct stat status;
    struct dirent **entries;
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        add(list, "", path);
        return;
    }
    int count = scandir(path, &entries, is_shown, compare);
    if (count < 0)
        err(1, "%s", path);
    for (int k = 0; k < count; k++) {
        add(list, path, entries[k]->d_name);
        free(entries[k]);
    }
    free(entries);
}

void file_list_free(struct file_list *list)
{
    for (size_t k = 0; k < list->count; k++)
        free(list->paths[k]);
    free(list->paths);
}

/* ---- a file ---------------------------------------------------------------------------------- */

/* Reads until the end: a file may be cut or grow meanwhile. */
static const char *read_all(int fd, struct file *file, size_t capacity)
{
    for (ssize_t got = 1; got != 0 && file->size < capacity;) {
        got = read(fd, (char *)file->data + file->size, capacity - file->size);
        if (got < 0 && errno != EINTR)
            return strerror(errno);
        file->size += got < 0 ? 0 : (size_t)got;
    }
    return NULL;
}

static const char *read_open(int fd, struct file *file)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return strerror(errno);
    if (!S_ISREG(status.st_mode))
        return "it is no file";
    if (status.st_size > MAX_FILE)
        return "it is larger than 64 MB";
    size_t capacity = (size_t)status.st_size;
    file->data = malloc(capacity + 1);
    return file->data ? read_all(fd, file, capacity) : strerror(errno);
}

const char *file_read(const char *path, struct file *file)
{
    *file = (struct file){0};
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return strerror(errno);
    const char *wrong = read_open(fd, file);
    close(fd);
    if (wrong) {
        free(file->data);
        *file = (struct file){0};
    }
    return wrong;
}

void print_plainly(const char *text)
{
    for (; *text; text++)
        putchar(*text >= ' ' && *text <= '~' ? *text : '?');
}
