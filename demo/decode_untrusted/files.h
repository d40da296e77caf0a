/* files.h - finds the files, and reads each as what a stranger has made. */
#ifndef DEMO_FILES_H
#define DEMO_FILES_H

#include <stddef.h>

struct file_list {
    char **paths;
    size_t count;
};

/* Adds a path or, if it is a directory, what is in it but for hidden files. Ends the program with a
 * line on stderr if that is not possible. */
void file_list_add(struct file_list *list, const char *path);
void file_list_free(struct file_list *list);

struct file {
    void *data; /* to be freed */
    size_t size;
};

/* Returns NULL and the data, or why it cannot be read. Never waits for a pipe or a device. */
const char *file_read(const char *path, struct file *file);

/* Prints a name, or other words of a stranger, without what a terminal would obey. */
void print_plainly(const char *text);

#endif
