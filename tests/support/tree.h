/* tree.h - a directory in /tmp that stands for the root of a file system (tree.c). */
#ifndef TREE_H
#define TREE_H

/* Asserts; the name of the directory, for free_tree. */
char *make_tree(void);
/* Asserts; writes a file, and makes the directories that it is in. path: from the root, with /. */
void put_file(const char *root, const char *path, const char *text);
void free_tree(char *root);

#endif
