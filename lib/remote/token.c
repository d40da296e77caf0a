#include "remote/token.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool pi_token_make(unsigned char token[PI_TOKEN_SIZE])
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, token, PI_TOKEN_SIZE);
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)PI_TOKEN_SIZE;
}

void pi_token_write(const unsigned char token[PI_TOKEN_SIZE], char text[PI_TOKEN_TEXT])
{
    for (size_t i = 0; i < PI_TOKEN_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", token[i]);
}

bool pi_token_name(char text[PI_TOKEN_TEXT])
{
    unsigned char any[PI_TOKEN_SIZE];
    if (!pi_token_make(any))
        return false;
    pi_token_write(any, text);
    return true;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool pi_token_read(const char *text, unsigned char token[PI_TOKEN_SIZE])
{
    for (size_t i = 0; i < PI_TOKEN_SIZE; i++) {
        int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        token[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}
