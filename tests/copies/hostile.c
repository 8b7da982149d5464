/*
 * Another user who may write in a directory of copies, for so many seconds: hostile DIRECTORY SECONDS TARGET. Takes copies
 * away, exchanges them, puts files, directories and links to TARGET at their names and beside them, gives files of its own
 * the size and the time of a copy and a second name, and takes .cloakroom away and brings it back. Prints a line for each
 * thing of its own that it put there and left, `file`, `link`, `twin` or `name` (of a twin) and its path: what must still be
 * there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES 4096

static char names[NAMES][64];

static int list(const char *directory) {
    DIR *open = opendir(directory);
    int found = 0;
    for (struct dirent *entry; open && found < NAMES && (entry = readdir(open));)
        if (!strncmp(entry->d_name, "a-", 2) && strlen(entry->d_name) == 32) strcpy(names[found++], entry->d_name);
    if (open) closedir(open);
    return found;
}

static int write_file(int at, const char *path) {
    int file = openat(at, path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (file < 0) return 0;
    int written = write(file, "theirs", 6) == 6;
    close(file);
    return written;
}

/* A file of other bytes that looks like `like`, under two names. */
static int write_twin(int at, const char *path, const char *name, const struct stat *like) {
    static char bytes[1 << 16];
    memset(bytes, 'x', sizeof bytes);
    int file = openat(at, path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (file < 0) return 0;
    int written = (size_t)like->st_size <= sizeof bytes && write(file, bytes, like->st_size) == like->st_size;
    struct timespec times[2] = {like->st_mtim, like->st_mtim};
    futimens(file, times);
    close(file);
    if (!linkat(at, path, at, name, 0)) printf("name %s\n", name);
    return written;
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    int root = open(arguments[1], O_DIRECTORY | O_RDONLY);
    if (root < 0) return perror(arguments[1]), 1;
    time_t end = time(NULL) + atoi(arguments[2]);
    unsigned seed = 1;
    for (unsigned long turn = 0; time(NULL) < end; turn++) {
        int found = list(arguments[1]);
        const char *one = found ? names[rand_r(&seed) % found] : "none", *other = found ? names[rand_r(&seed) % found] : "none";
        char path[160], moved[64];
        struct stat stat;
        snprintf(moved, sizeof moved, "moved-%lu", turn);
        switch (rand_r(&seed) % 9) {
        case 0: /* exchanged */
            renameat2(root, one, root, other, RENAME_EXCHANGE);
            break;
        case 1: /* a directory at its name */
            if (renameat(root, one, root, moved) || mkdirat(root, one, 0755)) break;
            snprintf(path, sizeof path, "%s/theirs", one);
            if (write_file(root, path)) printf("file %s\n", path);
            break;
        case 2: /* a link at its name */
            if (renameat(root, one, root, moved)) break;
            if (!symlinkat(arguments[3], root, one)) printf("link %s\n", one);
            break;
        case 3: /* a file at its name */
            if (renameat(root, one, root, moved)) break;
            if (write_file(root, one)) printf("file %s\n", one);
            break;
        case 4: /* there and back */
            if (!renameat(root, one, root, moved)) renameat2(root, moved, root, one, RENAME_NOREPLACE);
            break;
        case 5: /* away */
            renameat(root, one, root, moved);
            break;
        case 6: /* beside them */
            snprintf(path, sizeof path, "theirs-%lu", turn);
            if (!symlinkat(arguments[3], root, path)) printf("link %s\n", path);
            break;
        case 7: /* one that looks like it */
            snprintf(path, sizeof path, "twin-%lu", turn);
            if (fstatat(root, one, &stat, AT_SYMLINK_NOFOLLOW) || !S_ISREG(stat.st_mode) || renameat(root, one, root, moved)) break;
            if (write_twin(root, path, one, &stat)) printf("twin %s\n", path);
            break;
        default: /* where things are made */
            if (turn % 64) break;
            if (!renameat(root, ".cloakroom", root, moved)) {
                usleep(2000);
                renameat2(root, moved, root, ".cloakroom", RENAME_NOREPLACE);
            }
        }
        fflush(stdout);
        usleep(1000);
    }
    return 0;
}
